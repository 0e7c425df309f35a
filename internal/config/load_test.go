package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// load runs Load for iotmon in a directory with the given configs/iotmon.yaml; an empty one leaves the file out.
func load(t *testing.T, file string, environ []string, args ...string) (*Config, error) {
	t.Helper()
	return loadAs(t, Iotmon, file, environ, args...)
}

func loadAs(t *testing.T, service, file string, environ []string, args ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		write(t, filepath.Join(dir, "configs", service+".yaml"), file)
	}
	return Load(LoadOptions{Service: service, Builtin: builtin, Args: args, Environ: environ, Dir: dir})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t *testing.T, file string, environ []string, args ...string) *Config {
	t.Helper()
	return mustLoadAs(t, Iotmon, file, environ, args...)
}

func mustLoadAs(t *testing.T, service, file string, environ []string, args ...string) *Config {
	t.Helper()
	cfg, err := loadAs(t, service, file, environ, args...)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return cfg
}

func TestNothingGivenIsTheDefault(t *testing.T) {
	cfg := mustLoad(t, "", nil)
	if want := Default(Iotmon, builtin); !equal(cfg, &want) {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
}

// equal compares all configurable fields.
func equal(a, b *Config) bool {
	one, other := *a, *b
	one.sources, other.sources = nil, nil
	one.Revision, other.Revision = time.Time{}, time.Time{}
	one.RulesFrom, other.RulesFrom = time.Time{}, time.Time{}
	one.File, other.File = "", ""
	return reflect.DeepEqual(one, other)
}

func TestDocumentedKeysAreUnderstood(t *testing.T) {
	cfg := mustLoadAs(t, Consumer, `
kafka:
  brokers: ["<KAFKA_HOST>:9092", "<MIDDLEWARE_HOST>:9093"]
  topics: ["readings", "alarms"]
  group_id: "group"
  batch_size: 100
device_simulator:
  device_count: 500
  send_interval: "10s"
  device_types:
    - "temperature_sensor"
    - "switch_sensor"
aggregation:
  window_seconds: 60
alerts:
  temperature_high: 30
  humidity_high: null
  pressure_high: off
  device_offline: "off"
server:
  port: 9000
websocket:
  path: "/live"
  max_connections: 1000
  ping_interval: "20s"
`, []string{"MIDDLEWARE_HOST=kafka.plant"})

	want := Default(Consumer, builtin)
	want.Kafka.Brokers = []string{"kafka.plant:9092", "kafka.plant:9093"}
	want.Kafka.Topic, want.Kafka.AlertsTopic = "readings", "alarms"
	want.Kafka.Topics = []string{"readings", "alarms"}
	want.Kafka.GroupID, want.Kafka.BatchSize = "group", 100
	want.Simulator.DeviceCount, want.Simulator.SendInterval = 500, 10*time.Second
	want.Simulator.DeviceTypes = []string{"temperature_sensor", "switch_sensor"}
	want.Aggregation.WindowSeconds = 60
	want.Devices.OfflineAfter = 30 * time.Second
	want.Alerts = Alerts{TemperatureHigh: threshold(30), TemperatureCritical: threshold(35), DeviceOffline: Off, Rules: []Rule{}}
	want.Server.Addr, want.Server.Port = "127.0.0.1:9000", 9000
	want.Push.Path, want.Push.MaxConnections, want.Push.PingInterval = "/live", 1000, 20*time.Second
	if !equal(cfg, &want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
}

func TestMistakesNamePlaceKeyAndWhatIsAllowed(t *testing.T) {
	const file = "configs/iotmon.yaml: "
	for _, test := range []struct {
		name    string
		yaml    string
		environ []string
		args    []string
		want    string
	}{
		{"unknown key", "kafka: {gruop_id: x}", nil, nil, file + "kafka.gruop_id: unknown key; did you mean kafka.group_id?"},
		{"unknown section", "kafak: {}", nil, nil, file + "kafak: unknown key; did you mean kafka?"},
		{"key of another section", "window_seconds: 30", nil, nil, file + "window_seconds: unknown key; did you mean aggregation.window_seconds?"},
		{"dotted key", `"kafka.topic": x`, nil, nil, file + "kafka.topic: keys are nested, not dotted: write each part on a line of its own"},
		{"unknown key in a list", "alerts: {rules: [{nane: x}]}", nil, nil, file + "alerts.rules[0].nane: unknown key; did you mean alerts.rules[0].name?"},
		{"scalar for a section", "kafka: 3", nil, nil, file + "kafka: must be a section with keys of its own (got 3)"},
		{"bare duration", "device_simulator: {send_interval: 5}", nil, nil, file + "device_simulator.send_interval: must be a duration with a unit, such as 500ms, 5s or 1h30m (got 5)"},
		{"text for a number", "server: {port: web}", nil, nil, file + `server.port: must be a whole number (got "web")`},
		{"fraction for a whole number", "aggregation: {window_seconds: 1.5}", nil, nil, file + "aggregation.window_seconds: must be a whole number (got 1.5)"},
		{"not a number", "alerts: {temperature_high: .nan}", nil, nil, file + "alerts.temperature_high: must be a number (got NaN)"},
		{"no value", "data_dir:", nil, nil, file + "data_dir: has no value; leave the key out for the default"},
		{"out of range", "aggregation: {window_seconds: 0}", nil, nil, file + "aggregation.window_seconds: must be from 1 to 86400 (got 0)"},
		{"a long unit", "device_types: [{name: a, max: 1, unit: " + strings.Repeat("x", 129) + "}]", nil, nil, file + "device_types[0].unit: must be at most 128 bytes of text without control characters (got \"" + strings.Repeat("x", 129) + "\")"},
		{"a rule without a device", "ingest: {map: [{field: a, type: switch_sensor}]}", nil, nil, file + "ingest.map[0].device: must be the id of a device, or a template of it (got \"\")"},
		{"a rule with half a name", "ingest: {map: [{field: a, type: switch_sensor, device: '{host'}]}", nil, nil, file + "ingest.map[0].device: must be a text in which braces hold the name of a tag, as {host} (got \"{host\")"},
		{"unknown type", "device_simulator: {device_types: [temprature_sensor]}", nil, nil, file + `device_simulator.device_types[0]: must be one of temperature_sensor, humidity_sensor, pressure_sensor, current_sensor, switch_sensor (got "temprature_sensor"; did you mean temperature_sensor?)`},
		{"no host for a placeholder", `kafka: {brokers: ["<KAFKA_HOST>:9092"]}`, nil, nil, file + "kafka.brokers[0]: <KAFKA_HOST> stands for a host that is not known: set KAFKA_HOST in the environment or in .env, or write the host here"},
		{"port and address disagree", "server: {port: 1, addr: ':2'}", nil, nil, file + "server.port: is 1 but server.addr is :2; set one of the two"},
		{"topics and topic disagree", "kafka: {topics: [a], topic: b}", nil, nil, file + "kafka.topics: names a where kafka.topic says b; set one of the two"},
		{"one topic for two", "kafka: {topic: alerts}", nil, nil, "default: kafka.alerts_topic: must be another topic than kafka.topic (got \"alerts\")"},
		{"cluster for iotmon", "kafka: {brokers: ['a:1']}", nil, nil, file + `kafka.brokers: must be empty: iotmon has a broker of its own; the separate services use a cluster (got "a:1")`},
		{"size without sense", "kafka: {embedded: {retention: lots}}", nil, nil, file + `kafka.embedded.retention: must be a number of bytes, or one with a unit, such as 512MiB (got "lots")`},
		{"rule without threshold", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info}]}", nil, nil, file + "alerts.rules[0]: must be given one of above, below, rise, fall, stuck and condition (got none)"},
		{"rule with two conditions", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, above: 1, rise: 1, within: 5s}]}", nil, nil, file + "alerts.rules[0]: must be given one of above, below, rise, fall, stuck and condition (got above, rise)"},
		{"change without a time", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, fall: 1}]}", nil, nil, file + "alerts.rules[0].within: must be from 1s to 744h (got 0s)"},
		{"threshold with a time", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, above: 1, within: 5s}]}", nil, nil, file + "alerts.rules[0].within: must be left out: only rise, fall and stuck have it (got 5s)"},
		{"rule for no device", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, above: 1, devices: []}]}", nil, nil, file + "alerts.rules[0].devices: must be left out to select every device, or name at least one (got none)"},
		{"exception of no label", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, above: 1, except: [{area: A, labels: {}}]}]}", nil, nil, file + "alerts.rules[0].except[0].labels: must be left out to select devices with any labels, or name at least one (got none)"},
		{"change by nothing", "alerts: {rules: [{name: a, device_type: switch_sensor, severity: info, rise: 0, within: 5s}]}", nil, nil, file + "alerts.rules[0].rise: must be more than 0 (got 0)"},
		{"stuck with hysteresis", "alerts: {rules: [{name: a, severity: info, stuck: 0, within: 5s, hysteresis: 1}]}", nil, nil, file + "alerts.rules[0].hysteresis: must be left out: stuck has none (got 1)"},
		{"change of any type", "alerts: {rules: [{name: a, severity: info, rise: 1, within: 5s}]}", nil, nil, file + "alerts.rules[0].device_type: must be one of temperature_sensor, humidity_sensor, pressure_sensor, current_sensor, switch_sensor (got \"\")"},
		{"path of something else", "websocket: {path: /metrics}", nil, nil, file + `websocket.path: must be outside /api, /debug, /docs, /health, /metrics, /ready, /static (got "/metrics")`},
		{"two documents", "log: {level: info}\n---\nlog: {level: debug}", nil, nil, file + "holds more than one YAML document, of which only the first would count"},
		{"key given twice", "data_dir: a\ndata_dir: b", nil, nil, file + `line 2: mapping key "data_dir" already defined at line 1`},
		{"not a mapping", "- a", nil, nil, file + "must consist of sections and keys, such as server: {port: 8080}"},

		{"unknown variable", "", []string{"IOTMON_KAFKA_GRUOP_ID=x"}, nil, "IOTMON_KAFKA_GRUOP_ID: unknown variable; did you mean IOTMON_KAFKA_GROUP_ID?"},
		{"variable that only ends like one of Kubernetes", "", []string{"IOTMON_SEVER_PORT=9000"}, nil,
			"IOTMON_SEVER_PORT: unknown variable; did you mean IOTMON_SERVER_PORT?"},
		{"variable of the wrong type", "", []string{"IOTMON_DEVICE_SIMULATOR_DEVICE_COUNT=many"}, nil, `IOTMON_DEVICE_SIMULATOR_DEVICE_COUNT: device_simulator.device_count: must be a whole number (got "many")`},
		{"more than one YAML value in a variable", "", []string{"IOTMON_SERVER_PORT=1\nx: 2"}, nil, `IOTMON_SERVER_PORT: server.port: must be a whole number (got "1\nx: 2")`},

		{"unknown flag", "", nil, []string{"-devcies", "3"}, "-devcies: unknown flag; did you mean -devices?"},
		{"flag without a value", "", nil, []string{"-devices"}, "flag needs an argument: -devices"},
		{"argument", "", nil, []string{"start"}, "start: unexpected argument; flags begin with -"},
		{"flag out of range", "", nil, []string{"-devices", "0"}, "-devices: device_simulator.device_count: must be from 1 to 1000000 (got 0)"},
		{"named file missing", "", nil, []string{"-config", "none.yaml"}, "-config: none.yaml: no such file"},
		{"file missing that a variable names", "", []string{"IOTMON_CONFIG=none.yaml"}, nil, "IOTMON_CONFIG: none.yaml: no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.yaml, test.environ, test.args...)
			wrong, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v, want an *Error", err)
			}
			if got := wrong.Error(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := load(t, "kafka: {gruop_id: x}\nserver: {port: web}", []string{"IOTMON_X=1"}, "-seed", "-1")
	wrong, ok := errors.AsType[*Error](err)
	if !ok || len(wrong.Problems) != 4 {
		t.Errorf("got %v, want four problems", err)
	}
}

