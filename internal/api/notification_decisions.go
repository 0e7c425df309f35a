package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/retry"
)

type putRoutesInput struct {
	BasedOn
	Body struct {
		Routes  []notify.RouteSpec `json:"routes,omitempty" maxItems:"200" doc:"All routes, in the order in which they are tried."`
		Restore int64              `json:"restore,omitempty" minimum:"1" doc:"Instead of routes: the version whose routes are decided again."`
	}
}

func (s *server) putRoutes(ctx context.Context, in *putRoutesInput) (*routesAnswer, error) {
	routes := in.Body.Routes
	switch {
	case in.Body.Restore > 0 && routes != nil:
		return nil, entryProblem(iot.Invalid("routes", "must not be given together with restore"))
	case in.Body.Restore > 0:
		before, err := s.partOf(ctx, in.Body.Restore, routesPart)
		if err != nil {
			return nil, err
		}
		routes = before.(*notify.DecidedRoutes).Routes
	}
	p, err := s.decideNotifications(ctx, &in.BasedOn, "put", routesVersion, func(d *notify.Decided, next int64, p *planned) error {
		spelled := slices.Clone(routes)
		for i := range spelled {
			spelled[i].TimeZone = cmp.Or(spelled[i].TimeZone, p.TimeZone)
		}
		d.Routes = &notify.DecidedRoutes{Version: next, Routes: spelled}
		return notify.CheckNewRoutes("routes", spelled, s.namesOf(p, d))
	})
	if err != nil {
		return nil, err
	}
	return s.showRoutes(p)
}

// namesOf returns the names that routes which somebody decides may use.
func (s *server) namesOf(p *planned, d *notify.Decided) *notify.Names {
	names := p.setup.NamesOf(d)
	names.Types = s.o.Catalog.Types()
	return names
}

