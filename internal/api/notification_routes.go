package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// NotificationPlans is where people decide who is notified of alerts. Its methods may be called concurrently; their errors are those of
// control.Registry.
type NotificationPlans interface {
	// Notifications returns what was decided last; without a version if nothing was.
	Notifications(ctx context.Context) (notify.Decided, error)
	// ChangeNotifications makes an edit, and returns what is decided then.
	ChangeNotifications(ctx context.Context, edit control.NotificationsEdit, by control.By) (notify.Decided, error)
	// Audit returns who has decided what, the newest first.
	Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error)
}

// registerRoutes registers the operations about routes and calendars.
func (s *server) registerRoutes(api huma.API) {
	tags := []string{"Notifications"}
	routesPath, calendarPath := Prefix+"/notifications/routes", Prefix+"/notifications/calendars/{name}"
	huma.Register(api, huma.Operation{
		OperationID: "list-notification-routes", Method: http.MethodGet, Path: routesPath, Tags: tags, Errors: []int{http.StatusServiceUnavailable},
		Summary: "List the routes and calendars",
		Description: "Who is notified of which alerts, in the order in which the routes are tried, and the calendars of who is on call: what people have decided, " +
			"or else what is configured. uncovered says whether there may be critical alerts that no route takes.",
	}, s.getRoutes)
	huma.Register(api, huma.Operation{
		OperationID: "try-notification-routes", Method: http.MethodPost, Path: Prefix + "/notifications/try", Tags: tags,
		Summary: "Ask who would be notified of an alert",
		Description: "Which routes would take an alert, who would be notified now, and by each step of escalation, if it stood alone and nobody acknowledged it. Nothing is sent. " +
			"With routes and calendars, by these instead of those in force.",
		Errors: []int{http.StatusServiceUnavailable}, MaxBodyBytes: 2 * notify.MaxDecided,
	}, s.tryRoutes)
	huma.Register(api, huma.Operation{
		OperationID: "try-notification-calendar", Method: http.MethodPost, Path: Prefix + "/notifications/calendars/try", Tags: tags,
		Summary: "Ask who would be on call", Description: "Who would be on call by a calendar for two weeks, and who is by the one of its name that is decided. Nothing changes.",
		Errors: []int{http.StatusServiceUnavailable}, MaxBodyBytes: 2 * notify.MaxDecided,
	}, s.tryCalendar)
	if s.o.NotificationPlans == nil {
		return
	}
	failures := []int{http.StatusServiceUnavailable}
	missing := append(slices.Clone(failures), http.StatusNotFound)
	changes := append(slices.Clone(failures), http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests)
	puts := append(slices.Clone(changes), http.StatusPreconditionRequired, http.StatusNotFound)
	responses := func() map[string]*huma.Response {
		return map[string]*huma.Response{"202": {Description: "Decided, and not in force yet; reason says why: the program that sends the notifications does not run, or is of an older version."}}
	}
	huma.Register(api, huma.Operation{
		OperationID: "put-notification-routes", Method: http.MethodPut, Path: routesPath, Tags: tags, Summary: "Replace the routes",
		Description: "All routes, in the order in which they are tried. They come into force while everything runs, for the alerts that stand, too, and before the configuration, " +
			"also after a restart, until they are deleted. Channels are configured: a route may only name those. An alert that stands stays with a route that keeps its name and " +
			"takes it; the other routes that take it notify of it as of a new one, and people who were notified by one that does not take it any more are notified when it is over. " +
			"To replace routes that people have decided, If-Match is required. The answer comes once they are in force.",
		Responses: responses(), Errors: puts, MaxBodyBytes: 2 * notify.MaxDecided,
	}, s.putRoutes)
	huma.Register(api, huma.Operation{
		OperationID: "delete-notification-routes", Method: http.MethodDelete, Path: routesPath, Tags: tags, Summary: "Notify by the configured routes again",
		Description: "Takes back what people have decided about the routes. The answer comes once the configured ones are in force.", Responses: responses(), Errors: changes,
	}, s.deleteRoutes)
	huma.Register(api, huma.Operation{
		OperationID: "list-notification-routes-versions", Method: http.MethodGet, Path: routesPath + "/versions", Tags: tags, Summary: "List what was decided about the routes",
		Description: "The newest first, at most 50, as long as control.audit_retention keeps them. PUT with restore decides one of them again.", Errors: failures,
	}, s.listRoutesVersions)
	huma.Register(api, huma.Operation{
		OperationID: "get-notification-calendar", Method: http.MethodGet, Path: calendarPath, Tags: tags, Summary: "Get a calendar",
		Description: "Who is on call: what people have decided, or else what is configured.", Errors: missing,
	}, s.getCalendar)
	huma.Register(api, huma.Operation{
		OperationID: "put-notification-calendar", Method: http.MethodPut, Path: calendarPath, Tags: tags, Summary: "Add or replace a calendar",
		Description: "It comes into force while everything runs, and before a configured one of the same name. To replace one that people have decided, If-Match is required. " +
			"The answer comes once it is in force.",
		Responses: responses(), Errors: puts, MaxBodyBytes: 2 * notify.MaxDecided,
	}, s.putCalendar)
	huma.Register(api, huma.Operation{
		OperationID: "delete-notification-calendar", Method: http.MethodDelete, Path: calendarPath, Tags: tags, Summary: "Delete a calendar that people have decided",
		Description: "A configured one of the same name is in force again. One that is not configured, and that routes name, is not deleted.", Responses: responses(),
		Errors: append(slices.Clone(changes), http.StatusNotFound),
	}, s.deleteCalendar)
	huma.Register(api, huma.Operation{
		OperationID: "list-notification-calendar-versions", Method: http.MethodGet, Path: calendarPath + "/versions", Tags: tags, Summary: "List what was decided about a calendar",
		Description: "The newest first, at most 50, as long as control.audit_retention keeps them. PUT with restore decides one of them again.", Errors: failures,
	}, s.listCalendarVersions)
}

