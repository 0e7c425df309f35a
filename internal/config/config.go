package config

import "time"

// The services that read a Config. Each uses the sections it needs; every section is accepted in every file, so that one
// file can serve all of them.
const (
	Iotmon    = "iotmon"
	Producer  = "producer"
	Consumer  = "consumer"
	Web       = "web"
	WebSocket = "websocket"
)

// Config is the whole configuration. One that Load returned has been validated.
type Config struct {
	// DataDir holds everything that must survive a restart: the embedded broker's log and the SQLite databases.
	DataDir     string       `koanf:"data_dir"`
	Server      Server       `koanf:"server"`
	Kafka       Kafka        `koanf:"kafka"`
	Postgres    Postgres     `koanf:"postgres"`
	Redis       Redis        `koanf:"redis"`
	Simulator   Simulator    `koanf:"device_simulator"`
	Ingest      Ingest       `koanf:"ingest"`
	Sources     []Source     `koanf:"sources"`
	MQTTBroker  MQTTBroker   `koanf:"mqtt_broker"`
	Forward     Forward      `koanf:"forward"`
	Aggregation Aggregation  `koanf:"aggregation"`
	Devices     Devices      `koanf:"devices"`
	DeviceTypes []DeviceType `koanf:"device_types"`
	Alerts      Alerts       `koanf:"alerts"`
	// Notifications are read by iotmon, and by consumers with the role of the notifier.
	Notifications Notifications `koanf:"notifications"`
	Consumer      Consume       `koanf:"consumer"`
	Processor     Processor     `koanf:"processor"`
	Archive       Archive       `koanf:"archive"`
	Control       Control       `koanf:"control"`
	Push          Push          `koanf:"websocket"`
	Tracing       Tracing       `koanf:"tracing"`
	Log           Log           `koanf:"log"`

	// CheckOnly is set by -check-config: the program only reports that the configuration is valid.
	CheckOnly bool `koanf:"-"`
	// Probe is set by -probe: the program only requests this path from the service that runs with this configuration.
	Probe string `koanf:"-"`
	// File is the path of the file that was read; empty if there was none.
	File string `koanf:"-"`
	// Revision is the age of the settings on which all instances of a service must agree; the newest settings win, see
	// SettingsRevision. RulesFrom is that of the alert rules.
	Revision  time.Time `koanf:"-"`
	RulesFrom time.Time `koanf:"-"`
	// sources holds, for every key that is not at its default, what set it.
	sources map[string]string
	// builtin is LoadOptions.Builtin.
	builtin Builtin
}

// Server is the HTTP server of the service.
type Server struct {
	// Addr is the address, host:port. Port sets only its port; after Load the two agree.
	Addr string `koanf:"addr"`
	Port int    `koanf:"port"`
	// StaticDir and TemplateDir replace the page built into the program; empty means to use that page.
	StaticDir   string `koanf:"static_dir"`
	TemplateDir string `koanf:"template_dir"`
	// Pprof serves Go's profiles under /debug/pprof/.
	Pprof bool `koanf:"pprof"`
	// ShutdownTimeout is how long a graceful stop may take; after that the service stops at once.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`
}

// Kafka configures the cluster, its topics and the producers.
type Kafka struct {
	// Brokers are the seed addresses of a cluster. Must be empty for iotmon, which has an embedded broker.
	Brokers  []string `koanf:"brokers"`
	TLS      TLS      `koanf:"tls"`
	SASL     SASL     `koanf:"sasl"`
	Embedded Embedded `koanf:"embedded"`
	// Topic holds the readings. Topics is a short form of Topic and AlertsTopic, in this order; after Load it agrees with
	// them.
	Topic            string   `koanf:"topic"`
	Topics           []string `koanf:"topics"`
	DeadLettersTopic string   `koanf:"dead_letters_topic"`
	AggregatesTopic  string   `koanf:"aggregates_topic"`
	AlertsTopic      string   `koanf:"alerts_topic"`
	StatesTopic      string   `koanf:"states_topic"`
	InForceTopic     string   `koanf:"in_force_topic"`
	// SourcesTopic holds which program runs which source, and the states of the sources. Only the separate services use it.
	SourcesTopic string `koanf:"sources_topic"`
	// MapsTopic holds the maps of sources that people have decided while the programs run.
	MapsTopic string `koanf:"maps_topic"`
	// Partitions and ReplicationFactor apply to topics that the service creates. The embedded broker keeps one replica.
	Partitions        int `koanf:"partitions"`
	ReplicationFactor int `koanf:"replication_factor"`
	// GroupID is the processor's consumer group; the archiver appends -archiver, the cache filler -cache.
	GroupID string `koanf:"group_id"`
	// GroupProtocol is how partitions are assigned within a group: classic, or consumer, which is KIP-848 and needs Kafka
	// 4.
	GroupProtocol string `koanf:"group_protocol"`
	// BatchSize is the maximum number of records of one produce batch, Linger how long a batch waits for more.
	BatchSize int           `koanf:"batch_size"`
	Linger    time.Duration `koanf:"linger"`
	// MaxBuffered is the maximum number of readings that Kafka has not acknowledged; a sender with more blocks.
	// DeliveryTimeout is how long the simulator's readings may wait for Kafka.
	MaxBuffered     int           `koanf:"max_buffered"`
	DeliveryTimeout time.Duration `koanf:"delivery_timeout"`
}

