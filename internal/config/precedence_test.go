package config

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// samples holds two allowed values of every key, neither of them the default, as a file would have them.
var samples = map[string][2]string{
	"data_dir":                                {"one", "two"},
	"server.addr":                             {"':9000'", "'[::1]:9001'"},
	"server.port":                             {"9000", "9001"},
	"server.static_dir":                       {"/", "/tmp"},
	"server.template_dir":                     {"/", "/tmp"},
	"kafka.brokers":                           {"['a:1']", "['b:2', 'c:3']"},
	"kafka.embedded.port":                     {"9092", "9093"},
	"kafka.embedded.retention":                {"1GiB", "67108864"},
	"kafka.topic":                             {"one", "two"},
	"kafka.topics":                            {"[one, two]", "[three, four]"},
	"kafka.dead_letters_topic":                {"one", "two"},
	"kafka.aggregates_topic":                  {"one", "two"},
	"kafka.alerts_topic":                      {"one", "two"},
	"kafka.states_topic":                      {"one", "two"},
	"kafka.in_force_topic":                    {"one", "two"},
	"kafka.sources_topic":                     {"one", "two"},
	"kafka.maps_topic":                        {"one", "two"},
	"kafka.partitions":                        {"1", "20"},
	"kafka.replication_factor":                {"2", "3"},
	"kafka.group_id":                          {"one", "two"},
	"kafka.batch_size":                        {"100", "200"},
	"kafka.linger":                            {"0s", "10ms"},
	"device_simulator.device_count":           {"1", "100000"},
	"device_simulator.send_interval":          {"3s", "10s"},
	"device_simulator.device_types":           {"[switch_sensor]", "[current_sensor, switch_sensor]"},
	"device_simulator.seed":                   {"0", "18446744073709551615"},
	"device_simulator.faults.offline":         {"0", "1.5"},
	"device_simulator.faults.drift":           {"0", "1.5"},
	"device_simulator.faults.stick":           {"0", "1.5"},
	"device_simulator.faults.spike":           {"0", "1.5"},
	"device_simulator.faults.excursion":       {"0", "1.5"},
	"ingest.max_body_bytes":                   {"1MiB", "2MiB"},
	"ingest.max_readings":                     {"1", "2"},
	"ingest.max_in_flight":                    {"1", "2"},
	"ingest.max_in_flight_bytes":              {"10MiB", "1GiB"},
	"ingest.body_timeout":                     {"1s", "1m"},
	"ingest.timeout":                          {"2s", "1m"},
	"ingest.max_text_bytes":                   {"64", "1024"},
	"ingest.earliest_year":                    {"1970", "2020"},
	"ingest.map":                              {"[{field: a, device: b, type: switch_sensor}]", "[{field: c, device: d, type: switch_sensor}]"},
	"sources":                                 {"[{name: a, mqtt: {url: 'tcp://a:1883', topics: [a]}}]", "[{name: b, mqtt: {url: 'wss://b', topics: [b], qos: 0}}]"},
	"mqtt_broker.name":                        {"one", "two"},
	"mqtt_broker.addr":                        {"'127.0.0.1:1883'", "'[::1]:1884'"},
	"mqtt_broker.tls_addr":                    {"'127.0.0.1:8883'", "'[::1]:8884'"},
	"mqtt_broker.websocket_addr":              {"'127.0.0.1:1883'", "'localhost:1884'"},
	"mqtt_broker.websocket_tls_addr":          {"'127.0.0.1:8883'", "'localhost:8884'"},
	"mqtt_broker.websocket_path":              {"/one", "/two"},
	"mqtt_broker.tls.cert_file":               {"a.pem", "b.pem"},
	"mqtt_broker.tls.key_file":                {"a.pem", "b.pem"},
	"mqtt_broker.tls.client_ca_file":          {"a.pem", "b.pem"},
	"mqtt_broker.users_file":                  {"a", "b"},
	"mqtt_broker.permissions":                 {"[{user: a, publish: [a]}]", "[{user: '*', subscribe: [b]}]"},
	"mqtt_broker.topics":                      {"[a]", "['b/#', 'c']"},
	"mqtt_broker.payload":                     {"json", "cbor"},
	"mqtt_broker.map":                         {"[{field: a, device: b, type: switch_sensor}]", "[{field: c, device: d, type: switch_sensor}]"},
	"mqtt_broker.max_connections":             {"1", "2"},
	"mqtt_broker.max_connections_per_address": {"1", "2"},
	"mqtt_broker.max_sessions":                {"1", "2"},
	"mqtt_broker.session_expiry":              {"1s", "1h"},
	"mqtt_broker.max_subscriptions":           {"1", "2"},
	"mqtt_broker.max_packet_bytes":            {"1KiB", "2KiB"},
	"mqtt_broker.receive_maximum":             {"1", "2"},
	"mqtt_broker.max_pending_bytes":           {"1MiB", "2MiB"},
	"mqtt_broker.max_rate":                    {"1", "2"},
	"mqtt_broker.max_keep_alive":              {"10s", "1h"},
	"mqtt_broker.max_queued":                  {"1", "2"},
	"mqtt_broker.max_queued_bytes":            {"1MiB", "2MiB"},
	"mqtt_broker.max_inflight":                {"1", "2"},
	"mqtt_broker.max_retained":                {"1", "2"},
	"mqtt_broker.max_retained_bytes":          {"1MiB", "2MiB"},
	"forward.to":                              {"['a:1', 'b:2']", "['https://c']"},
	"forward.topic":                           {"one", "two"},
	"forward.tls.ca_file":                     {"a.pem", "b.pem"},
	"forward.tls.cert_file":                   {"a.pem", "b.pem"},
	"forward.tls.key_file":                    {"a.pem", "b.pem"},
	"forward.tls.server_name":                 {"a", "b"},
	"forward.sasl.mechanism":                  {"PLAIN", "SCRAM-SHA-512"},
	"forward.sasl.username":                   {"a", "b"},
	"forward.sasl.password":                   {"a", "b"},
	"forward.token_file":                      {"a", "b"},
	"forward.max_rate":                        {"1", "20000"},
	"forward.historical_after":                {"1s", "1h"},
	"aggregation.window_seconds":              {"1", "60"},
	"aggregation.allowed_lateness":            {"0s", "1m"},
	"aggregation.max_clock_skew":              {"0s", "1m"},
	"aggregation.revision":                    {"1", "20"},
	"devices.offline_after":                   {"3s", "1m"},
	"devices.forget_after":                    {"0s", "720h"},
	"devices.parent_grace":                    {"0s", "2m"},
	"device_types":                            {"[{name: a, max: 1}]", "[{name: b, max: 1}]"},
	"alerts.temperature_high":                 {"30", "'off'"},
	"alerts.humidity_high":                    {"30", "'off'"},
	"alerts.pressure_high":                    {"30", "'off'"},
	"alerts.temperature_critical":             {"30", "'off'"},
	"alerts.device_offline":                   {"critical", "'off'"},
	"alerts.revision":                         {"1", "20"},
	"alerts.rules":                            {"[{name: a, device_type: switch_sensor, severity: info, above: 0.5}]", "[{name: b, device_type: switch_sensor, severity: info, below: 0.5}]"},
	"processor.commit_interval":               {"100ms", "750ms"},
	"archive.retention.readings":              {"0s", "1h"},
	"archive.retention.summaries":             {"0s", "1h"},
	"archive.retention.alerts":                {"0s", "1h"},
	"control.audit_retention":                 {"0s", "24h"},
	"websocket.path":                          {"/one", "/two"},
	"websocket.max_connections":               {"1", "2"},
	"websocket.ping_interval":                 {"1s", "1m"},
	"websocket.pong_timeout":                  {"1s", "1m"},
	"websocket.write_timeout":                 {"1s", "1m"},
	"websocket.allowed_origins":               {"['https://a']", "['https://b', 'http://c:1']"},
	"websocket.max_message_bytes":             {"1KiB", "2KiB"},
	"websocket.max_filter_items":              {"1", "2"},
	"websocket.max_bytes_per_second":          {"1MiB", "2MiB"},
	"tracing.endpoint":                        {"'http://a:4318'", "'https://b/v1/traces'"},
	"tracing.sample_ratio":                    {"0", "0.5"},
	"log.level":                               {"debug", "warn"},
	"server.shutdown_timeout":                 {"1s", "1m"},
	"kafka.tls.ca_file":                       {"a.pem", "b.pem"},
	"kafka.tls.cert_file":                     {"a.pem", "b.pem"},
	"kafka.tls.key_file":                      {"a.pem", "b.pem"},
	"kafka.tls.server_name":                   {"a", "b"},
	"kafka.sasl.mechanism":                    {"PLAIN", "SCRAM-SHA-512"},
	"kafka.sasl.username":                     {"a", "b"},
	"kafka.sasl.password":                     {"a", "b"},
	"kafka.max_buffered":                      {"1", "2"},
	"kafka.delivery_timeout":                  {"10s", "1h"},
	"postgres.url":                            {"'postgres://a'", "'postgres://b,c/d?target_session_attrs=read-write'"},
	"postgres.max_connections":                {"2", "3"},
	"postgres.password":                       {"'p@s/s%d#?{}$w'", "b"},
	"redis.password":                          {"'p@s/s%d#?{}$w'", "b"},
	"redis.url":                               {"'redis://a'", "'rediss://b:1/2'"},
	"redis.addrs":                             {"['a:1']", "['b:2', 'c:3']"},
	"redis.master":                            {"a", "b"},
	"redis.expiry":                            {"1m", "1h"},
	"consumer.roles":                          {"[processor]", "[archiver, cache]"},
	"notifications.language":                  {"zh", "en"},
	"notifications.time_zone":                 {"Asia/Shanghai", "Europe/Berlin"},
	"notifications.page":                      {"'http://a'", "'https://b.example/iotmon'"},
	"notifications.keep":                      {"1h", "48h"},
	"notifications.channels":                  {"[{name: a, webhook: {url: 'http://a'}}]", "[{name: a, webhook: {url: 'http://b'}}]"},
	"notifications.calendars":                 {"[{name: a, otherwise: [a]}]", "[{name: b, otherwise: [a]}]"},
	"notifications.routes":                    {"[{name: a, channels: [a]}]", "[{name: b, channels: [a]}]"},
}