func (s *server) deleteRoutes(ctx context.Context, in *BasedOn) (*routesAnswer, error) {
	p, err := s.decideNotifications(ctx, in, "delete", routesVersion, func(d *notify.Decided, _ int64, _ *planned) error {
		d.Routes = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.showRoutes(p)
}

type putCalendarInput struct {
	CalendarInput
	BasedOn
	Body struct {
		Calendar *notify.CalendarSpec `json:"calendar,omitempty" doc:"The calendar. Its name is that of the address."`
		Restore  int64                `json:"restore,omitempty" minimum:"1" doc:"Instead of a calendar: the version that is decided again."`
	}
}

func (s *server) putCalendar(ctx context.Context, in *putCalendarInput) (*calendarAnswer, error) {
	spec := in.Body.Calendar
	switch {
	case in.Body.Restore > 0 && spec != nil:
		return nil, entryProblem(iot.Invalid("calendar", "must not be given together with restore"))
	case in.Body.Restore > 0:
		before, err := s.partOf(ctx, in.Body.Restore, calendarPart(in.Name))
		if err != nil {
			return nil, err
		}
		spec = &before.(*notify.DecidedCalendar).CalendarSpec
	case spec == nil:
		return nil, entryProblem(iot.Invalid("calendar", "missing: give the calendar, or restore"))
	case spec.Name != in.Name:
		return nil, entryProblem(iot.Invalid("calendar.name", "must be that of the address (got %s)", iot.Quote(spec.Name)))
	}
	p, err := s.decideNotifications(ctx, &in.BasedOn, "put", calendarVersion(in.Name), func(d *notify.Decided, next int64, p *planned) error {
		decided := *spec
		decided.TimeZone = cmp.Or(decided.TimeZone, p.TimeZone)
		*d = d.With(decided, next)
		return decided.Check("calendar.", p.setup.NamesOf(d))
	})
	if err != nil {
		return nil, err
	}
	return s.calendarOf(p, in.Name)
}

type deleteCalendarInput struct {
	CalendarInput
	BasedOn
}

// deletedCalendar is the answer to the deletion of a calendar.
type deletedCalendar struct {
	Name       string `json:"name"`
	Configured bool   `json:"configured" doc:"Whether a configured one of the name is in force again."`
	InForce    bool   `json:"in_force" doc:"Whether the program that sends the notifications goes by it."`
	Reason     string `json:"reason,omitempty" doc:"Why it does not, in words."`
	Code       string `json:"reason_code,omitempty" enum:"no_program,older_version,not_taken_over" doc:"Why it does not, as in the routes."`
	Version    int64  `json:"version" doc:"0: nothing is decided any more."`
}

type deletedCalendarAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Body   deletedCalendar
}

func (s *server) deleteCalendar(ctx context.Context, in *deleteCalendarInput) (*deletedCalendarAnswer, error) {
	p, err := s.decideNotifications(ctx, &in.BasedOn, "delete", calendarVersion(in.Name), func(d *notify.Decided, _ int64, p *planned) error {
		switch {
		case d.Calendar(in.Name) == nil && !p.configures(in.Name):
			return huma.Error404NotFound("there is no calendar " + iot.Quote(in.Name))
		case d.Calendar(in.Name) == nil:
			return nil // Nothing was decided, and the configured one is in force.
		}
		*d = d.Without(in.Name)
		if d.Routes != nil && notify.CheckRoutes("routes", d.Routes.Routes, p.setup.NamesOf(d)) != nil && !p.configures(in.Name) {
			return huma.Error409Conflict(fmt.Sprintf("routes name the calendar %s: change them first", iot.Quote(in.Name)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &deletedCalendarAnswer{p.statusOf(), etag(0), deletedCalendar{in.Name, p.configures(in.Name), p.reason == "", p.reason, p.code, 0}}, nil
}

// configures reports whether a calendar is configured.
func (p *planned) configures(name string) bool {
	return slices.ContainsFunc(p.setup.Calendars, func(c notify.CalendarSpec) bool { return c.Name == name })
}

// plannedPoll is how often a request asks whether its decision is in force.
const plannedPoll = 100 * time.Millisecond

// decideNotifications changes a part of what is decided, and returns once it is in force, or after inForceTimeout. The error is a problem.
func (s *server) decideNotifications(
	ctx context.Context, in *BasedOn, action string, version func(*notify.Decided) int64, to func(d *notify.Decided, next int64, p *planned) error,
) (*planned, error) {
	condition, err := (&EntryInput{IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch}).condition()
	if err != nil {
		return nil, err
	}
	condition.Entered = false // * is any: there always is something, if only what is configured.
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	p := &planned{}
	if err := s.readConfigured(ctx, p); err != nil {
		return nil, err
	}
	edit := control.NotificationsEdit{If: condition, PartVersion: version, To: func(current notify.Decided, next int64) (notify.Decided, error) {
		if action == "put" && in.IfMatch == "" && in.IfNoneMatch == "" && version(&current) > 0 {
			return current, errPrecondition
		}
		return current, to(&current, next, p)
	}}
	if p.decided, err = s.o.NotificationPlans.ChangeNotifications(ctx, edit, in.by(action)); err != nil {
		return nil, s.notificationsProblem(ctx, err)
	}
	s.decisionMade(ctx)
	waiting, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	for {
		if err := s.readConfigured(ctx, p); err != nil {
			return nil, err
		}
		if now := p.ConfiguredNotifications.Decided; now != nil && now.Version > p.decided.Version {
			p.reason, p.code = "", "" // Somebody has decided since, and that is in force.
		}
		if p.reason == "" || p.Origin.Program == "" || retry.Wait(waiting, plannedPoll) != nil {
			return p, nil
		}
	}
}

// notificationsProblem converts an error of ChangeNotifications to a problem.
func (s *server) notificationsProblem(ctx context.Context, err error) error {
	var changed *control.VersionError
	switch {
	case errors.As(err, &changed):
		return huma.ErrorWithHeaders(
			huma.Error412PreconditionFailed(fmt.Sprintf("it has another version, %d: read it again and decide anew", changed.Version)),
			http.Header{"ETag": {etag(changed.Version)}},
		)
	case errors.Is(err, errPrecondition):
		return huma.NewError(http.StatusPreconditionRequired, "people have decided about it already: send its ETag in If-Match, so that nobody's change is lost")
	}
	return s.decisionProblem(ctx, err)
}
