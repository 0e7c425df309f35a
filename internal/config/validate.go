package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/spelling"
)

// checker collects invalid values, each with its source.
type checker struct {
	sources map[string]string
	builtin *Builtin
	problems
}

// must records a problem with the key unless ok; the format is what is allowed.
func (c *checker) must(ok bool, key string, got any, format string, args ...any) {
	if !ok {
		c.add(c.source(key), key, "must be %s (got %v)", fmt.Sprintf(format, args...), got)
	}
}

// source returns where the value of a key comes from.
func (c *checker) source(key string) string {
	owner, _, _ := strings.Cut(key, "[") // An element has the source of its list.
	return cmp.Or(c.sources[owner], "default")
}

// mustText is must for a text, which it quotes.
func (c *checker) mustText(ok bool, key, got, format string, args ...any) {
	c.must(ok, key, strconv.Quote(got), format, args...)
}

// knownType is mustText for the name of a device type.
func (c *checker) knownType(key, name string, known []string) {
	c.must(slices.Contains(known, name), key, strconv.Quote(name)+spelling.Suggest(name, known), "one of %s", strings.Join(known, ", "))
}

// within is must for a range that includes low and high.
func within[T cmp.Ordered](c *checker, key string, value, low, high T) {
	c.must(value >= low && value <= high, key, written(value), "from %v to %v", written(low), written(high))
}