// TLS configures encrypted connections to a cluster.
type TLS struct {
	Enabled bool `koanf:"enabled"`
	// CAFile holds the CA certificates for the brokers' certificates; empty means the system's.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are the client certificate, if the brokers require one.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is the name in the brokers' certificates, if it differs from the host name.
	ServerName string `koanf:"server_name"`
}

// SASL is the login of the services to a cluster.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty means no login.
	Mechanism string `koanf:"mechanism"`
	Username  string `koanf:"username"`
	Password  string `koanf:"password" secret:"true"`
}

// Postgres is the database of the separate services.
type Postgres struct {
	// URL is a connection string of libpq, with one or several hosts:
	// postgres://user:password@host:5432/database?sslmode=require.
	URL string `koanf:"url" secret:"true"`
	// Password is used exactly as written, without escapes; it overrides one in the URL. Empty means none.
	Password string `koanf:"password" secret:"true"`
	// MaxConnections is the maximum number of connections of one service.
	MaxConnections int `koanf:"max_connections"`
}

// Redis is the cache of the separate services.
type Redis struct {
	// URL is redis://user:password@host:6379/0, rediss:// for TLS; empty means no cache.
	URL string `koanf:"url" secret:"true"`
	// Password is used exactly as written, without escapes; it overrides one in the URL. Empty means none.
	Password string `koanf:"password" secret:"true"`
	// Addrs are further nodes. With Addrs the URL is a node of a cluster or, with Master set, a sentinel that knows the
	// master of this name.
	Addrs  []string `koanf:"addrs"`
	Master string   `koanf:"master"`
	// Expiry is how long the state of a silent device is kept.
	Expiry time.Duration `koanf:"expiry"`
}

// Embedded is the broker inside iotmon.
type Embedded struct {
	// Port to listen on, on the loopback interface; 0 means any free one.
	Port int `koanf:"port"`
	// Retention is the maximum size of the log, all topics together.
	Retention Bytes `koanf:"retention"`
	// SyncWrites syncs every batch to disk before it is acknowledged, so that it survives a power failure.
	SyncWrites bool `koanf:"sync_writes"`
	// AllowClockBehind permits a start although the machine's clock is more than an hour behind the last record of the log. It
	// is meant for a log that was written while the clock was wrong.
	AllowClockBehind bool `koanf:"allow_clock_behind"`
}

// Simulator is the simulated fleet.
type Simulator struct {
	Enabled      bool          `koanf:"enabled"`
	DeviceCount  int           `koanf:"device_count"`
	SendInterval time.Duration `koanf:"send_interval"`
	// DeviceTypes are assigned to the devices in turn; a type listed twice gets twice as many.
	DeviceTypes []string `koanf:"device_types"`
	// Seed determines everything that is random.
	Seed   uint64 `koanf:"seed"`
	Faults Faults `koanf:"faults"`
}

// Faults are the expected numbers of faults of a simulated device per day; 0 means never.
type Faults struct {
	Offline   float64 `koanf:"offline"`
	Drift     float64 `koanf:"drift"`
	Stick     float64 `koanf:"stick"`
	Spike     float64 `koanf:"spike"`
	Excursion float64 `koanf:"excursion"`
}

// Ingest are the limits of incoming readings: MaxText and EarliestYear apply everywhere, the others to POST
// /api/v1/readings.
type Ingest struct {
	// MaxBody is the maximum size of one body, as sent and as decompressed, MaxReadings the maximum number of readings in
	// it.
	MaxBody     Bytes `koanf:"max_body_bytes"`
	MaxReadings int   `koanf:"max_readings"`
	// MaxInFlight is the maximum number of concurrent requests, MaxInFlightBytes the maximum size of their bodies together.
	MaxInFlight      int   `koanf:"max_in_flight"`
	MaxInFlightBytes Bytes `koanf:"max_in_flight_bytes"`
	// BodyTimeout is how long a client may take to send its body, Timeout how long Kafka may take to acknowledge.
	BodyTimeout time.Duration `koanf:"body_timeout"`
	Timeout     time.Duration `koanf:"timeout"`
	// MaxText is the maximum length of each text of a reading except its id, for readings from every source.
	MaxText Bytes `koanf:"max_text_bytes"`
	// EarliestYear is the first year of a reading's timestamp that is accepted.
	EarliestYear int `koanf:"earliest_year"`
	// Map converts the values of other programs to readings.
	Map []MapRule `koanf:"map"`
}

// Aggregation configures the windows of event time.
type Aggregation struct {
	WindowSeconds int `koanf:"window_seconds"`
	// AllowedLateness is how long a window stays open after its end for readings that are out of order.
	AllowedLateness time.Duration `koanf:"allowed_lateness"`
	// MaxClockSkew is how far a reading's timestamp may be ahead of its arrival.
	MaxClockSkew time.Duration `koanf:"max_clock_skew"`
	// Revision orders settings: those with a higher revision replace those in force. 0 means Config.Revision.
	Revision int `koanf:"revision"`
}

