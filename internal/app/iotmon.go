package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/config"
	"iotmon/internal/ingest"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/live"
	"iotmon/internal/observe"
	"iotmon/internal/simulate"
	"iotmon/internal/store/sqlite"
	"iotmon/web"
)

// startTimeout bounds the making of the parts, the reading of a large log included.
const startTimeout = time.Minute

// clientID names this program to the broker.
const clientID = "iotmon"

// Options are what a service needs beside its configuration.
type Options struct {
	// Version is the program's own.
	Version string
	Logger  *slog.Logger
	// Started is when the process began.
	Started time.Time
}

// Iotmon is everything in one process: producer, consumer and web on an embedded broker and SQLite. Its parts still talk
// only through the broker's topics.
type Iotmon struct {
	Options
	lifecycle
	cfg       *config.Config
	listener  net.Listener
	metrics   *observe.Metrics
	readiness *observe.Readiness

	catalog   *iot.Catalog
	admission *iot.Admission
	dial      kafka.Dial
	topics    kafka.Topics
	store     *sqlite.Store
	producer  *kafka.Producer
	view      *live.View
	hub       *live.Hub
}

// NewIotmon makes the parts and starts none. Whatever can be wrong with the configuration or the machine, a port in use,
// a directory that is not writable, shows here, and then nothing is left open.
func NewIotmon(ctx context.Context, cfg *config.Config, options Options) (*Iotmon, error) {
	app := &Iotmon{
		Options:   options,
		lifecycle: lifecycle{logger: options.Logger},
		cfg:       cfg,
		metrics:   observe.NewMetrics(options.Version),
		readiness: observe.NewReadiness(),
		topics:    newTopics(cfg),
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, make := range []func(context.Context) error{
		app.listen, app.openStore, app.openBroker, app.makeProducer, app.makeProcessor, app.makeArchiver, app.makeLive,
		app.makeSimulator, app.makeServer,
	} {
		if err := make(ctx); err != nil {
			app.close()
			return nil, err
		}
	}
	return app, nil
}

// Addr returns the address that the service listens on.
func (app *Iotmon) Addr() string { return app.listener.Addr().String() }

// Run runs the parts until ctx ends, which is success, or one of them fails, and closes everything.
func (app *Iotmon) Run(ctx context.Context) error {
	defer app.close()
	return app.run(ctx)
}

func (app *Iotmon) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", app.cfg.Server.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", app.cfg.Server.Addr, err)
	}
	app.listener = listener
	app.onClose("listener", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

func (app *Iotmon) openStore(ctx context.Context) (err error) {
	if app.catalog, err = newCatalog(app.cfg); err != nil {
		return err
	}
	app.admission = newAdmission(app.cfg, app.catalog)
	app.store, err = sqlite.Open(ctx, sqlite.Options{
		Path:          filepath.Join(app.cfg.DataDir, "iotmon.db"),
		ReadingsTopic: app.topics.Readings,
		SyncWrites:    app.cfg.Kafka.Embedded.SyncWrites,
	})
	if err != nil {
		return err
	}
	app.onClose("database", app.store.Close)
	return nil
}

func (app *Iotmon) openBroker(ctx context.Context) error {
	broker, err := embedded.Open(ctx, embedded.Options{
		Dir:        filepath.Join(app.cfg.DataDir, "kafka"),
		Port:       app.cfg.Kafka.Embedded.Port,
		SyncWrites: app.cfg.Kafka.Embedded.SyncWrites,
		Logger:     app.Logger,
	})
	if err != nil {
		return err
	}
	app.onClose("broker", broker.Close)
	app.dial = kafka.Dial{Brokers: broker.Addrs(), ClientID: clientID, Logger: app.Logger}
	err = kafka.EnsureTopics(ctx, kafka.TopicOptions{
		Dial:        app.dial,
		Topics:      app.topics,
		Partitions:  app.cfg.Kafka.Partitions,
		Replication: 1,
		Budget:      int64(app.cfg.Kafka.Embedded.Retention),
	})
	if err != nil {
		return err
	}
	stamped, err := kafka.ProbeAppendTime(ctx, app.dial, app.topics)
	if err != nil {
		return err
	}
	app.Logger.Debug("append time probed", "stamped_by", stamped.String())
	return nil
}

func (app *Iotmon) makeProducer(context.Context) error {
	producer, err := kafka.NewProducer(kafka.ProducerOptions{
		Dial:            app.dial,
		Topics:          app.topics,
		BatchSize:       app.cfg.Kafka.BatchSize,
		Linger:          app.cfg.Kafka.Linger,
		DeliveryTimeout: app.cfg.Ingest.Timeout,
		Sent:            app.metrics.Producer.Sent,
		Failed: func(count int, err error) {
			app.metrics.Producer.Failed(count)
			app.Logger.Error("readings not delivered", "count", count, "error", err)
		},
	})
	if err != nil {
		return err
	}
	app.producer = producer
	app.onClose("producer", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		defer producer.Close()
		return producer.Flush(ctx)
	})
	return nil
}