// written returns a duration as people write it into the file, 744h instead of 744h0m0s, and another value as it is.
func written(value any) any {
	d, ok := value.(time.Duration)
	if !ok {
		return value
	}
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (c *checker) oneOf(key, value string, allowed ...string) {
	last := len(allowed) - 1
	c.mustText(slices.Contains(allowed, value), key, value, "%s or %s", strings.Join(allowed[:last], ", "), allowed[last])
}

// validate checks every value by itself and against the others. Outside of the configuration it only checks that the
// directories of the page exist.
func (c *Config) validate(service string) error {
	check := &checker{sources: c.sources, builtin: &c.builtin}
	check.deviceTypes(c.DeviceTypes)
	check.mappedTypes(c)
	known := c.knownTypes()
	check.must(c.DataDir != "", "data_dir", `""`, "the name of a directory")
	check.server(&c.Server)
	check.kafka(&c.Kafka, service)
	check.servers(c, service)
	check.simulator(&c.Simulator, known)
	check.ingest(&c.Ingest)
	check.mapRules("ingest.map", c.Ingest.Map, known)
	check.inputs(c.Sources, known, &c.Kafka)
	check.mqttBroker(&c.MQTTBroker, c.Sources, known)
	check.forward(&c.Forward, service)
	check.times(c)
	check.alerts(&c.Alerts, known)
	check.notifications(&c.Notifications, known)
	check.archive(c)
	check.push(&c.Push)
	check.tracing(&c.Tracing)
	check.oneOf("log.format", c.Log.Format, "text", "json")
	check.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	return check.err()
}

func (c *checker) server(s *Server) {
	_, err := portOf(s.Addr)
	c.mustText(err == nil, "server.addr", s.Addr, "an address host:port, such as 127.0.0.1:8080 or :8080, with a port from 0 to 65535")
	within(c, "server.shutdown_timeout", s.ShutdownTimeout, time.Second, time.Hour)
	c.directory("server.static_dir", s.StaticDir)
	c.directory("server.template_dir", s.TemplateDir)
}

func (c *checker) directory(key, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	c.mustText(err == nil && info.IsDir(), key, path, "a directory that exists, or empty for the page that is built in")
}

func (c *checker) tracing(t *Tracing) {
	endpoint, err := url.Parse(t.Endpoint)
	ok := err == nil && (t.Endpoint == "" || endpoint.Host != "" && (endpoint.Scheme == "http" || endpoint.Scheme == "https"))
	c.mustText(ok, "tracing.endpoint", t.Endpoint, "the URL of a receiver of OTLP over HTTP, such as http://localhost:4318, or empty")
	// The login would not be sent, but shown in logs.
	c.must(!ok || endpoint.User == nil, "tracing.endpoint", "not shown", "without a login: that goes into OTEL_EXPORTER_OTLP_HEADERS")
	within(c, "tracing.sample_ratio", t.SampleRatio, 0, 1)
}

// topicName matches the names that Kafka allows.
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func (c *checker) kafka(k *Kafka, service string) {
	if service == Iotmon {
		c.mustText(len(k.Brokers) == 0, "kafka.brokers", strings.Join(k.Brokers, ", "), "empty: %s has a broker of its own; the separate services use a cluster", Iotmon)
	} else {
		c.must(len(k.Brokers) > 0, "kafka.brokers", "none", "the addresses of the cluster; only %s has a broker of its own", Iotmon)
	}
	for i, broker := range k.Brokers {
		c.kafkaBroker(fmt.Sprintf("kafka.brokers[%d]", i), broker)
	}
	within(c, "kafka.embedded.port", k.Embedded.Port, 0, 65535)
	within(c, "kafka.embedded.retention", k.Embedded.Retention, 64<<20, 64<<30)
	c.topics(k)
	within(c, "kafka.partitions", k.Partitions, 1, 1000)
	within(c, "kafka.replication_factor", k.ReplicationFactor, 1, 10)
	c.must(k.GroupID != "", "kafka.group_id", `""`, "a name")
	within(c, "kafka.batch_size", k.BatchSize, 1, 1_000_000)
	within(c, "kafka.linger", k.Linger, 0, 10*time.Second)
	within(c, "kafka.max_buffered", k.MaxBuffered, 1, 10_000_000)
	within(c, "kafka.delivery_timeout", k.DeliveryTimeout, time.Second, 24*time.Hour)
	c.oneOf("kafka.group_protocol", k.GroupProtocol, "classic", "consumer")
	c.login("kafka", &k.TLS, &k.SASL, false)
}

// kafkaBroker checks the address of a Kafka broker.
func (c *checker) kafkaBroker(key, address string) {
	host, _, err := net.SplitHostPort(address)
	port, portErr := portOf(address)
	ok := err == nil && portErr == nil && host != "" && port > 0
	c.mustText(ok, key, address, "an address host:port, such as kafka-1:9092")
}

// login checks the TLS and SASL settings of a section. Encrypted is whether the connections are encrypted by themselves. It does
// not read the files.
func (c *checker) login(section string, tls *TLS, sasl *SASL, encrypted bool) {
	c.mustText(tls.Enabled || encrypted || *tls == TLS{}, section+".tls.enabled", "false", "true for the other keys of %s.tls to mean anything", section)
	c.mustText((tls.CertFile == "") == (tls.KeyFile == ""), section+".tls.key_file", tls.KeyFile, "given together with %s.tls.cert_file", section)
	if sasl.Mechanism == "" {
		c.mustText(sasl.Username == "", section+".sasl.mechanism", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 for the user to log in with")
		return
	}
	c.oneOf(section+".sasl.mechanism", sasl.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	c.mustText(sasl.Username != "", section+".sasl.username", "", "the user to log in as")
}

// servers checks the addresses of the database and the cache of the separate services. The values contain passwords, so no
// message quotes them.
func (c *checker) servers(cfg *Config, service string) {
	if service == Iotmon {
		c.must(cfg.Postgres.URL == "", "postgres.url", "one", "empty: %s has a database of its own; the separate services use PostgreSQL", Iotmon)
		c.must(cfg.Redis.URL == "", "redis.url", "one", "empty: %s needs no cache; the separate services use Redis", Iotmon)
		return
	}
	c.must(strings.HasPrefix(cfg.Postgres.URL, "postgres://") || strings.HasPrefix(cfg.Postgres.URL, "postgresql://"),
		"postgres.url", "something else", "postgres://user:password@host:5432/database")
	within(c, "postgres.max_connections", cfg.Postgres.MaxConnections, 2, 1000)
	redis := cfg.Redis
	c.must(redis.URL == "" || strings.HasPrefix(redis.URL, "redis://") || strings.HasPrefix(redis.URL, "rediss://"),
		"redis.url", "something else", "redis://user:password@host:6379/0, rediss:// for TLS, or empty for no cache")
	c.must(redis.URL != "" || len(redis.Addrs) == 0, "redis.addrs", strings.Join(redis.Addrs, ", "), "empty as redis.url is")
	c.must(redis.URL != "" || redis.Master == "", "redis.master", redis.Master, "empty as redis.url is")
	for i, addr := range redis.Addrs {
		_, err := portOf(addr)
		c.mustText(err == nil, fmt.Sprintf("redis.addrs[%d]", i), addr, "an address host:port, such as redis-2:6379")
	}
	within(c, "redis.expiry", redis.Expiry, time.Minute, maxRetention)
	known := []string{RoleProcessor, RoleArchiver, RoleCache, RoleNotifier}
	c.must(len(cfg.Consumer.Roles) > 0, "consumer.roles", "none", "at least one of %s", strings.Join(known, ", "))
	for i, role := range cfg.Consumer.Roles {
		c.oneOf(fmt.Sprintf("consumer.roles[%d]", i), role, known...)
	}
}

func (c *checker) topics(k *Kafka) {
	owners := make(map[string]string)
	for _, topic := range []struct{ key, name string }{
		{"kafka.topic", k.Topic},
		{"kafka.dead_letters_topic", k.DeadLettersTopic},
		{"kafka.aggregates_topic", k.AggregatesTopic},
		{"kafka.alerts_topic", k.AlertsTopic},
		{"kafka.states_topic", k.StatesTopic},
		{"kafka.in_force_topic", k.InForceTopic},
		{"kafka.sources_topic", k.SourcesTopic},
		{"kafka.maps_topic", k.MapsTopic},
	} {
		valid := topicName.MatchString(topic.name) && topic.name != "." && topic.name != ".."
		c.mustText(valid, topic.key, topic.name, "1 to 249 letters, digits, dots, underscores and hyphens")
		owner := owners[topic.name]
		c.mustText(owner == "", topic.key, topic.name, "another topic than %s", owner)
		owners[topic.name] = topic.key
	}
}

func (c *checker) simulator(s *Simulator, known []string) {
	within(c, "device_simulator.device_count", s.DeviceCount, 1, 1_000_000)
	within(c, "device_simulator.send_interval", s.SendInterval, time.Millisecond, 24*time.Hour)
	c.must(len(s.DeviceTypes) > 0, "device_simulator.device_types", "none", "at least one of %s", strings.Join(known, ", "))
	for i, name := range s.DeviceTypes {
		c.knownType(fmt.Sprintf("device_simulator.device_types[%d]", i), name, known)
	}
	for _, fault := range []struct {
		key  string
		rate float64
	}{
		{"offline", s.Faults.Offline}, {"drift", s.Faults.Drift}, {"stick", s.Faults.Stick},
		{"spike", s.Faults.Spike}, {"excursion", s.Faults.Excursion},
	} {
		within(c, "device_simulator.faults."+fault.key, fault.rate, 0, 86_400)
	}
}

func (c *checker) ingest(i *Ingest) {
	within(c, "ingest.max_body_bytes", i.MaxBody, 64<<10, 1<<30)
	within(c, "ingest.max_readings", i.MaxReadings, 1, 10_000_000)
	within(c, "ingest.max_in_flight", i.MaxInFlight, 1, 100_000)
	// One body of the maximum size must fit.
	within(c, "ingest.max_in_flight_bytes", i.MaxInFlightBytes, i.MaxBody, 64<<30)
	within(c, "ingest.body_timeout", i.BodyTimeout, 100*time.Millisecond, time.Hour)
	within(c, "ingest.timeout", i.Timeout, time.Second, 10*time.Minute)
	within(c, "ingest.max_text_bytes", i.MaxText, 32, 1024)
	within(c, "ingest.earliest_year", i.EarliestYear, 1970, 2200)
}

// times checks the settings of event time.
func (c *checker) times(cfg *Config) {
	within(c, "aggregation.window_seconds", cfg.Aggregation.WindowSeconds, 1, 86_400)
	within(c, "aggregation.allowed_lateness", cfg.Aggregation.AllowedLateness, 0, time.Hour)
	within(c, "aggregation.max_clock_skew", cfg.Aggregation.MaxClockSkew, 0, time.Hour)
	within(c, "aggregation.revision", cfg.Aggregation.Revision, 0, maxRevision)
	within(c, "devices.parent_grace", cfg.Devices.ParentGrace, 0, time.Hour)
	within(c, "devices.offline_after", cfg.Devices.OfflineAfter, time.Second, 7*24*time.Hour)
	if cfg.Devices.ForgetAfter != 0 {
		within(c, "devices.forget_after", cfg.Devices.ForgetAfter, max(time.Minute, cfg.Devices.OfflineAfter), 10*365*24*time.Hour)
	}
	within(c, "processor.commit_interval", cfg.Processor.CommitInterval, 10*time.Millisecond, time.Second)
}

// maxRetention is 100 years.
const maxRetention = 100 * 365 * 24 * time.Hour

func (c *checker) archive(cfg *Config) {
	keep := cfg.Archive.Retention
	// The archive must keep readings long enough to recompute the window of a late one.
	least := cfg.Aggregation.Window() + cfg.Aggregation.AllowedLateness + cfg.Aggregation.MaxClockSkew
	for _, row := range []struct {
		key  string
		kept time.Duration
	}{{"readings", keep.Readings}, {"summaries", keep.Summaries}, {"alerts", keep.Alerts}} {
		c.must(row.kept == 0 || row.kept >= least && row.kept <= maxRetention, "archive.retention."+row.key, row.kept,
			"0 for ever, or from %v, which is window, lateness and skew together, to %v", least, maxRetention)
	}
	audit := cfg.Control.AuditRetention
	c.must(audit == 0 || audit >= 24*time.Hour && audit <= maxRetention, "control.audit_retention", audit, "0 for ever, or from 24h to %v", maxRetention)
}

// takenPaths returns the paths of the server that the WebSocket endpoint must not use.
func takenPaths() []string {
	return []string{"api", "debug", "docs", "health", "metrics", "ready", "static"}
}

// plainPath matches a path that needs no escaping and has no special meaning to a router.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)+$`)

func (c *checker) push(p *Push) {
	c.mustText(plainPath.MatchString(p.Path), "websocket.path", p.Path, "a path of letters, digits, - and _ that begins with /, such as /ws")
	first := strings.Split(strings.TrimPrefix(p.Path, "/"), "/")[0]
	c.mustText(!slices.Contains(takenPaths(), first), "websocket.path", p.Path, "outside /%s", strings.Join(takenPaths(), ", /"))
	within(c, "websocket.max_connections", p.MaxConnections, 1, 1_000_000)
	within(c, "websocket.ping_interval", p.PingInterval, time.Second, time.Hour)
	within(c, "websocket.pong_timeout", p.PongTimeout, 100*time.Millisecond, time.Hour)
	within(c, "websocket.write_timeout", p.WriteTimeout, 100*time.Millisecond, time.Hour)
	within(c, "websocket.max_message_bytes", p.MaxMessageBytes, 256, 1<<20)
	within(c, "websocket.max_filter_items", p.MaxFilterItems, 1, 100_000)
	within(c, "websocket.max_bytes_per_second", p.MaxBytesPerSecond, 1<<20, 64<<30)
	for i, origin := range p.AllowedOrigins {
		u, err := url.Parse(origin)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.String() == u.Scheme+"://"+u.Host
		c.mustText(ok, fmt.Sprintf("websocket.allowed_origins[%d]", i), origin, "an origin, such as https://plant.example")
	}
}
