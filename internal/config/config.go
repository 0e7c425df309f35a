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
	// DataDir holds everything that must survive a restart: the embedded broker's log and the SQLite database.
	DataDir     string       `koanf:"data_dir"`
	Server      Server       `koanf:"server"`
	Kafka       Kafka        `koanf:"kafka"`
	Postgres    Postgres     `koanf:"postgres"`
	Redis       Redis        `koanf:"redis"`
	Simulator   Simulator    `koanf:"device_simulator"`
	Ingest      Ingest       `koanf:"ingest"`
	Aggregation Aggregation  `koanf:"aggregation"`
	Devices     Devices      `koanf:"devices"`
	DeviceTypes []DeviceType `koanf:"device_types"`
	Alerts      Alerts       `koanf:"alerts"`
	Consumer    Consume      `koanf:"consumer"`
	Processor   Processor    `koanf:"processor"`
	Archive     Archive      `koanf:"archive"`
	Live        Live         `koanf:"websocket"`
	Tracing     Tracing      `koanf:"tracing"`
	Log         Log          `koanf:"log"`

	// CheckOnly is set by -check-config: the program has nothing more to do than to say that all is well.
	CheckOnly bool `koanf:"-"`
	// Probe is set by -probe: the path to ask of the service that runs with this configuration, and nothing more to do.
	Probe string `koanf:"-"`
	// Revision is when the settings were decided that all instances of a service must agree on; the newest ones win.
	Revision time.Time `koanf:"-"`
	// sources tells for every key that is not at its default who set it.
	sources map[string]string
	// builtin is what it was made with.
	builtin Builtin
}

// Server is the HTTP server of the service.
type Server struct {
	// Addr is the whole address, host:port. Port sets the port of it alone; after Load the two agree.
	Addr string `koanf:"addr"`
	Port int    `koanf:"port"`
	// StaticDir and TemplateDir replace the page that is built into the program; empty keeps it.
	StaticDir   string `koanf:"static_dir"`
	TemplateDir string `koanf:"template_dir"`
	// Pprof serves Go's profiles under /debug/pprof/.
	Pprof bool `koanf:"pprof"`
	// ShutdownTimeout is how long the service may take to stop in good order; then it stops at once.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`
}

// Kafka is the log, and how its topics are made and written.
type Kafka struct {
	// Brokers are the seed addresses of a cluster. Iotmon has its embedded broker instead, and refuses any.
	Brokers  []string `koanf:"brokers"`
	TLS      TLS      `koanf:"tls"`
	SASL     SASL     `koanf:"sasl"`
	Embedded Embedded `koanf:"embedded"`
	// Topic holds the readings. Topics is short for Topic and AlertsTopic, in this order; after Load it agrees with them.
	Topic            string   `koanf:"topic"`
	Topics           []string `koanf:"topics"`
	DeadLettersTopic string   `koanf:"dead_letters_topic"`
	AggregatesTopic  string   `koanf:"aggregates_topic"`
	AlertsTopic      string   `koanf:"alerts_topic"`
	StatesTopic      string   `koanf:"states_topic"`
	// Partitions and ReplicationFactor are for topics that do not exist yet. The embedded broker keeps one replica.
	Partitions        int `koanf:"partitions"`
	ReplicationFactor int `koanf:"replication_factor"`
	// GroupID is the processor's consumer group; the archiver appends -archiver, what fills the cache -cache.
	GroupID string `koanf:"group_id"`
	// GroupProtocol is how the groups share partitions out: classic, or consumer, which is KIP-848 and needs Kafka 4.
	GroupProtocol string `koanf:"group_protocol"`
	// BatchSize bounds the records of one produce batch, Linger how long a batch waits for more.
	BatchSize int           `koanf:"batch_size"`
	Linger    time.Duration `koanf:"linger"`
	// MaxBuffered bounds the readings that Kafka has not acknowledged yet; who has more waits. DeliveryTimeout is how long
	// those of the simulator may wait there.
	MaxBuffered     int           `koanf:"max_buffered"`
	DeliveryTimeout time.Duration `koanf:"delivery_timeout"`
}

