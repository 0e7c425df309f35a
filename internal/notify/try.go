package notify

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Tried is what a route would do about an alert.
type Tried struct {
	Route *Route
	// Notified are those who would be notified now, or at the end of the quiet hours, which is From.
	Notified []Target
	From     time.Time
	// Steps are those who would be notified as well by each step of escalation, by the calendars of then, if nobody acknowledged.
	Steps []TriedStep
}

// TriedStep is what a step of escalation would do.
type TriedStep struct {
	At       time.Time
	Notified []Target
}

// Try returns what the routes would do about an alert that comes at a time and stands alone, with the labels of its device.
func (p *Plan) Try(a *Alert, labels map[string]string, at time.Time) []Tried {
	var tried []Tried
	for _, r := range p.match(a, labels, true, at) {
		from := r.quietUntil(a.Severity, at.Add(r.Wait))
		t := Tried{Route: r, Notified: p.notified(r, 0, from), From: from}
		for i := range r.Escalate {
			due := r.quietUntil(a.Severity, from.Add(r.Escalate[i].After))
			t.Steps = append(t.Steps, TriedStep{due, p.notified(r, i+1, due)})
		}
		tried = append(tried, t)
	}
	return tried
}

// Gap is which alerts no route takes.
type Gap struct {
	// Types are the device types that are concerned; nil if all are.
	Types []iot.DeviceType
	// From is the first time in the week from now on at which it is so.
	From time.Time
}

// Gap returns whether there may be alerts of a severity that no route takes; nil if there are none. types are all device types. A route that selects by area,
// rule, label or tenant does not take the alerts of others, so it does not help.
func (p *Plan) Gap(severity iot.Severity, types []iot.DeviceType, now time.Time) *Gap {
	var gap Gap
	for _, name := range types {
		var times []*Times
		for i := range p.Routes {
			if m := &p.Routes[i].Match; one(m.Severities, severity) && one(m.Types, name) && one(m.Tenants, "") && len(m.Areas)+len(m.Rules)+len(m.Labels) == 0 {
				times = append(times, &m.Times)
			}
		}
		if from, any := firstOutside(times, now); any {
			if gap.Types = append(gap.Types, name); gap.From.IsZero() || from.Before(gap.From) {
				gap.From = from
			}
		}
	}
	switch {
	case len(gap.Types) == 0:
		return nil
	case len(gap.Types) == len(types):
		gap.Types = nil
	}
	return &gap
}

// firstOutside returns the first time in a week from now on that is in none of the times.
func firstOutside(times []*Times, now time.Time) (at time.Time, any bool) {
	// What is outside begins now, at the end of a span, or where the clocks are set.
	candidates := []time.Time{now}
	for _, t := range times {
		if len(t.Spans) == 0 {
			return at, false
		}
		for day := range 8 {
			midnight := now.In(t.Zone).AddDate(0, 0, day)
			for i := range t.Spans {
				candidates = append(candidates, time.Date(midnight.Year(), midnight.Month(), midnight.Day(), 0, int(t.Spans[i].To/time.Minute), 0, 0, t.Zone))
			}
		}
		if _, set := now.In(t.Zone).ZoneBounds(); !set.IsZero() {
			candidates = append(candidates, set)
		}
	}
	slices.SortFunc(candidates, time.Time.Compare)
	for _, at := range candidates {
		outside := !slices.ContainsFunc(times, func(t *Times) bool { return t.In(at) })
		if outside && !at.Before(now) && at.Before(now.AddDate(0, 0, 7)) {
			return at, true
		}
	}
	return at, false
}
