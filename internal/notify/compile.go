package notify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// wallTime is how times by the clock on the wall are written.
const wallTime = "2006-01-02T15:04"

var (
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	groupBys = []string{string(ByRule), string(ByArea), string(ByWholeArea), string(ByType), string(ByDevice)}
)

// Location returns a time zone by its name. That of the machine has none: who reads it may be on another machine. The error is an *iot.InvalidError.
func Location(field, name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, iot.Invalid(field, "unknown: a name such as Asia/Shanghai, Europe/Berlin or UTC is needed (got %s)", iot.Quote(name))
	}
	return zone, nil
}

// moment reads a time by the clock on the wall.
func moment(field, text string, zone *time.Location) (time.Time, error) {
	at, err := time.ParseInLocation(wallTime, text, zone)
	if err != nil {
		return at, iot.Invalid(field, "not a time such as 2026-12-24T06:00 (got %s)", iot.Quote(text))
	}
	return at, nil
}

// clock reads a time of day, hh:mm up to 24:00.
func clock(field, text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, iot.Invalid(field, "not a time of day such as 06:00 (got %s)", iot.Quote(text))
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, nil
}

// Span returns what is written. field is its place. The error is an *iot.InvalidError.
func (s *SpanSpec) Span(field string) (span Span, err error) {
	for i, name := range s.Days {
		day := slices.Index(weekdays, name)
		if day < 0 {
			return span, iot.Invalid(fmt.Sprintf("%sdays[%d]", field, i), "must be one of %s (got %s)", strings.Join(weekdays, ", "), iot.Quote(name))
		}
		span.Days = append(span.Days, time.Weekday(day))
	}
	if span.From, err = clock(field+"from", s.From); err != nil {
		return span, err
	}
	span.To, err = clock(field+"to", s.To)
	return span, err
}

// newTimes returns spans that are written. The error is an *iot.InvalidError.
func newTimes(field string, specs []SpanSpec, zone *time.Location) (Times, error) {
	times := Times{Zone: zone}
	for i := range specs {
		span, err := specs[i].Span(fmt.Sprintf("%s[%d].", field, i))
		if err != nil {
			return times, err
		}
		times.Spans = append(times.Spans, span)
	}
	return times, nil
}

// Calendar returns what is written. field is its place, empty or with a dot at its end. The error is an *iot.InvalidError. Names of channels are not
// looked at.
func (c *CalendarSpec) Calendar(field string) (*Calendar, error) {
	zone, err := Location(field+"time_zone", c.TimeZone)
	if err != nil {
		return nil, err
	}
	calendar := &Calendar{Zone: zone, Otherwise: c.Otherwise}
	for i := range c.Overrides {
		o, at := &c.Overrides[i], fmt.Sprintf("%soverrides[%d].", field, i)
		override := Override{Channels: o.Channels}
		if override.From, err = moment(at+"from", o.From, zone); err != nil {
			return nil, err
		}
		if override.Until, err = moment(at+"until", o.Until, zone); err != nil {
			return nil, err
		}
		if !override.Until.After(override.From) {
			return nil, iot.Invalid(at+"until", "must be after from (got %s)", iot.Quote(o.Until))
		}
		calendar.Overrides = append(calendar.Overrides, override)
	}
	for i := range c.Shifts {
		span, err := c.Shifts[i].Span(fmt.Sprintf("%sshifts[%d].", field, i))
		if err != nil {
			return nil, err
		}
		calendar.Shifts = append(calendar.Shifts, Shift{Span: span, Channels: c.Shifts[i].Channels})
	}
	if r := c.Rotation; r != nil {
		start, err := moment(field+"rotation.start", r.Start, zone)
		if err != nil {
			return nil, err
		}
		calendar.Rotation = &Rotation{Start: start, Days: r.Days, Channels: r.Channels}
	}
	return calendar, nil
}

// seconds returns a number of seconds as a duration. The error is an *iot.InvalidError.
func seconds(field string, s, least, most float64) (time.Duration, error) {
	if math.IsNaN(s) || s < least || s > most {
		return 0, iot.Invalid(field, "must be from %v to %v (got %v)", least, most, s)
	}
	return time.Duration(s * float64(time.Second)), nil
}