// TLS is how the connections to a cluster are encrypted.
type TLS struct {
	Enabled bool `koanf:"enabled"`
	// CAFile holds the certificates that the brokers' are signed with; empty is those that the system trusts.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are this client's own certificate, where brokers ask for one.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is the name in the brokers' certificates if it is not the one they are reached by.
	ServerName string `koanf:"server_name"`
}

// SASL is how the services log in to a cluster.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty is no login.
	Mechanism string `koanf:"mechanism"`
	Username  string `koanf:"username"`
	Password  string `koanf:"password" secret:"true"`
}

// Postgres is the database of the separate services.
type Postgres struct {
	// URL is what libpq takes, several hosts included: postgres://user:password@host:5432/database?sslmode=require.
	URL string `koanf:"url" secret:"true"`
	// Password is taken as it is written, whatever its characters; it wins over one in the URL. Empty is none.
	Password string `koanf:"password" secret:"true"`
	// MaxConnections bounds the connections of one service.
	MaxConnections int `koanf:"max_connections"`
}

// Redis is the cache of the separate services.
type Redis struct {
	// URL is redis://user:password@host:6379/0, rediss:// for TLS; empty is no cache.
	URL string `koanf:"url" secret:"true"`
	// Password is taken as it is written, whatever its characters; it wins over one in the URL. Empty is none.
	Password string `koanf:"password" secret:"true"`
	// Addrs are further nodes: with them the URL's is one of a cluster, or, with Master set, one of the sentinels that
	// know the master of this name.
	Addrs  []string `koanf:"addrs"`
	Master string   `koanf:"master"`
	// Expiry is how long the state of a device that falls silent is kept.
	Expiry time.Duration `koanf:"expiry"`
}

// Embedded is the broker inside iotmon.
type Embedded struct {
	// Port to listen on, on the loopback interface; 0 is any free one.
	Port int `koanf:"port"`
	// Retention is how much of the log is kept, all topics together.
	Retention Bytes `koanf:"retention"`
	// SyncWrites has every batch on the disk before it is acknowledged, which survives a loss of power.
	SyncWrites bool `koanf:"sync_writes"`
	// AllowClockBehind starts although the machine's clock is more than an hour behind the log's last record: it was the log's
	// time that was wrong.
	AllowClockBehind bool `koanf:"allow_clock_behind"`
}

// Simulator is the simulated fleet.
type Simulator struct {
	Enabled      bool          `koanf:"enabled"`
	DeviceCount  int           `koanf:"device_count"`
	SendInterval time.Duration `koanf:"send_interval"`
	// DeviceTypes are dealt to the devices in turn; a type named twice gets twice as many.
	DeviceTypes []string `koanf:"device_types"`
	// Seed determines everything that is random.
	Seed   uint64 `koanf:"seed"`
	Faults Faults `koanf:"faults"`
}

// Faults says how often a simulated device goes wrong, in expected times per day; 0 is never.
type Faults struct {
	Offline   float64 `koanf:"offline"`
	Drift     float64 `koanf:"drift"`
	Stick     float64 `koanf:"stick"`
	Spike     float64 `koanf:"spike"`
	Excursion float64 `koanf:"excursion"`
}

// Ingest bounds what is taken in: MaxText and EarliestYear everywhere, the others at POST /api/v1/readings.
type Ingest struct {
	// MaxBody bounds one body, as sent and as decompressed, MaxReadings the readings in it.
	MaxBody     Bytes `koanf:"max_body_bytes"`
	MaxReadings int   `koanf:"max_readings"`
	// MaxInFlight bounds the requests that are being answered at once, MaxInFlightBytes their bodies together.
	MaxInFlight      int   `koanf:"max_in_flight"`
	MaxInFlightBytes Bytes `koanf:"max_in_flight_bytes"`
	// BodyTimeout is how long a client may take to send its body, Timeout how long Kafka may take to acknowledge.
	BodyTimeout time.Duration `koanf:"body_timeout"`
	Timeout     time.Duration `koanf:"timeout"`
	// MaxText bounds each text of a reading but its id, however the reading came in.
	MaxText Bytes `koanf:"max_text_bytes"`
	// EarliestYear is the first year that a reading may be of.
	EarliestYear int `koanf:"earliest_year"`
	// Map says which values in the shapes of other programs are which readings.
	Map []MapRule `koanf:"map"`
}