func (app *Iotmon) makeProcessor(context.Context) error {
	options, err := newProcess(app.cfg, app.admission)
	if err != nil {
		return err
	}
	processor := kafka.NewProcessor(kafka.ProcessorOptions{
		Dial:           app.dial,
		Topics:         app.topics,
		Group:          app.cfg.Kafka.GroupID,
		Process:        options,
		CommitInterval: app.cfg.Processor.CommitInterval,
		Ticker:         countingTicker{app.producer, &app.metrics.Consumer},
		Metrics:        processorMetrics{&app.metrics.Consumer, app.readiness.Expect("processor"), time.Now},
		Logger:         app.Logger,
	})
	app.add("processor", processor.Run)
	return nil
}

func (app *Iotmon) makeArchiver(context.Context) error {
	if !app.cfg.Archive.Enabled {
		return nil
	}
	archiver := archive.New(archive.Options{
		Open: kafka.ArchiveLog(kafka.ArchiveOptions{
			Dial:     app.dial,
			Topics:   app.topics,
			Group:    app.cfg.Kafka.GroupID,
			Lag:      func(s archive.Source, records int64) { app.metrics.Archive.Lag(s.Topic, s.Partition, records) },
			Released: func(s archive.Source) { app.metrics.Archive.Released(s.Topic, s.Partition) },
		}),
		Store:     app.store,
		Topics:    archive.Topics{Readings: app.topics.Readings, Aggregates: app.topics.Aggregates, Alerts: app.topics.Alerts},
		Admission: app.admission,
		Retention: archive.Retention(app.cfg.Archive.Retention),
		Metrics:   archiveMetrics(&app.metrics.Archive, app.readiness.Expect("archive")),
		Logger:    app.Logger,
		Now:       time.Now,
	})
	app.add("archiver", archiver.Run)
	return nil
}

// makeLive makes the view of the present, what feeds it from the log, and the hub that tells browsers.
func (app *Iotmon) makeLive(context.Context) error {
	app.view = live.NewView(live.ViewOptions{WindowLength: app.cfg.Aggregation.Window()})
	app.hub = live.NewHub(live.HubOptions{
		View:    app.view,
		Catalog: app.catalog,
		Version: app.Version,
		Limits: live.Limits{
			Connections:    app.cfg.Live.MaxConnections,
			MessageBytes:   int(app.cfg.Live.MaxMessageBytes),
			FilterItems:    app.cfg.Live.MaxFilterItems,
			PingInterval:   app.cfg.Live.PingInterval,
			PongTimeout:    app.cfg.Live.PongTimeout,
			WriteTimeout:   app.cfg.Live.WriteTimeout,
			BytesPerSecond: int(app.cfg.Live.MaxBytesPerSecond),
		},
		AllowedOrigins: app.cfg.Live.AllowedOrigins,
		Metrics:        liveMetrics(&app.metrics.WebSocket),
		Log:            app.Logger,
	})
	tail := kafka.NewTail(kafka.TailOptions{Dial: app.dial, Topics: app.topics, Sink: app.hub.Apply, Logger: app.Logger})
	part := app.readiness.Expect("live view")
	app.add("live tail", tail.Run)
	app.add("live view", func(ctx context.Context) error {
		select {
		case <-tail.CaughtUp():
			part.Ready()
		case <-ctx.Done():
		}
		return app.hub.Run(ctx)
	})
	app.metrics.WatchPlant(plant(app.view))
	return nil
}

func (app *Iotmon) makeSimulator(context.Context) error {
	if !app.cfg.Simulator.Enabled {
		return nil
	}
	options := newFleetOptions(app.cfg, app.catalog)
	options.Start = time.Now()
	fleet, err := simulate.NewFleet(options)
	if err != nil {
		return fmt.Errorf("device simulator: %w", err)
	}
	runner := simulate.NewRunner(fleet, app.producer, time.Now)
	app.metrics.WatchSimulator(runner.Skipped)
	app.add("device simulator", runner.Run)
	return nil
}

func (app *Iotmon) makeServer(context.Context) error {
	history, err := api.New(api.Options{
		Fleet:   app.view,
		History: app.store,
		Catalog: app.catalog,
		Ingest: app.metrics.Ingest.Instrument(ingest.NewHandler(ingest.HandlerOptions{
			Log:           app.producer,
			Admission:     app.admission,
			Now:           time.Now,
			Logger:        app.Logger,
			Answered:      app.metrics.Ingest.Answered,
			MaxBody:       int64(app.cfg.Ingest.MaxBody),
			MaxReadings:   app.cfg.Ingest.MaxReadings,
			MaxRequests:   app.cfg.Ingest.MaxInFlight,
			MaxBytes:      int64(app.cfg.Ingest.MaxInFlightBytes),
			BodyTimeout:   app.cfg.Ingest.BodyTimeout,
			AppendTimeout: app.cfg.Ingest.Timeout,
		})),
		Version: app.Version,
		Now:     time.Now,
		Logger:  app.Logger,
		BaseURL: "http://" + app.Addr(),
	})
	if err != nil {
		return err
	}
	dashboard, err := newPage(app.cfg, web.Static(), web.Templates(), app.Version)
	if err != nil {
		return err
	}
	admin := http.NewServeMux()
	observe.Routes(admin, observe.RouteOptions{
		Metrics: app.metrics, Readiness: app.readiness, Version: app.Version, Started: app.Started, Pprof: app.cfg.Server.Pprof,
	})
	all := routes{page: dashboard, api: history, live: app.hub, livePath: app.cfg.Live.Path, admin: admin}
	handler, err := all.handler()
	if err != nil {
		return err
	}
	app.add("web server", serve(app.listener, handler))
	return nil
}