// companions are variables without which a key may not be set.
var companions = map[string][]string{
	"kafka.tls.ca_file":     {"IOTMON_KAFKA_TLS_ENABLED=true"},
	"kafka.tls.cert_file":   {"IOTMON_KAFKA_TLS_ENABLED=true", "IOTMON_KAFKA_TLS_KEY_FILE=key.pem"},
	"kafka.tls.key_file":    {"IOTMON_KAFKA_TLS_ENABLED=true", "IOTMON_KAFKA_TLS_CERT_FILE=cert.pem"},
	"kafka.tls.server_name": {"IOTMON_KAFKA_TLS_ENABLED=true"},
	"kafka.sasl.mechanism":  {"IOTMON_KAFKA_SASL_USERNAME=user"},
	"kafka.sasl.username":   {"IOTMON_KAFKA_SASL_MECHANISM=PLAIN"},

	"notifications.channels":  {"IOTMON_NOTIFICATIONS_ROUTES=[{name: a, channels: [a]}]"},
	"notifications.calendars": {"IOTMON_NOTIFICATIONS_CHANNELS=[{name: a, webhook: {url: 'http://a'}}]", "IOTMON_NOTIFICATIONS_ROUTES=[{name: a, channels: [a]}]"},
	"notifications.routes":    {"IOTMON_NOTIFICATIONS_CHANNELS=[{name: a, webhook: {url: 'http://a'}}]"},

	"mqtt_broker.addr":                    {"IOTMON_MQTT_BROKER_ANONYMOUS=true"},
	"mqtt_broker.tls_addr":                {"IOTMON_MQTT_BROKER_ANONYMOUS=true", "IOTMON_MQTT_BROKER_TLS_CERT_FILE=c.pem", "IOTMON_MQTT_BROKER_TLS_KEY_FILE=k.pem"},
	"mqtt_broker.websocket_addr":          {"IOTMON_MQTT_BROKER_ANONYMOUS=true"},
	"mqtt_broker.websocket_tls_addr":      {"IOTMON_MQTT_BROKER_ANONYMOUS=true", "IOTMON_MQTT_BROKER_TLS_CERT_FILE=c.pem", "IOTMON_MQTT_BROKER_TLS_KEY_FILE=k.pem"},
	"mqtt_broker.tls.cert_file":           {"IOTMON_MQTT_BROKER_TLS_KEY_FILE=k.pem"},
	"mqtt_broker.tls.key_file":            {"IOTMON_MQTT_BROKER_TLS_CERT_FILE=c.pem"},
	"mqtt_broker.tls.require_certificate": {"IOTMON_MQTT_BROKER_TLS_CLIENT_CA_FILE=c.pem"},

	"forward.tls.ca_file":     {"IOTMON_FORWARD_TLS_ENABLED=true"},
	"forward.tls.cert_file":   {"IOTMON_FORWARD_TLS_ENABLED=true", "IOTMON_FORWARD_TLS_KEY_FILE=key.pem"},
	"forward.tls.key_file":    {"IOTMON_FORWARD_TLS_ENABLED=true", "IOTMON_FORWARD_TLS_CERT_FILE=cert.pem"},
	"forward.tls.server_name": {"IOTMON_FORWARD_TLS_ENABLED=true"},
	"forward.sasl.mechanism":  {"IOTMON_FORWARD_SASL_USERNAME=user"},
	"forward.sasl.username":   {"IOTMON_FORWARD_SASL_MECHANISM=PLAIN"},
}