func TestFlagsThatAskForNothingElse(t *testing.T) {
	broken := "no: such key"
	if _, err := load(t, broken, nil, "-h"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: got %v, want flag.ErrHelp", err)
	}
	if _, err := load(t, broken, nil, "-version"); !errors.Is(err, ErrVersion) {
		t.Errorf("-version: got %v, want ErrVersion", err)
	}
	if cfg := mustLoad(t, "", nil, "-check-config"); !cfg.CheckOnly {
		t.Error("-check-config: CheckOnly is false, want true")
	}
}

func TestPortLeavesTheHostAlone(t *testing.T) {
	for _, test := range []struct {
		yaml    string
		environ []string
		args    []string
		want    string
	}{
		{"server: {port: 9000}", nil, nil, "127.0.0.1:9000"},
		{"server: {addr: '0.0.0.0:9000'}", []string{"IOTMON_SERVER_PORT=9001"}, nil, "0.0.0.0:9001"},
		{"server: {port: 9000}", []string{"IOTMON_SERVER_ADDR=[::1]:80"}, nil, "[::1]:80"},
		{"server: {addr: ':9000', port: 9000}", nil, nil, ":9000"},
		{"server: {port: 9000}", nil, []string{"-addr", "127.0.0.1:0"}, "127.0.0.1:0"},
	} {
		cfg := mustLoad(t, test.yaml, test.environ, test.args...)
		if cfg.Server.Addr != test.want {
			t.Errorf("%s %v %v: got %s, want %s", test.yaml, test.environ, test.args, cfg.Server.Addr, test.want)
		}
		if port, err := portOf(cfg.Server.Addr); err != nil || port != cfg.Server.Port {
			t.Errorf("%s: port is %d, want that of %s", test.yaml, cfg.Server.Port, cfg.Server.Addr)
		}
	}
}