// maxRevision is the highest revision of a configuration. The partitions refuse a higher one; see iot.CheckNextVersion.
const maxRevision = 1<<52 - 1

// revisionAt returns the revision of what was configured at a time: microseconds since 1970. Those of a clock that is ahead by a lifetime are
// all the same.
func revisionAt(configured time.Time) int64 { return min(configured.UnixMicro(), maxRevision) }

// SettingsRevision returns the revision of the settings on which all instances must agree: aggregation.revision, or else when they were
// configured, in microseconds since 1970.
func (c *Config) SettingsRevision() int64 {
	if c.Aggregation.Revision != 0 {
		return int64(c.Aggregation.Revision)
	}
	return revisionAt(c.Revision)
}

// Window returns the length of a window.
func (a *Aggregation) Window() time.Duration { return time.Duration(a.WindowSeconds) * time.Second }

// Devices applies to every device, real or simulated.
type Devices struct {
	// OfflineAfter is how long a device may be silent before it counts as offline. Unless it is set, it is at least three
	// times the simulator's interval.
	OfflineAfter time.Duration `koanf:"offline_after"`
	// ForgetAfter is how long after its last reading a device is forgotten: it is removed from lists and counts, but its
	// history stays. 0 means never.
	ForgetAfter time.Duration `koanf:"forget_after"`
	// ParentGrace is how long nobody is notified that a device with a parent is silent: the parent may be found silent meanwhile. Its devices also
	// have that long to return after it.
	ParentGrace time.Duration `koanf:"parent_grace"`
}

// DeviceType is a device type in addition to the built-in ones.
type DeviceType struct {
	Name     string  `koanf:"name"`
	Unit     string  `koanf:"unit"`
	Decimals int     `koanf:"decimals"`
	Min      float64 `koanf:"min"`
	Max      float64 `koanf:"max"`
	// Labels are the names shown to people, by language.
	Labels map[string]string `koanf:"labels"`
	// States names the values 0, 1, … of a discrete type.
	States []string `koanf:"states"`
}

// The roles of a consumer.
const (
	RoleProcessor = "processor"
	RoleArchiver  = "archiver"
	RoleCache     = "cache"
	RoleNotifier  = "notifier"
)

// Consume selects the roles of a consumer, so that each role can have its own number of processes.
type Consume struct {
	Roles []string `koanf:"roles"`
}

// Processor configures the transactions with windows, alerts and states.
type Processor struct {
	// CommitInterval is how long a transaction collects outputs.
	CommitInterval time.Duration `koanf:"commit_interval"`
}

// Archive configures the database of the history.
type Archive struct {
	Enabled   bool      `koanf:"enabled"`
	Retention Retention `koanf:"retention"`
}

// Control configures what people decide, such as the registry of devices.
type Control struct {
	// Enabled is false if nobody may decide anything by this process. What is in force stays in force.
	Enabled bool `koanf:"enabled"`
	// AuditRetention is how long it is kept who has decided what; 0 means forever. The last decision about each object is always kept.
	AuditRetention time.Duration `koanf:"audit_retention"`
}

// Retention is how long the archive keeps each kind of row; 0 means forever.
type Retention struct {
	Readings  time.Duration `koanf:"readings"`
	Summaries time.Duration `koanf:"summaries"`
	Alerts    time.Duration `koanf:"alerts"`
}

// Push is the WebSocket endpoint, which sends the live view to viewers.
type Push struct {
	Path           string        `koanf:"path"`
	MaxConnections int           `koanf:"max_connections"`
	PingInterval   time.Duration `koanf:"ping_interval"`
	// PongTimeout is how long a client may take to answer a ping, WriteTimeout how long to accept a message.
	PongTimeout  time.Duration `koanf:"pong_timeout"`
	WriteTimeout time.Duration `koanf:"write_timeout"`
	// AllowedOrigins lists origins whose pages may connect, besides the server's own.
	AllowedOrigins []string `koanf:"allowed_origins"`
	// MaxMessageBytes and MaxFilterItems limit what a client may send.
	MaxMessageBytes Bytes `koanf:"max_message_bytes"`
	MaxFilterItems  int   `koanf:"max_filter_items"`
	// MaxBytesPerSecond is approximately the maximum rate of readings sent to all clients together.
	MaxBytesPerSecond Bytes `koanf:"max_bytes_per_second"`
	// Compression offers permessage-deflate to clients.
	Compression bool `koanf:"compression"`
}

// Tracing configures the export of traces of readings through the services.
type Tracing struct {
	// Endpoint is the URL of an OTLP/HTTP receiver, such as http://localhost:4318; empty means no tracing.
	Endpoint string `koanf:"endpoint"`
	// SampleRatio is the share of batches of readings to be traced. It does not apply to senders that set a traceparent.
	SampleRatio float64 `koanf:"sample_ratio"`
}

// Log configures the program's log on standard error.
type Log struct {
	Format string `koanf:"format"`
	Level  string `koanf:"level"`
}
