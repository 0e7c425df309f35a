package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/bench"
	"iotmon/internal/cache/redis"
	"iotmon/internal/config"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/kafka/processor"
	"iotmon/internal/mapping"
	"iotmon/internal/notify/deliver"
	"iotmon/internal/observe"
	"iotmon/internal/push"
	"iotmon/internal/source"
	"iotmon/internal/trial"
	"iotmon/internal/view"
)

// startTimeout bounds the time to make all parts, the reading of a large log included.
const startTimeout = time.Minute

// Options are what a service needs beside its configuration.
type Options struct {
	// Version is the version of the program.
	Version string
	Logger  *slog.Logger
	// Started is when the process began.
	Started time.Time
}

// Service is one of the programs. iotmon has all parts in one process, with the embedded broker and SQLite. producer, consumer,
// web and websocket have some of the parts each, and use Kafka, PostgreSQL and Redis. In either case the parts exchange data
// only through topics.
type Service struct {
	Options
	lifecycle
	name      string
	cfg       *config.Config
	listener  net.Listener
	metrics   *observe.Metrics
	tracing   *observe.Tracing
	readiness *observe.Readiness
	figures   *figures
	// stopped holds the partitions that this process does not process until a restart; nil without a processor.
	stopped *findings

	// catalog has the device types of the configuration and those that people decide, admission is by it: both are for what comes in and for
	// what is shown. configured is the admission of the configuration alone, with which processors and archivers begin; see iot.Limits.
	catalog    *iot.Catalog
	admission  *iot.Admission
	configured *iot.Admission
	mapping    *mapping.Rules
	// types adds what people decide to the catalog; nil in the consumer.
	types *decidedTypes
	// sources are the states of the configured sources.
	sources []*source.Status
	// maps are the maps of the sources; nil where there are none.
	maps *sourceMaps
	// shownSources are those that the API shows: those of this process, or what other processes say of theirs.
	shownSources api.Sources
	// forwarding is nil where nothing is forwarded.
	forwarding *forwarding
	dial       kafka.Dial
	// presence is nil where all programs are one process, and in the consumer.
	presence *kafka.Presence
	topics   kafka.Topics
	store    store
	// notices holds what is to be notified, and what has become of it.
	notices notices
	// control holds what people decide, registry takes it; registry is nil if this process does not.
	control  control.Store
	registry *registry
	// rules are the alert rules in force that are shown; nil while they are not known.
	rules atomic.Pointer[[]iot.Rule]
	// redis is nil if none is configured.
	redis    *redis.Client
	producer *kafka.Producer
	// archiver is nil if this process does not archive.
	archiver *archive.Archiver
	view     *view.View
	hub      *push.Hub
	// caughtUp is closed once the view has every device that there was at the start.
	caughtUp <-chan struct{}
	// showing is held while a batch is applied to the hub: live tail and processor both do so.
	showing sync.Mutex

	// handover passes the device states that the processor has restored to the live view; nil if they are in different
	// processes.
	handover *processor.Handover

	// broker is the embedded broker; nil if Kafka is used.
	broker *embedded.Broker

	// measured receives the outputs for a benchmark; nil in normal operation.
	measured *bench.Run

	// kafka and database are closed once the server can be used; nil for a broker or database in this process.
	kafka, database <-chan struct{}
}

// store is the archive, for writing and for queries.
type store interface {
	archive.Store
	archive.ProgressReader
	api.History
	trial.Archive
}

// notices is what the stores have of notifications.
type notices interface {
	deliver.Store
	api.Notifications
}

// New makes the parts of the service, and starts none. The name is one of the constants of package config. Mistakes in the
// configuration and faults of the machine, such as a port in use or a directory that is not writable, are errors here. After
// an error nothing is left open.
func New(ctx context.Context, name string, cfg *config.Config, options Options) (*Service, error) {
	s := newService(name, cfg, options)
	if err := s.make(ctx, s.makers()); err != nil {
		return nil, err
	}
	return s, nil
}

