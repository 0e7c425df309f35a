package app

import (
	"context"
	"net/http"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/config"
	httpforward "iotmon/internal/forward/http"
	"iotmon/internal/kafka/feed"
	"iotmon/internal/observe"
	"iotmon/internal/push"
	httpsource "iotmon/internal/source/http"
	"iotmon/internal/view"
	"iotmon/internal/wire"
	"iotmon/web"
)

// makeLive makes the live view, the tail that feeds it from the log, and the hub that sends its changes to browsers.
func (s *Service) makeLive(context.Context) error {
	s.view = view.New(view.Options{WindowLength: s.cfg.Aggregation.Window()})
	s.hub = push.NewHub(push.HubOptions{
		View:    s.view,
		Catalog: s.catalog,
		Version: s.Version,
		Limits: push.Limits{
			Connections:    s.cfg.Push.MaxConnections,
			MessageBytes:   int(s.cfg.Push.MaxMessageBytes),
			FilterItems:    s.cfg.Push.MaxFilterItems,
			PingInterval:   s.cfg.Push.PingInterval,
			PongTimeout:    s.cfg.Push.PongTimeout,
			WriteTimeout:   s.cfg.Push.WriteTimeout,
			BytesPerSecond: int(s.cfg.Push.MaxBytesPerSecond),
		},
		Compression:    s.cfg.Push.Compression,
		AllowedOrigins: s.cfg.Push.AllowedOrigins,
		Metrics:        pushMetrics(&s.metrics.WebSocket, s.figures),
		Log:            s.Logger,
	})
	tail := feed.NewTail(feed.TailOptions{
		Dial: s.dial, Topics: s.topics, Cache: s.states(), Sink: s.show, LocalProcessor: s.handover != nil && s.has(config.RoleProcessor),
		Tracer: s.tracing.Tracer(), Logger: s.Logger,
	})
	s.caughtUp = tail.CaughtUp()
	part := s.readiness.Expect("live view")
	s.add("live tail", after(tail.Run, s.kafka))
	s.add("live view", func(ctx context.Context) error {
		select {
		case <-tail.CaughtUp():
			part.Ready()
			if s.handover != nil {
				s.handover.End()
			}
		case <-ctx.Done():
		}
		return s.hub.Run(ctx)
	})
	s.metrics.WatchPlant(plant(s.view))
	s.metrics.WatchUndivided(s.view.Undivided)
	return nil
}

// show applies a batch to the live view. The live tail calls it and, if it is in the same process, the processor.
func (s *Service) show(batch view.Batch) {
	s.showing.Lock()
	defer s.showing.Unlock()
	if s.measured != nil {
		s.measured.Watch(batch)
	}
	s.hub.Apply(batch)
}

// complete reports whether the live view has every device that there was at the start.
func (s *Service) complete() bool {
	select {
	case <-s.caughtUp:
		return true
	default:
		return false
	}
}

// serveWeb serves the page, the APIs and the WebSocket.
func (s *Service) serveWeb(context.Context) error {
	system, err := s.makeSystem()
	if err != nil {
		return err
	}
	options := api.Options{
		Fleet:          s.view,
		Complete:       s.complete,
		History:        api.Cached(s.history(), s.answers(), time.Now, s.view.Corrected),
		Trials:         s.trials(),
		RulesInForce:   s.rulesInForce,
		Catalog:        s.catalog,
		Admission:      s.admission,
		Ingest:         s.ingestHandler(),
		Forgetter:      s.producer,
		System:         system,
		Sources:        s.shownSources,
		DeadLetters:    &feed.DeadLetters{Dial: s.dial, Topic: s.topics.DeadLetters},
		Appender:       s.producer,
		Notifications:  s.notices,
		AllowedOrigins: s.cfg.Push.AllowedOrigins,
		Version:        s.Version,
		Now:            time.Now,
		Logger:         s.Logger,
	}
	s.useRegistry(&options)
	history, err := api.New(options)
	if err != nil {
		return err
	}
	dashboard, err := newPage(s.cfg, web.Static(), web.Templates(), s.Version)
	if err != nil {
		return err
	}
	all := routes{page: dashboard, api: history, live: s.hub, livePath: s.cfg.Push.Path, admin: s.adminHandler()}
	handler, err := all.handler()
	if err != nil {
		return err
	}
	s.serve(handler)
	return nil
}

// serveWebSocket serves the WebSocket and the paths for operators.
func (s *Service) serveWebSocket(context.Context) error {
	mux := http.NewServeMux()
	mux.Handle(s.cfg.Push.Path, s.hub)
	mux.Handle("/", s.adminHandler())
	s.serve(secured(mux))
	return nil
}

// serveIngest serves HTTP ingest and the paths for operators.
func (s *Service) serveIngest(context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/readings", s.ingestHandler())
	mux.Handle("/", s.adminHandler())
	s.serve(secured(mux))
	return nil
}

// serveAdmin serves only the paths for operators.
func (s *Service) serveAdmin(context.Context) error {
	s.serve(secured(s.adminHandler()))
	return nil
}

// serve adds the HTTP server, on the service's listener.
func (s *Service) serve(handler http.Handler) {
	s.add("web server", serve(s.listener, observe.Identified(handler, s.Logger)))
}

// ingestHandler returns the handler of POST /api/v1/readings.
func (s *Service) ingestHandler() http.Handler {
	handler := httpsource.NewHandler(httpsource.Options{
		Log:           s.producer,
		Reports:       s.producer,
		Admission:     s.admission,
		Mapping:       s.mapping,
		Now:           time.Now,
		Logger:        s.Logger,
		Answered:      s.answered,
		MaxBody:       int64(s.cfg.Ingest.MaxBody),
		MaxReadings:   s.cfg.Ingest.MaxReadings,
		MaxRequests:   s.cfg.Ingest.MaxInFlight,
		MaxBytes:      int64(s.cfg.Ingest.MaxInFlightBytes),
		BodyTimeout:   s.cfg.Ingest.BodyTimeout,
		AppendTimeout: s.cfg.Ingest.Timeout,
	})
	return s.tracing.Traced("POST /api/v1/readings", s.metrics.Ingest.Instrument(s.types.await(handler)))
}

// answered counts the accepted, rejected, duplicate and conflicting readings of one request.
func (s *Service) answered(request *http.Request, r *wire.Ingested) {
	s.metrics.Ingest.Answered(r.Accepted, len(r.Rejected), r.Duplicates, r.Conflicts)
	if gateway := request.Header.Get(httpforward.GatewayHeader); gateway != "" {
		s.metrics.Ingest.Forwarded(gateway, r.Accepted, len(r.Rejected))
	}
}

// adminHandler returns the handler of /health, /ready, /metrics and, if enabled, the profiles.
func (s *Service) adminHandler() http.Handler {
	admin := http.NewServeMux()
	observe.Routes(admin, observe.RouteOptions{
		Metrics: s.metrics, Readiness: s.readiness, Version: s.Version, Started: s.Started, Pprof: s.cfg.Server.Pprof,
	})
	return admin
}