// MapRule takes the values that have its Measurement, if it names one, its Field and its Tags.
type MapRule struct {
	Measurement string            `koanf:"measurement"`
	Field       string            `koanf:"field"`
	Tags        map[string]string `koanf:"tags"`
	// Device, Building and Room may hold {measurement}, {field} and names of tags in braces.
	Device   string `koanf:"device"`
	Type     string `koanf:"type"`
	Unit     string `koanf:"unit"`
	Building string `koanf:"building"`
	Room     string `koanf:"room"`
}

// Aggregation is about the windows of event time.
type Aggregation struct {
	WindowSeconds int `koanf:"window_seconds"`
	// AllowedLateness is how long after its end a window waits for readings that are out of order.
	AllowedLateness time.Duration `koanf:"allowed_lateness"`
	// MaxClockSkew is how far ahead of its arrival a reading may be dated.
	MaxClockSkew time.Duration `koanf:"max_clock_skew"`
}

// Window returns the length of a window.
func (a *Aggregation) Window() time.Duration { return time.Duration(a.WindowSeconds) * time.Second }

// Devices is about every device, real or simulated.
type Devices struct {
	// OfflineAfter is how long a device may be silent before it counts as offline. Unless it is set, it is at least three
	// times the simulator's interval.
	OfflineAfter time.Duration `koanf:"offline_after"`
	// ForgetAfter is how long after its last reading a device is forgotten: it leaves the lists and the counts, and its history
	// stays. 0 means never.
	ForgetAfter time.Duration `koanf:"forget_after"`
}

// DeviceType is a type beside the built-in ones.
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
)

// Consume says what a consumer does, so that each role can have as many processes as it needs.
type Consume struct {
	Roles []string `koanf:"roles"`
}

// Processor is about the transactions that carry windows, alerts and states.
type Processor struct {
	// CommitInterval is how long a transaction collects outputs.
	CommitInterval time.Duration `koanf:"commit_interval"`
}

// Archive is the database of what has been.
type Archive struct {
	Enabled   bool      `koanf:"enabled"`
	Retention Retention `koanf:"retention"`
}

// Retention is how long the archive keeps each kind of row; 0 is for ever.
type Retention struct {
	Readings  time.Duration `koanf:"readings"`
	Summaries time.Duration `koanf:"summaries"`
	Alerts    time.Duration `koanf:"alerts"`
}

// Live is the WebSocket endpoint.
type Live struct {
	Path           string        `koanf:"path"`
	MaxConnections int           `koanf:"max_connections"`
	PingInterval   time.Duration `koanf:"ping_interval"`
	// PongTimeout is how long a ping may stay unanswered, WriteTimeout how long a client may take to accept a message.
	PongTimeout  time.Duration `koanf:"pong_timeout"`
	WriteTimeout time.Duration `koanf:"write_timeout"`
	// AllowedOrigins lists origins whose pages may connect besides the server's own.
	AllowedOrigins []string `koanf:"allowed_origins"`
	// MaxMessageBytes and MaxFilterItems bound what a client may send.
	MaxMessageBytes Bytes `koanf:"max_message_bytes"`
	MaxFilterItems  int   `koanf:"max_filter_items"`
	// MaxBytesPerSecond is about how much all clients together are sent of the devices' readings.
	MaxBytesPerSecond Bytes `koanf:"max_bytes_per_second"`
	// Compression has clients offered permessage-deflate.
	Compression bool `koanf:"compression"`
}

// Tracing is who is told how single readings make their way from one service to the next.
type Tracing struct {
	// Endpoint is the URL of a receiver of OpenTelemetry's protocol over HTTP, such as http://localhost:4318; empty is nobody.
	Endpoint string `koanf:"endpoint"`
	// SampleRatio is how many of the batches of readings are traced whose sender has not decided that by a traceparent.
	SampleRatio float64 `koanf:"sample_ratio"`
}

// Log is what the program writes about itself, to standard error.
type Log struct {
	Format string `koanf:"format"`
	Level  string `koanf:"level"`
}
