package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

// Prefix is the path of every endpoint; it has the version, so that a later one can be served beside this one.
const Prefix = "/api/v1"

// defaultBaseURL is where the documented web service listens.
const defaultBaseURL = "http://localhost:8080"

// Options configure the API. All fields except Complete, Admission, Ingest, Forgetter, Registry, Entries, Rules, Trials, RulesInForce, Commands, Handled, System, Sources, SourceMaps,
// DeadLetters, Appender, Notifications, NotificationPlans and AllowedOrigins are required.
type Options struct {
	Fleet Fleet
	// Complete reports whether the fleet has every device. Until then a device that is not in it may exist. Nil means always.
	Complete func() bool
	History  History
	Catalog  *iot.Catalog
	// Admission checks readings; the API returns its limits. Nil omits that operation.
	Admission *iot.Admission
	// Ingest answers POST /api/v1/readings; nil omits the operation.
	Ingest http.Handler
	// Forgetter serves DELETE /api/v1/devices/{id} if Registry is nil; without both the operation is omitted.
	Forgetter Forgetter
	// Registry serves what people decide about devices, and Entries has what of it is in force; nil, or neither, omits it.
	Registry Registry
	Entries  Entries
	// Rules serves what people decide about alert rules; nil, or no Entries, omits it.
	Rules Rules
	// Trials has the readings over which rules are tried; nil, or no Rules, omits that operation.
	Trials trial.Archive
	// RulesInForce returns the alert rules in force, false if they are not known yet. The caller must not change them. Nil means never known.
	RulesInForce func() ([]iot.Rule, bool)
	// Commands takes what people decide about alerts, and Handled has what of it is done; nil omits it.
	Commands Commands
	Handled  Handled
	// System serves GET /api/v1/system, DeadLetters the dead letters; nil omits their operations.
	System      System
	DeadLetters DeadLetters
	// Sources serves the sources of readings; nil, or no Admission, omits its operations.
	Sources Sources
	// SourceMaps serves what people decide about the maps of sources; nil, or no Sources, omits it.
	SourceMaps SourceMaps
	// Appender appends the readings of dead letters that are sent again; nil, or no Admission, omits that operation.
	Appender Appender
	// Notifications has what became of the notifications; nil omits it.
	Notifications Notifications
	// NotificationPlans serves what people decide about routes and calendars; nil, or no Notifications, omits it.
	NotificationPlans NotificationPlans
	// AllowedOrigins lists origins, such as "https://plant.example", whose pages may send requests that change something,
	// besides the pages of this host.
	AllowedOrigins []string
	// Version is the program's own.
	Version string
	// Now is the clock for relative times.
	Now    func() time.Time
	Logger *slog.Logger
}

// server implements the endpoints.
type server struct {
	o   Options
	mux *http.ServeMux
	// document describes the operations.
	document *huma.OpenAPI
	// historyDown is whether the last query of the archive failed, so that an outage is logged once.
	historyDown atomic.Bool
	// decisionsDown is whether the last decision failed because the database did not answer.
	decisionsDown atomic.Bool
	// deciding holds one item for each running request to change or forget a device.
	deciding chan struct{}
	// importing holds one item for each running import.
	importing chan struct{}
	// scanning holds one item for each running scan of all devices.
	scanning chan struct{}
	orders   orders
	// readingLetters holds one item for each running request that reads dead letters.
	readingLetters chan struct{}
	keys           keys
	// trying holds one item for each running trial of a rule.
	trying chan struct{}
}

// New returns the handler of /api/v1/ and of the documentation at /docs. Everything that it serves is in the binary; its
// pages load nothing from other hosts.
func New(o Options) (http.Handler, error) {
	if o.Fleet == nil || o.History == nil || o.Catalog == nil || o.Now == nil || o.Logger == nil {
		return nil, errors.New("api: fleet, history, catalog, clock and logger are required")
	}
	if (o.Registry == nil) != (o.Entries == nil) {
		return nil, errors.New("api: registry and entries belong together")
	}
	if o.DeadLetters != nil {
		o.DeadLetters = ownLetters{o.DeadLetters}
	}
	s := &server{
		o: o, mux: http.NewServeMux(), deciding: make(chan struct{}, decisionsAtOnce), importing: make(chan struct{}, importsAtOnce), scanning: make(chan struct{}, scansAtOnce),
		readingLetters: make(chan struct{}, deadLettersAtOnce), trying: make(chan struct{}, trialsAtOnce),
	}
	api := humago.New(s.mux, configuration(o.Version))
	api.UseMiddleware(canonicalParameters, refuseEmptyParameters(api))
	s.document = api.OpenAPI()
	s.registerDevices(api)
	s.registerForget(api)
	s.registerRegistry(api)
	s.registerMany(api)
	s.registerImport(api)
	s.registerAudit(api)
	s.registerRules(api)
	s.registerTrials(api)
	s.registerMaintenance(api)
	s.registerRulesFile(api)
	s.registerAlertActions(api)
	s.registerManyActions(api)
	s.registerShelvings(api)
	s.registerKPIs(api)
	s.registerNotifications(api)
	s.registerAreas(api)
	s.registerHistory(api)
	s.registerSystem(api)
	s.registerState(api)
	s.registerDeadLetters(api)
	s.registerSources(api)
	s.registerSourceMaps(api)
	refuseUnknownKeys(s.document) // Not of readings, which may have fields of their own.
	if o.Ingest != nil {
		documentIngest(s.document)
		s.mux.Handle(Prefix+"/readings", o.Ingest)
	}
	if err := describeSchemas(s.document); err != nil {
		return nil, err
	}
	if err := s.serveDocument(s.document); err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return guarded(s, o.AllowedOrigins)
}

// guarded refuses cross-origin requests of browsers unless they are safe, such as GET, or come from an allowed origin. Other
// clients send no origin and are not restricted. It returns an error if an allowed origin is malformed.
func guarded(next http.Handler, allowed []string) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range allowed {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allowed origins: %w", err)
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, huma.Error403Forbidden(fmt.Sprintf("pages of %s may not change anything here: if they are this server's own, add "+
			"the origin to websocket.allowed_origins", r.Header.Get("Origin"))))
	}))
	return protection.Handler(next), nil
}

// ServeHTTP dispatches a request. For an unknown path it answers with a problem instead of the plain text of http.ServeMux.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	var verdict verdict
	s.mux.ServeHTTP(&verdict, r)
	detail := "there is nothing at " + r.URL.Path
	if verdict.status == http.StatusMethodNotAllowed {
		header.Set("Allow", verdict.Header().Get("Allow"))
		detail = fmt.Sprintf("%s is not possible at %s", r.Method, r.URL.Path)
	}
	writeProblem(w, huma.NewError(verdict.status, detail))
}

// verdict is an http.ResponseWriter that keeps status and headers and discards the body.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header {
	if v.header == nil {
		v.header = http.Header{}
	}
	return v.header
}

func (v *verdict) WriteHeader(status int) { v.status = status }

func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }

// answer is a response whose body is T.
type answer[T any] struct{ Body T }

// list is one page of a listing.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
}
