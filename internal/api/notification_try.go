package api

import (
	"cmp"
	"context"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

type tryRoutesInput struct {
	Body struct {
		Severity  string                `json:"severity" enum:"info,warning,critical" doc:"That of the alert."`
		Device    iot.DeviceID          `json:"device_id,omitempty" maxLength:"128" doc:"The device. Its type, area and labels are those that are known, but for what is given."`
		Type      iot.DeviceType        `json:"device_type,omitempty" maxLength:"63" doc:"The type of the device."`
		Area      iot.Area              `json:"area,omitempty" maxLength:"1024" doc:"The area of the device."`
		Labels    map[string]string     `json:"labels,omitempty" doc:"The labels of the device."`
		Rule      string                `json:"alert_type,omitempty" maxLength:"128" doc:"The rule."`
		At        time.Time             `json:"at,omitzero" doc:"When the alert comes; now if absent."`
		Routes    []notify.RouteSpec    `json:"routes,omitempty" maxItems:"200" doc:"Routes to try, instead of those that are decided."`
		Calendars []notify.CalendarSpec `json:"calendars,omitempty" maxItems:"50" doc:"Calendars to try. They come before those in force that have the same name."`
	}
}

// triedRoutes is who would be notified of an alert.
type triedRoutes struct {
	At     time.Time         `json:"at" doc:"When the alert would come."`
	Device iot.DeviceID      `json:"device_id,omitempty"`
	Type   iot.DeviceType    `json:"device_type,omitempty" doc:"The type by which it was tried."`
	Area   iot.Area          `json:"area,omitempty" doc:"The area by which it was tried."`
	Labels map[string]string `json:"labels,omitempty" doc:"The labels by which it was tried."`
	Routes []triedRoute      `json:"routes" nullable:"false" doc:"The routes that would take it, in their order; without any nobody would be notified."`
}

// triedRoute is what one route would do.
type triedRoute struct {
	Route    string          `json:"route" doc:"The name."`
	At       time.Time       `json:"at" doc:"When it would notify: after its wait, and after the quiet hours if the alert is not critical."`
	Notified []notify.Target `json:"notified" nullable:"false" doc:"Who would be notified."`
	Steps    []triedStep     `json:"escalate" nullable:"false" doc:"Who would be notified if nobody acknowledged."`
}

// triedStep is what a step of escalation would do.
type triedStep struct {
	At       time.Time       `json:"at" doc:"When."`
	Notified []notify.Target `json:"notified" nullable:"false" doc:"Who would be notified, by the calendars of then."`
}

func (s *server) tryRoutes(ctx context.Context, in *tryRoutesInput) (*answer[triedRoutes], error) {
	p, err := s.planned(ctx)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	canonicalName(&b.Type)
	canonicalName(&b.Rule)
	decided := p.decided
	for i := range b.Calendars {
		spec := b.Calendars[i]
		spec.TimeZone = cmp.Or(spec.TimeZone, p.TimeZone)
		decided = decided.With(spec, 1)
	}
	names := s.namesOf(p, &decided)
	for i := range b.Calendars {
		if err := decided.Calendar(b.Calendars[i].Name).Check("calendars."+b.Calendars[i].Name+".", names); err != nil {
			return nil, entryProblem(err)
		}
	}
	if b.Routes != nil {
		for i := range b.Routes {
			b.Routes[i].TimeZone = cmp.Or(b.Routes[i].TimeZone, p.TimeZone)
		}
		if err := notify.CheckNewRoutes("routes", b.Routes, names); err != nil {
			return nil, entryProblem(err)
		}
		decided.Routes = &notify.DecidedRoutes{Version: 1, Routes: b.Routes}
	}
	plan, _, err := p.setup.Plan(&decided)
	if err != nil {
		return nil, err
	}
	out := triedRoutes{At: b.At, Device: b.Device.Canonical(), Type: b.Type, Area: b.Area.Canonical(), Labels: b.Labels, Routes: []triedRoute{}}
	if out.At.IsZero() {
		out.At = s.o.Now()
	}
	s.fillIn(&out)
	alert := notify.Alert{Rule: b.Rule, Device: out.Device, DeviceType: out.Type, Severity: iot.Severity(b.Severity), Area: out.Area, Onset: out.At}
	for _, t := range plan.Try(&alert, out.Labels, out.At) {
		shown := triedRoute{Route: t.Route.Name, At: t.From.UTC(), Notified: notNil(t.Notified), Steps: []triedStep{}}
		for _, step := range t.Steps {
			shown.Steps = append(shown.Steps, triedStep{step.At.UTC(), notNil(step.Notified)})
		}
		out.Routes = append(out.Routes, shown)
	}
	return &answer[triedRoutes]{out}, nil
}

// fillIn adds what is known of the device and was not given.
func (s *server) fillIn(t *triedRoutes) {
	if t.Device == "" {
		return
	}
	if state, known := s.o.Fleet.Device(t.Device); known {
		t.Type = cmp.Or(t.Type, state.Latest.Type)
		t.Area = cmp.Or(t.Area, state.Area, state.Latest.Location.Area())
	}
	if s.o.Entries == nil {
		return
	}
	if entry := s.o.Entries.Device(iot.Identity{ID: t.Device}); entry != nil {
		t.Area = cmp.Or(t.Area, entry.Area)
		if t.Labels == nil {
			t.Labels = entry.Labels
		}
	}
}

type tryCalendarInput struct {
	Body struct {
		Calendar notify.CalendarSpec `json:"calendar" doc:"The calendar."`
		From     time.Time           `json:"from,omitzero" doc:"From when on; now if absent."`
	}
}

// triedCalendar is who would be on call.
type triedCalendar struct {
	Next    []onCall `json:"next" nullable:"false" doc:"Who would be on call, for two weeks."`
	InForce []onCall `json:"in_force,omitempty" doc:"Who is, by the calendar of the name that there is; absent if there is none."`
}

func (s *server) tryCalendar(ctx context.Context, in *tryCalendarInput) (*answer[triedCalendar], error) {
	p, err := s.planned(ctx)
	if err != nil {
		return nil, err
	}
	from := in.Body.From
	if from.IsZero() {
		from = s.o.Now()
	}
	if year := from.Year(); year < 2000 || year > 2200 {
		return nil, entryProblem(iot.Invalid("from", "must be in the years from 2000 to 2200 (got %s)", from.Format(time.RFC3339)))
	}
	spec := in.Body.Calendar
	spec.TimeZone = cmp.Or(spec.TimeZone, p.TimeZone)
	if err := spec.Check("calendar.", p.setup.NamesOf(&p.decided)); err != nil {
		return nil, entryProblem(err)
	}
	out := triedCalendar{}
	if out.Next, err = turns(&spec, from); err != nil {
		return nil, err
	}
	for _, present := range p.setup.CalendarsOf(&p.decided) {
		if present.Name == spec.Name {
			if out.InForce, err = turns(&present, from); err != nil {
				return nil, err
			}
		}
	}
	return &answer[triedCalendar]{out}, nil
}