// newService returns a service without parts.
func newService(name string, cfg *config.Config, options Options) *Service {
	s := &Service{
		Options:   options,
		lifecycle: lifecycle{logger: options.Logger},
		name:      name,
		cfg:       cfg,
		metrics:   observe.NewMetrics(options.Version),
		tracing:   observe.NoTracing(),
		readiness: observe.NewReadiness(),
		figures:   newFigures(),
		topics:    newTopics(cfg),
	}
	s.metrics.WatchReadiness(s.readiness)
	return s
}

// maker makes a part of a service.
type maker = func(context.Context) error

// make makes all parts, in their order. If one fails, it closes those made before.
func (s *Service) make(ctx context.Context, makers []maker) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, make := range makers {
		if err := make(ctx); err != nil {
			s.close()
			return err
		}
	}
	return nil
}

// makers lists the makers of the service's parts, in the order in which they are called.
func (s *Service) makers() []maker {
	switch s.name {
	case config.Producer:
		return []maker{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.makeProducer, s.makeSimulator, s.makeSources, s.showSources,
			s.followMaps, s.serveIngest}
	case config.Consumer:
		return []maker{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openPostgres, s.openRedis, s.makeProducer, s.makeProcessor, s.makeArchiver,
			s.makeFiller, s.makeNotifier, s.serveAdmin}
	case config.Web:
		return []maker{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openPostgres, s.openRedis, s.makeProducer, s.makeLive, s.makeRegistry,
			s.followSources, s.followMaps, s.serveWeb}
	case config.WebSocket:
		return []maker{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openRedis, s.makeLive, s.followRules, s.followMaps, s.serveWebSocket}
	default:
		return []maker{
			s.listen, s.openTracing, s.makeDomain, s.openSQLite, s.openBroker, s.makeProducer, s.makeProcessor, s.makeArchiver, s.makeLive,
			s.makeRegistry, s.makeNotifier, s.makeSimulator, s.makeSources, s.showSources, s.followMaps, s.makeForward, s.serveWeb, s.serveControl,
		}
	}
}

// Addr returns the address that the service listens on.
func (s *Service) Addr() string { return s.listener.Addr().String() }

// Run runs the parts until ctx ends, which is success, or one of them fails. Then it closes everything.
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	return s.run(ctx)
}

func (s *Service) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Server.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Server.Addr, err)
	}
	s.listener = listener
	s.onClose("listener", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// openTracing makes what sends spans to the receiver that the configuration names, if it names one.
func (s *Service) openTracing(ctx context.Context) (err error) {
	s.tracing, err = observe.NewTracing(ctx, observe.TracingOptions{
		Endpoint: s.cfg.Tracing.Endpoint,
		Ratio:    s.cfg.Tracing.SampleRatio,
		Service:  spanService(s.name),
		Version:  s.Version,
		Logger:   observe.Sparing(s.Logger, repeatedLogs),
	})
	if err != nil {
		return err
	}
	s.onClose("tracing", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), tracesTimeout)
		defer cancel()
		if err := s.tracing.Close(ctx); err != nil {
			s.Logger.Warn("the last spans could not be sent", "reason", err)
		}
		return nil
	})
	return nil
}

// tracesTimeout is how long a service that ends tries to send its last spans.
const tracesTimeout = 2 * time.Second

// spanService returns the name of a service in its spans. A receiver of traces sees other programs, too; so every name but
// iotmon's own begins with iotmon-.
func spanService(name string) string {
	if name == config.Iotmon {
		return name
	}
	return config.Iotmon + "-" + name
}

func (s *Service) makeDomain(context.Context) (err error) {
	if s.catalog, err = newCatalog(s.cfg); err != nil {
		return err
	}
	s.admission = newAdmission(s.cfg, s.catalog)
	fixed, err := newCatalog(s.cfg)
	if err != nil {
		return err
	}
	s.configured = newAdmission(s.cfg, fixed)
	s.mapping, err = newMapping("ingest.map", s.cfg.Ingest.Map, s.catalog)
	return err
}