// switches are the keys with only one value beside the default.
var switches = map[string]string{
	"server.pprof":                        "true",
	"kafka.embedded.allow_clock_behind":   "true",
	"kafka.embedded.sync_writes":          "true",
	"device_simulator.enabled":            "false",
	"control.enabled":                     "false",
	"archive.enabled":                     "false",
	"websocket.compression":               "true",
	"kafka.tls.enabled":                   "true",
	"forward.tls.enabled":                 "true",
	"forward.newest_first":                "true",
	"mqtt_broker.plaintext":               "true",
	"mqtt_broker.anonymous":               "true",
	"mqtt_broker.persistent":              "false",
	"mqtt_broker.tls.require_certificate": "true",
	"kafka.group_protocol":                "consumer",
	"log.format":                          "json",
}

// fileWith returns a file that sets one key.
func fileWith(path, value string) string {
	parts := strings.Split(path, ".")
	return strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts)-1)
}

// textOf returns the value of a file as the environment and flags have it.
func textOf(value string) string {
	if strings.HasPrefix(value, "[") {
		return value
	}
	return strings.Trim(value, "'")
}

func TestEveryKeyFromEverySourceInItsPrecedence(t *testing.T) {
	flags := make(map[string]string)
	for _, o := range options(Iotmon) {
		flags[o.key] = "-" + o.name
	}
	standard := Default(Iotmon, builtin)
	for _, l := range leaves(&standard) {
		t.Run(l.path, func(t *testing.T) {
			values, ok := samples[l.path]
			if other, isSwitch := switches[l.path]; isSwitch {
				values, ok = [2]string{strings.Trim(showValue(l.value), `"`), other}, true
			}
			if !ok {
				t.Fatal("the key has no samples")
			}
			service, standard := Iotmon, standard
			if section, _, _ := strings.Cut(l.path, "."); l.path == "kafka.brokers" || section == "postgres" || section == "redis" {
				service, standard = Consumer, Default(Consumer, builtin)
			}
			low, high := values[0], values[1]
			with := companions[l.path]
			want := mustLoadAs(t, service, fileWith(l.path, high), with)
			if equal(want, &standard) || equal(want, mustLoadAs(t, service, fileWith(l.path, low), with)) {
				t.Errorf("%s in the file changes nothing", high)
			}
			environ := append(with[:len(with):len(with)], EnvName(l.path)+"="+textOf(high))
			if got := mustLoadAs(t, service, fileWith(l.path, low), environ); !equal(got, want) {
				t.Errorf("the environment does not win over the file:\ngot  %+v\nwant %+v", got, want)
			}
			if flags[l.path] == "" {
				return
			}
			environ = []string{EnvName(l.path) + "=" + textOf(low)}
			if got := mustLoadAs(t, service, "", environ, flags[l.path], textOf(high)); !equal(got, want) {
				t.Errorf("the flag does not win over the environment:\ngot  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestNoSimulatorWinsOverTheEnvironment(t *testing.T) {
	cfg := mustLoad(t, "", []string{"IOTMON_DEVICE_SIMULATOR_ENABLED=true"}, "-no-simulator")
	if cfg.Simulator.Enabled {
		t.Error("the simulator is enabled, want it off")
	}
}

func TestNamesOfVariablesAreUnique(t *testing.T) {
	_, paths := schema()
	owners := map[string]string{envConfig: "the file"}
	for _, path := range paths {
		name := EnvName(path)
		if owner := owners[name]; owner != "" {
			t.Errorf("%s sets both %s and %s", name, owner, path)
		}
		owners[name] = path
	}
}

func TestExplainShowsTheSourceOfEachKey(t *testing.T) {
	cfg := mustLoad(t, "server: {port: 9000}\nlog: {level: info}\nalerts: {pressure_high: off}",
		[]string{"IOTMON_KAFKA_GROUP_ID=group"}, "-interval", "10s")
	var out bytes.Buffer
	if err := cfg.Explain(&out, Iotmon); err != nil {
		t.Fatal(err)
	}
	const want = `server.addr                     "127.0.0.1:9000"  configs/iotmon.yaml
kafka.group_id                  "group"           IOTMON_KAFKA_GROUP_ID
device_simulator.send_interval  10s               -interval
devices.offline_after           30s               three times device_simulator.send_interval
alerts.pressure_high            off               configs/iotmon.yaml
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const root = "../.."

func TestReferenceFileIsTheDefaultAndMentionsEveryKey(t *testing.T) {
	text, err := os.ReadFile(root + "/configs/iotmon.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := mustLoad(t, string(text), nil)
	if want := Default(Iotmon, builtin); !equal(cfg, &want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	_, paths := schema()
	for _, path := range paths {
		key := path[strings.LastIndex(path, ".")+1:]
		if cfg.sources[path] == "" && !bytes.Contains(text, []byte("# "+key+": ")) {
			t.Errorf("%s is not mentioned", path)
		}
	}
	for _, list := range []reflect.Type{reflect.TypeFor[Rule](), reflect.TypeFor[RuleScope](), reflect.TypeFor[Condition](), reflect.TypeFor[Levels](), reflect.TypeFor[Level](), reflect.TypeFor[DeviceType](), reflect.TypeFor[MQTT](), reflect.TypeFor[SourceTLS](), reflect.TypeFor[Sparkplug](),
		reflect.TypeFor[MQTTPermission](), reflect.TypeFor[OPCUA](), reflect.TypeFor[OPCUANode](), reflect.TypeFor[OPCUABrowse](),
		reflect.TypeFor[Source](), reflect.TypeFor[MapRule](), reflect.TypeFor[MapType](), reflect.TypeFor[MapTime](), reflect.TypeFor[MapQuality](), reflect.TypeFor[MapStatus](),
	} {
		_, keys := fieldsOf(list)
		for _, key := range keys {
			if !regexp.MustCompile(`# .*\b` + key + `\b`).Match(text) {
				t.Errorf("%s of a %s is not mentioned", key, list.Name())
			}
		}
	}
	for _, o := range options(Iotmon) {
		if !bytes.Contains(text, []byte("# -"+o.name)) {
			t.Errorf("-%s is not mentioned", o.name)
		}
	}
}

func TestFilesOfAllServicesLoad(t *testing.T) {
	t.Chdir(root) // Their directories are relative to the source tree.
	for service, port := range map[string]int{Iotmon: 8080, Producer: 8084, Consumer: 8081, Web: 8080, WebSocket: 8082} {
		cfg, err := Load(LoadOptions{Service: service, Builtin: builtin, Environ: []string{"MIDDLEWARE_HOST=10.1.2.3"}})
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		if cfg.Server.Port != port {
			t.Errorf("%s: got port %d, want %d", service, cfg.Server.Port, port)
		}
		if service != Iotmon && !slices.Equal(cfg.Kafka.Brokers, []string{"10.1.2.3:9092"}) {
			t.Errorf("%s: got brokers %v, want 10.1.2.3:9092", service, cfg.Kafka.Brokers)
		}
	}
}
