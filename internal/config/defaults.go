package config

import (
	"slices"
	"time"
)

// Default returns the default configuration of a service. Empty lists are not nil, as after Load.
func Default(service string, builtin Builtin) Config {
	port := defaultPort(service)
	cfg := Config{
		builtin: builtin,
		DataDir: "data",
		Server:  Server{Addr: joinPort("127.0.0.1", port), Port: port, ShutdownTimeout: 20 * time.Second},
		Kafka: Kafka{
			Brokers:           []string{},
			Embedded:          Embedded{Retention: 256 << 20},
			Topic:             "device-data",
			Topics:            []string{"device-data", "alerts"},
			DeadLettersTopic:  "device-data-dlq",
			AggregatesTopic:   "aggregates",
			AlertsTopic:       "alerts",
			StatesTopic:       "device-state",
			InForceTopic:      "partition-state",
			SourcesTopic:      "source-leases",
			MapsTopic:         "source-maps",
			Partitions:        defaultPartitions(service),
			ReplicationFactor: 1,
			GroupID:           "iot-consumer-group",
			GroupProtocol:     "classic",
			BatchSize:         2000,
			Linger:            2 * time.Millisecond,
			MaxBuffered:       defaultMaxBuffered(service),
			DeliveryTimeout:   2 * time.Minute,
		},
		Postgres: Postgres{MaxConnections: 10},
		Redis:    Redis{Addrs: []string{}, Expiry: 24 * time.Hour},
		Simulator: Simulator{
			Enabled:      true,
			DeviceCount:  1000,
			SendInterval: 5 * time.Second,
			DeviceTypes:  slices.Clone(builtin.DeviceTypes),
			Seed:         1,
			Faults:       Faults{Offline: 2.7, Drift: 0.05, Stick: 0.2, Spike: 0.5, Excursion: 2.4},
		},
		Ingest:        defaultIngest(),
		Sources:       []Source{},
		MQTTBroker:    defaultMQTTBroker(service),
		Forward:       Forward{To: []string{}, Topic: "device-data", HistoricalAfter: time.Minute},
		Aggregation:   Aggregation{WindowSeconds: 30, AllowedLateness: 5 * time.Second, MaxClockSkew: 10 * time.Second},
		Devices:       Devices{OfflineAfter: 15 * time.Second, ForgetAfter: 90 * 24 * time.Hour, ParentGrace: 30 * time.Second},
		DeviceTypes:   []DeviceType{},
		Alerts:        defaultAlerts(),
		Notifications: defaultNotifications(),
		Consumer:      Consume{Roles: []string{RoleProcessor, RoleArchiver, RoleCache, RoleNotifier}},
		Processor:     Processor{CommitInterval: defaultCommitInterval(service)},
		Archive: Archive{
			Enabled:   true,
			Retention: Retention{Readings: 336 * time.Hour, Summaries: 720 * time.Hour, Alerts: 2160 * time.Hour},
		},
		Control: Control{Enabled: true, AuditRetention: 5 * 365 * 24 * time.Hour},
		Push: Push{
			Path:              "/ws",
			MaxConnections:    10_000,
			PingInterval:      30 * time.Second,
			PongTimeout:       10 * time.Second,
			WriteTimeout:      10 * time.Second,
			AllowedOrigins:    []string{},
			MaxMessageBytes:   4096,
			MaxFilterItems:    200,
			MaxBytesPerSecond: 256 << 20,
		},
		Tracing: Tracing{SampleRatio: 0.01},
		Log:     Log{Format: "text", Level: "info"},
	}
	if service != Iotmon {
		// The servers of docker-compose.yml on this machine.
		cfg.Kafka.Brokers = []string{"localhost:9092"}
		cfg.Postgres.URL = "postgres://iot_user:iot_password@localhost:5432/iot_monitoring"
		cfg.Redis.URL = "redis://localhost:6379/0"
	}
	return cfg
}

func defaultAlerts() Alerts {
	return Alerts{
		TemperatureHigh:     threshold(28),
		HumidityHigh:        threshold(80),
		PressureHigh:        threshold(1050),
		TemperatureCritical: threshold(35),
		DeviceOffline:       "warning",
		Rules:               []Rule{},
	}
}

func defaultIngest() Ingest {
	return Ingest{
		MaxBody:          8 << 20,
		MaxReadings:      50_000,
		MaxInFlight:      64,
		MaxInFlightBytes: 32 << 20,
		BodyTimeout:      30 * time.Second,
		Timeout:          10 * time.Second,
		MaxText:          128,
		EarliestYear:     2000,
		Map:              []MapRule{},
	}
}

func threshold(value float64) *float64 { return &value }

// defaultPartitions is small for one process, which does not share partitions. Each partition has a cost: readings that
// arrive together become a batch in every partition, and each batch of readings or states takes four system calls, and 76
// bytes of memory while it is retained.
func defaultPartitions(service string) int {
	if service == Iotmon {
		return 2
	}
	return 10
}

// defaultMaxBuffered is smaller for one process, whose broker answers within milliseconds: unacknowledged readings then
// stay in the CPU's caches, which saves a seventh of the CPU time at full rate. A cluster may be a continent away.
func defaultMaxBuffered(service string) int {
	if service == Iotmon {
		return 10_000
	}
	return 50_000
}

// defaultPort differs for each service, so that all can run on one machine.
func defaultPort(service string) int {
	switch service {
	case Consumer:
		return 8081
	case WebSocket:
		return 8082
	case Producer:
		return 8084
	default:
		return 8080
	}
}

// defaultCommitInterval is longer for one process: nothing live waits for a transaction there, and each transaction writes
// offsets, markers and a batch of states in every partition, even if little has changed.
func defaultCommitInterval(service string) time.Duration {
	if service == Iotmon {
		return time.Second
	}
	return 500 * time.Millisecond
}