// The limits of what is written, in seconds.
const (
	hour, day      = 3600, 24 * 3600
	longestRepeat  = 30 * day
	shortestRepeat = 60
	longestStep    = 7 * day
	maxSteps       = 10
)

// Route returns what is written. field is its place, empty or with a dot at its end. The error is an *iot.InvalidError. Names of channels and
// calendars are not looked at.
func (r *RouteSpec) Route(field string) (Route, error) {
	route := Route{Name: r.Name, Continue: r.Continue, Channels: r.Channels, OnCall: r.OnCall, Match: Match{Rules: r.Rules, Labels: r.Labels}}
	if err := r.selection(field, &route.Match); err != nil {
		return route, err
	}
	zone, err := Location(field+"time_zone", r.TimeZone)
	if err != nil {
		return route, err
	}
	if route.Match.Times, err = newTimes(field+"times", r.Times, zone); err != nil {
		return route, err
	}
	quiet, err := newTimes(field+"quiet", r.Quiet, zone)
	if err != nil {
		return route, err
	}
	if _, whole := WholeWeek(quiet.Spans); !whole { // Those of a whole week would keep back for ever; a version before this one has taken them.
		route.Quiet = &quiet
	}
	for i, by := range r.GroupBy {
		if !slices.Contains(groupBys, string(by)) {
			return route, iot.Invalid(fmt.Sprintf("%sgroup_by[%d]", field, i), "must be one of %s (got %s)", strings.Join(groupBys, ", "), iot.Quote(by))
		}
		route.GroupBy = append(route.GroupBy, GroupBy(by))
	}
	if route.Wait, err = seconds(field+"wait_seconds", r.WaitSeconds, 0, hour); err != nil {
		return route, err
	}
	if route.Interval, err = seconds(field+"interval_seconds", r.IntervalSeconds, 1, day); err != nil {
		return route, err
	}
	if r.RepeatSeconds != 0 {
		if route.Repeat, err = seconds(field+"repeat_seconds", r.RepeatSeconds, shortestRepeat, longestRepeat); err != nil {
			return route, err
		}
	}
	route.Escalate, err = r.steps(field)
	return route, err
}

// selection adds which alerts are selected.
func (r *RouteSpec) selection(field string, m *Match) error {
	for i, severity := range r.Severities {
		if iot.Severity(severity).Rank() < 0 {
			return iot.Invalid(fmt.Sprintf("%sseverities[%d]", field, i), "must be info, warning or critical (got %s)", iot.Quote(severity))
		}
		m.Severities = append(m.Severities, iot.Severity(severity))
	}
	for _, area := range r.Areas {
		m.Areas = append(m.Areas, iot.Area(area).Canonical())
	}
	for _, name := range r.Types {
		m.Types = append(m.Types, iot.DeviceType(name))
	}
	for _, tenant := range r.Tenants {
		m.Tenants = append(m.Tenants, iot.Tenant(tenant))
	}
	return nil
}

// steps returns the escalation, which ends: its steps are later and later, and not too many.
func (r *RouteSpec) steps(field string) (steps []Step, err error) {
	if len(r.Escalate) > maxSteps {
		return nil, iot.Invalid(field+"escalate", "more than %d steps (got %d)", maxSteps, len(r.Escalate))
	}
	before := 0.0
	for i := range r.Escalate {
		s, at := &r.Escalate[i], fmt.Sprintf("%sescalate[%d].", field, i)
		after, err := seconds(at+"after_seconds", s.AfterSeconds, before, longestStep)
		if err != nil {
			return nil, err
		}
		if s.AfterSeconds <= before {
			return nil, iot.Invalid(at+"after_seconds", "must be more than %v (got %v)", before, s.AfterSeconds)
		}
		before = s.AfterSeconds
		steps = append(steps, Step{After: after, Channels: s.Channels, OnCall: s.OnCall})
	}
	return steps, nil
}