func TestDotEnvFillsWhatTheEnvironmentLeavesOut(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env"), "IOTMON_LOG_LEVEL=debug\nIOTMON_LOG_FORMAT=json\nKAFKA_HOST=from-file\n")
	cfg, err := Load(LoadOptions{
		Service: Consumer, Builtin: builtin,
		Environ: []string{"IOTMON_LOG_LEVEL=warn", "IOTMON_LOG_FORMAT=", "IOTMON_KAFKA_BROKERS=<KAFKA_HOST>:9092"},
		Dir:     dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log.Level != "warn" || cfg.Log.Format != "json" || cfg.Kafka.Brokers[0] != "from-file:9092" {
		t.Errorf("got %+v and brokers %v, want level warn, format json, from-file:9092", cfg.Log, cfg.Kafka.Brokers)
	}
}

func TestHostsOfOverruledValuesNeedNotBeKnown(t *testing.T) {
	cfg := mustLoadAs(t, Consumer, `
kafka: {brokers: ["<KAFKA_HOST>:9092"]}
postgres: {url: "postgres://user@<MIDDLEWARE_HOST>/plant"}
`, []string{"IOTMON_KAFKA_BROKERS=a:1,b:2", "IOTMON_POSTGRES_URL=postgres://user@c/plant"})
	if !slices.Equal(cfg.Kafka.Brokers, []string{"a:1", "b:2"}) || cfg.Postgres.URL != "postgres://user@c/plant" {
		t.Errorf("got brokers %v and database %s, want those of the environment", cfg.Kafka.Brokers, cfg.Postgres.URL)
	}
}

func TestVariablesOfKubernetesAreNobodysMistake(t *testing.T) {
	mustLoad(t, "", []string{
		"IOTMON_SERVICE_HOST=10.0.0.1", "IOTMON_SERVICE_PORT=8080", "IOTMON_SERVICE_PORT_HTTP=8080",
		"IOTMON_PORT=tcp://10.0.0.1:8080", "IOTMON_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"IOTMON_WEB_PORT_8080_TCP_ADDR=10.0.0.1",
	})
}

func TestListsInTheEnvironment(t *testing.T) {
	cfg := mustLoadAs(t, Consumer, "", []string{
		"IOTMON_KAFKA_BROKERS=a:1, b:2",
		"IOTMON_DEVICE_SIMULATOR_DEVICE_TYPES=[switch_sensor]",
		"IOTMON_ALERTS_RULES=[{name: dry, device_type: humidity_sensor, severity: info, below: 20, for: 1m}]",
		"IOTMON_DEVICE_TYPES=[{name: flow_sensor, unit: L/min, max: 400, labels: {en: Flow}}]",
		"IOTMON_ALERTS_PRESSURE_HIGH=off",
	})
	if got := strings.Join(cfg.Kafka.Brokers, " "); got != "a:1 b:2" {
		t.Errorf("brokers: got %q, want a:1 b:2", got)
	}
	want := []Rule{{Name: "dry", DeviceType: "humidity_sensor", Severity: "info", Below: threshold(20), For: time.Minute}}
	if !reflect.DeepEqual(cfg.Alerts.Rules, want) {
		t.Errorf("rules: got %+v, want %+v", cfg.Alerts.Rules, want)
	}
	types := []DeviceType{{Name: "flow_sensor", Unit: "L/min", Max: 400, Labels: map[string]string{"en": "Flow"}}}
	if !reflect.DeepEqual(cfg.DeviceTypes, types) {
		t.Errorf("types: got %+v, want %+v", cfg.DeviceTypes, types)
	}
	if cfg.Alerts.PressureHigh != nil {
		t.Errorf("pressure_high: got %v, want off", *cfg.Alerts.PressureHigh)
	}
}

func TestOfflineTimeoutFollowsTheSimulatorUnlessSet(t *testing.T) {
	for _, test := range []struct {
		yaml string
		want time.Duration
	}{
		{"device_simulator: {send_interval: 1s}", 15 * time.Second},
		{"device_simulator: {send_interval: 20s}", time.Minute},
		{"device_simulator: {send_interval: 20s, enabled: false}", 15 * time.Second},
		{"device_simulator: {send_interval: 20s}\ndevices: {offline_after: 5s}", 5 * time.Second},
	} {
		if got := mustLoad(t, test.yaml, nil).Devices.OfflineAfter; got != test.want {
			t.Errorf("%s: got %v, want %v", test.yaml, got, test.want)
		}
	}
}

func TestIotmonRefusesServersAndServicesNeedThem(t *testing.T) {
	for _, test := range []struct{ service, yaml, want string }{
		{Iotmon, "kafka: {brokers: ['a:1']}", "kafka.brokers: must be empty: iotmon has a broker of its own"},
		{Iotmon, "postgres: {url: 'postgres://u:secret@h/d'}", "postgres.url: must be empty: iotmon has a database of its own"},
		{Iotmon, "redis: {url: 'redis://:secret@h'}", "redis.url: must be empty: iotmon needs no cache"},
		{Web, "kafka: {brokers: []}", "kafka.brokers: must be the addresses of the cluster"},
		{Web, "postgres: {url: 'host=h password=secret'}", "postgres.url: must be postgres://user:password@host:5432/database"},
		{Web, "redis: {url: 'h:secret'}", "redis.url: must be redis://user:password@host:6379/0"},
		{Web, "redis: {url: '', addrs: ['a:1']}", "redis.addrs: must be empty as redis.url is"},
		{Web, "redis: {addrs: ['a']}", "redis.addrs[0]: must be an address host:port"},
		{Web, "kafka: {sasl: {mechanism: GSSAPI, username: u}}", "kafka.sasl.mechanism: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		{Web, "kafka: {sasl: {username: u}}", "kafka.sasl.mechanism: must be PLAIN"},
		{Web, "kafka: {tls: {ca_file: a.pem}}", "kafka.tls.enabled: must be true"},
		{Web, "kafka: {tls: {enabled: true, cert_file: a.pem}}", "kafka.tls.key_file: must be given together with kafka.tls.cert_file"},
		{Web, "tracing: {endpoint: 'http://user:secret@h:4318'}", "tracing.endpoint: must be without a login: that goes into OTEL_EXPORTER_OTLP_HEADERS"},
		{Web, "tracing: {endpoint: 'h:4318'}", "tracing.endpoint: must be the URL of a receiver"},
		{Consumer, "consumer: {roles: [procesor]}", "consumer.roles[0]: must be processor, archiver, cache or notifier"},
		{Consumer, "consumer: {roles: []}", "consumer.roles: must be at least one of processor, archiver, cache, notifier"},
	} {
		_, err := loadAs(t, test.service, test.yaml, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s with %s: got %v, want %s", test.service, test.yaml, err, test.want)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	cfg := mustLoadAs(t, Web, "postgres: {url: 'postgres://u:secret@h/d'}\nredis: {url: 'redis://:secret@h'}\n"+
		"kafka: {sasl: {mechanism: PLAIN, username: u, password: secret}}", nil)
	var out strings.Builder
	if err := cfg.Explain(&out, Web); err != nil || strings.Contains(out.String(), "secret") || strings.Count(out.String(), "(not shown)") != 3 {
		t.Errorf("got %v and\n%s, want three values not shown", err, out.String())
	}
}

func TestTheRevisionIsThatOfTheSettingsThatDecide(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "consumer.yaml")
	const text = "kafka: {brokers: [localhost:9092]}\npostgres: {url: \"postgres://localhost/iotmon\"}\naggregation: {window_seconds: 60}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
	load := func(service string, environ ...string) time.Time {
		t.Helper()
		file := path
		if service == Iotmon {
			file = filepath.Join(dir, "iotmon.yaml")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, err := Load(LoadOptions{Service: service, Builtin: builtin, Args: []string{"-config", file}, Environ: environ, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Revision
	}
	if got := load(Consumer); !got.Equal(changed) {
		t.Errorf("from a file: got %v, want when that was changed, %v", got, changed)
	}
	for _, set := range []string{
		"AGGREGATION_WINDOW_SECONDS=10", "AGGREGATION_ALLOWED_LATENESS=1s", "ARCHIVE_RETENTION_READINGS=24h", "DEVICE_TYPES=[{name: a, max: 1}]",
		"INGEST_MAX_TEXT_BYTES=64", "INGEST_EARLIEST_YEAR=1990",
	} {
		if got := load(Consumer, "IOTMON_"+set); time.Since(got) > time.Minute {
			t.Errorf("%s in the environment: got %v, want now", set, got)
		}
	}
	if got := load(Consumer, "IOTMON_LOG_LEVEL=debug"); !got.Equal(changed) {
		t.Errorf("something else in the environment: got %v, want when the file was changed, %v", got, changed)
	}
	if got := load(Iotmon); time.Since(got) > time.Minute {
		t.Errorf("alone: got %v, want now", got)
	}
}

// Sequence: the host starts without a battery for its clock, in the year 2150. The partitions would refuse such a revision, and the settings
// would be appended, and be dead letters, again and again.
func TestARevisionOfAClockFarAheadIsAccepted(t *testing.T) {
	ahead := time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg := Config{Revision: ahead, RulesFrom: ahead}
	for _, revision := range []int64{cfg.SettingsRevision(), cfg.RuleRevision()} {
		if err := iot.CheckNextVersion("revision", revision, 0); err != nil || revision <= time.Now().UnixMicro() {
			t.Errorf("got the revision %d (%v), want one that is accepted, and higher than today's", revision, err)
		}
	}
}

func TestATypeHasSoManyRulesAtMost(t *testing.T) {
	var text strings.Builder
	text.WriteString("alerts:\n  rules:\n")
	for i := range builtin.MaxRules + 3 {
		fmt.Fprintf(&text, "    - {name: switch_%d, device_type: switch_sensor, severity: info, above: 0}\n", i)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "iotmon.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(LoadOptions{Service: Iotmon, Builtin: builtin, Args: []string{"-config", path}, Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "alerts.rules[100].device_type") || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("got %v, want one line about the first rule that is too many", err)
	}
}

// A password of digits without quotation marks is a number, and a password all the same.
func TestAPasswordOfAWrongKindIsNotShown(t *testing.T) {
	for _, yaml := range []string{
		"postgres: {password: 987654321}", "kafka: {sasl: {password: 987654321}}", "kafka: {sasl: {password: [987654321]}}",
		"notifications: {channels: [{name: a, mail: {password: 987654321}}]}", "notifications: {channels: [{name: a, telegram: {token: 987654321}}]}",
	} {
		_, err := load(t, yaml, nil)
		if err == nil || strings.Contains(err.Error(), "987654321") {
			t.Errorf("%s: got %v, want an error without the password", yaml, err)
		}
	}
}