// Decided says what is decided of routes or of a calendar, and whether it is in force. It is exported for the library.
type Decided struct {
	Version int64  `json:"version" doc:"That of the last decision; If-Match takes it in quotes. 0 if nobody has decided anything."`
	From    string `json:"decided_by" enum:"configuration,people" doc:"Whether it is configured, or what people have decided instead."`
	InForce bool   `json:"in_force" doc:"Whether the program that sends the notifications goes by what is decided."`
	Reason  string `json:"reason,omitempty" doc:"Why it does not, in words."`
	Code    string `json:"reason_code,omitempty" enum:"no_program,older_version,not_taken_over" doc:"Why it does not: no_program: none has sent notifications yet. older_version: the program of origin goes by its configuration alone. not_taken_over: that program has not taken it over yet, and may not be running."`
}

// notificationRoutes is the answer with routes and calendars.
type notificationRoutes struct {
	Items []notify.RouteSpec `json:"items" nullable:"false" doc:"The routes, in the order in which they are tried."`
	Decided
	Configured []notify.RouteSpec  `json:"configured_routes,omitempty" doc:"What is configured, if people have decided otherwise: a deletion goes back to these."`
	Calendars  []shownCalendar     `json:"calendars" nullable:"false" doc:"The calendars."`
	Origin     *NotificationOrigin `json:"origin,omitempty" doc:"Whose configuration it is; absent if no process sends notifications."`
	TimeZone   string              `json:"time_zone,omitempty" doc:"The configured time zone."`
	Decidable  bool                `json:"decidable" doc:"Whether people can decide here."`
	Missing    []string            `json:"missing,omitempty" doc:"What is decided names these, and the configuration does not have them any more: they are left out."`
	Uncovered  *uncovered          `json:"uncovered,omitempty" doc:"Critical alerts that no route takes; absent if there are none."`
}

// uncovered is which alerts no route takes.
type uncovered struct {
	Types []iot.DeviceType `json:"types,omitempty" doc:"Of which device types; absent if of all."`
	From  time.Time        `json:"from" doc:"From when on in the week to come, for the first time. Of alerts that a route selects by area, rule, label or tenant, others may be taken."`
}

// shownCalendar is a calendar with who is on call.
type shownCalendar struct {
	notify.CalendarSpec
	Decided
	Configured bool     `json:"configured" doc:"Whether one of this name is configured, to which a deletion goes back."`
	OnCall     []onCall `json:"next" nullable:"false" doc:"Who is on call from now on, for two weeks."`
}

// planned is what is configured, and what is decided.
type planned struct {
	*ConfiguredNotifications
	setup   notify.Setup
	decided notify.Decided
	// reason is why what is decided is not in force, and code the same for programs; empty if it is.
	reason, code string
}

// planned returns what is configured and decided. The error is a problem.
func (s *server) planned(ctx context.Context) (*planned, error) {
	p := &planned{}
	if s.o.NotificationPlans != nil {
		var err error
		if p.decided, err = s.o.NotificationPlans.Notifications(ctx); err != nil {
			return nil, s.decisionProblem(ctx, err)
		}
	}
	return p, s.readConfigured(ctx, p)
}

// readConfigured reads what is configured, and what of the decision is in force.
func (s *server) readConfigured(ctx context.Context, p *planned) (err error) {
	if p.ConfiguredNotifications, err = s.configuredNotifications(ctx); err != nil {
		return err
	}
	p.setup = notify.Setup{Recipients: make(map[string][]string), Routes: p.Routes, Calendars: p.Calendars}
	for i := range p.Channels {
		p.setup.Recipients[p.Channels[i].Name] = p.Channels[i].Recipients
	}
	if p.Configured != nil {
		p.setup.Routes, p.setup.Calendars = p.Configured.Routes, p.Configured.Calendars
	}
	p.code, p.reason = p.waits()
	return nil
}

