package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/bench"
	"iotmon/internal/cache/redis"
	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/kafka/processor"
	"iotmon/internal/mapping"
	"iotmon/internal/observe"
	"iotmon/internal/push"
	"iotmon/internal/view"
)

// startTimeout bounds the making of the parts, the reading of a large log included.
const startTimeout = time.Minute

// Options are what a service needs beside its configuration.
type Options struct {
	// Version is the program's own.
	Version string
	Logger  *slog.Logger
	// Started is when the process began.
	Started time.Time
}

// Service is one of the programs. Iotmon is everything in one process on an embedded broker and SQLite; the others share
// the same parts out over processes on Kafka, PostgreSQL and Redis. In either case the parts talk only through topics.
type Service struct {
	Options
	lifecycle
	name      string
	cfg       *config.Config
	listener  net.Listener
	metrics   *observe.Metrics
	tracing   *observe.Tracing
	readiness *observe.Readiness

	catalog   *iot.Catalog
	admission *iot.Admission
	mapping   *mapping.Rules
	dial      kafka.Dial
	topics    kafka.Topics
	store     store
	// redis is nil where there is none.
	redis    *redis.Client
	producer *kafka.Producer
	// archiver is nil where another process, or nobody, archives.
	archiver *archive.Archiver
	view     *view.View
	hub      *push.Hub
	// showing is held while the hub takes in what has changed.
	showing sync.Mutex

	// handover passes what the processor restores on to the live view; nil where they are in different processes.
	handover *processor.Handover

	// broker is the embedded one; nil where there is another.
	broker *embedded.Broker

	// measured is told what comes out, for a benchmark; nil for nobody.
	measured *bench.Run

	// kafka and database are closed once the servers can be used; nil for what is in this process.
	kafka, database <-chan struct{}
}

// store is an archive that can be written and asked.
type store interface {
	archive.Store
	api.History
}

// New makes the parts of the service that config names so, and starts none. Whatever can be wrong with the configuration
// or the machine, a port in use, a directory that is not writable, shows here, and then nothing is left open.
func New(ctx context.Context, name string, cfg *config.Config, options Options) (*Service, error) {
	s := newService(name, cfg, options)
	if err := s.make(ctx, s.parts()); err != nil {
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
		topics:    newTopics(cfg),
	}
	s.metrics.WatchReadiness(s.readiness)
	return s
}

// part makes a part of a service.
type part = func(context.Context) error

// make makes the parts, or none.
func (s *Service) make(ctx context.Context, parts []part) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, make := range parts {
		if err := make(ctx); err != nil {
			s.close()
			return err
		}
	}
	return nil
}

// parts lists what makes up the service, in the order of making.
func (s *Service) parts() []part {
	switch s.name {
	case config.Producer:
		return []part{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.makeProducer, s.makeSimulator, s.serveIngest}
	case config.Consumer:
		return []part{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openPostgres, s.openRedis, s.makeProducer, s.makeProcessor, s.makeArchiver,
			s.makeFiller, s.serveAdmin}
	case config.Web:
		return []part{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openPostgres, s.openRedis, s.makeProducer, s.makeLive, s.serveWeb}
	case config.WebSocket:
		return []part{s.listen, s.openTracing, s.makeDomain, s.joinCluster, s.openRedis, s.makeLive, s.serveWebSocket}
	default:
		return []part{
			s.listen, s.openTracing, s.makeDomain, s.openSQLite, s.openBroker, s.makeProducer, s.makeProcessor, s.makeArchiver, s.makeLive,
			s.makeSimulator, s.serveWeb, s.serveControl,
		}
	}
}

// Addr returns the address that the service listens on.
func (s *Service) Addr() string { return s.listener.Addr().String() }

// Run runs the parts until ctx ends, which is success, or one of them fails, and closes everything.
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

// openTracing has spans sent, if the configuration says where to.
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
			s.Logger.Warn("the last spans are lost", "reason", err)
		}
		return nil
	})
	return nil
}

// tracesTimeout is how long a receiver of traces may keep a service from ending.
const tracesTimeout = 2 * time.Second

// spanService is the name of a service among all that a receiver of traces hears of.
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
	s.mapping, err = newMapping(s.cfg, s.catalog)
	return err
}