// waits returns why what is decided is not in force, for programs and in words; empty if it is.
func (p *planned) waits() (code, reason string) {
	who := p.Origin.Program
	if p.Origin.Host != "" {
		who += " on " + p.Origin.Host
	}
	switch {
	case p.decided.Version == 0 || p.ConfiguredNotifications.Decided != nil && p.ConfiguredNotifications.Decided.Version == p.decided.Version:
		return "", ""
	case p.Origin.Program == "":
		return "no_program", "no program has sent notifications yet: channels are configured in iotmon, or in the consumer"
	case p.Configured == nil:
		return "older_version", fmt.Sprintf("the program that sends the notifications, %s, is of an older version, which goes by its configuration alone: update it", who)
	}
	return "not_taken_over", fmt.Sprintf("the program that sends the notifications, %s, has not taken it over yet: it may not be running", who)
}

// shown returns what is decided of a part with a version.
func (p *planned) shown(version int64) Decided {
	d := Decided{Version: version, From: "people", InForce: p.reason == "", Reason: p.reason, Code: p.code}
	if version == 0 {
		d.From = "configuration"
	}
	return d
}

func routesVersion(d *notify.Decided) int64 {
	if d.Routes == nil {
		return 0
	}
	return d.Routes.Version
}

func calendarVersion(name string) func(*notify.Decided) int64 {
	return func(d *notify.Decided) int64 {
		if c := d.Calendar(name); c != nil {
			return c.Version
		}
		return 0
	}
}

// routesAnswer is the answer with routes.
type routesAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Body   notificationRoutes
}

// calendarAnswer is the answer with a calendar.
type calendarAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Body   shownCalendar
}

// statusOf is the status of the answer with what is decided.
func (p *planned) statusOf() int {
	if p.reason != "" {
		return http.StatusAccepted
	}
	return http.StatusOK
}

func (s *server) getRoutes(ctx context.Context, _ *struct{}) (*routesAnswer, error) {
	p, err := s.planned(ctx)
	if err != nil {
		return nil, err
	}
	out, err := s.showRoutes(p)
	if out != nil {
		out.Status = http.StatusOK
	}
	return out, err
}

func (s *server) showRoutes(p *planned) (*routesAnswer, error) {
	version := routesVersion(&p.decided)
	out := &routesAnswer{Status: p.statusOf(), ETag: etag(version), Body: notificationRoutes{
		Items: notNil(p.setup.RoutesOf(&p.decided)), Decided: p.shown(version), Calendars: []shownCalendar{}, TimeZone: p.TimeZone,
		Decidable: s.o.NotificationPlans != nil && len(p.Channels) > 0,
	}}
	if version > 0 {
		out.Body.Configured = p.setup.Routes
	}
	if p.Origin.Program != "" {
		out.Body.Origin = &p.Origin
	}
	if p.ConfiguredNotifications.Decided != nil {
		out.Body.Missing = p.ConfiguredNotifications.Decided.Missing
	}
	for _, spec := range p.setup.CalendarsOf(&p.decided) {
		shown, err := s.showCalendar(p, &spec)
		if err != nil {
			return nil, err
		}
		out.Body.Calendars = append(out.Body.Calendars, *shown)
	}
	plan, _, err := p.setup.Plan(&p.decided)
	if err != nil {
		return nil, fmt.Errorf("what is configured: %w", err)
	}
	var types []iot.DeviceType
	for _, spec := range s.o.Catalog.Specs() {
		types = append(types, spec.Name)
	}
	if gap := plan.Gap(iot.Critical, types, s.o.Now()); gap != nil && len(p.Channels) > 0 {
		out.Body.Uncovered = &uncovered{gap.Types, gap.From.UTC()}
	}
	return out, nil
}

func (s *server) showCalendar(p *planned, spec *notify.CalendarSpec) (*shownCalendar, error) {
	turns, err := turns(spec, s.o.Now())
	if err != nil {
		return nil, fmt.Errorf("what is configured: calendar %s: %w", spec.Name, err)
	}
	return &shownCalendar{
		CalendarSpec: *spec, Decided: p.shown(calendarVersion(spec.Name)(&p.decided)), OnCall: turns,
		Configured: p.configures(spec.Name),
	}, nil
}

// calendarOf returns the answer with a calendar; its error is a problem.
func (s *server) calendarOf(p *planned, name string) (*calendarAnswer, error) {
	for _, spec := range p.setup.CalendarsOf(&p.decided) {
		if spec.Name != name {
			continue
		}
		shown, err := s.showCalendar(p, &spec)
		if err != nil {
			return nil, err
		}
		return &calendarAnswer{p.statusOf(), etag(shown.Version), *shown}, nil
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("there is no calendar %s", iot.Quote(name)))
}

// CalendarInput names a calendar. It is exported for the library.
type CalendarInput struct {
	Name string `path:"name" doc:"The calendar's name." example:"electricians" maxLength:"63"`
}

// BasedOn says on which version a change is based. It is exported for the library.
type BasedOn struct {
	IfMatch     string `header:"If-Match" doc:"The ETag that the change is based on; * for any."`
	IfNoneMatch string `header:"If-None-Match" doc:"* if nobody may have decided anything yet."`
	Why
}

func (s *server) getCalendar(ctx context.Context, in *CalendarInput) (*calendarAnswer, error) {
	p, err := s.planned(ctx)
	if err != nil {
		return nil, err
	}
	out, err := s.calendarOf(p, in.Name)
	if out != nil {
		out.Status = http.StatusOK
	}
	return out, err
}
