package notify

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Match selects alerts. An empty part selects all.
type Match struct {
	Severities []iot.Severity
	// Areas select what lies within them.
	Areas   []iot.Area
	Types   []iot.DeviceType
	Rules   []string
	Tenants []iot.Tenant
	// Labels must all be in the registry's entry of the device.
	Labels map[string]string
	// Times are when the alert comes.
	Times Times
}

// matches reports whether an alert that comes now is selected. labels are those of its device; known is false if they could not be read:
// then they are not looked at, because a message too many is better than one too few.
func (m *Match) matches(a *Alert, labels map[string]string, known bool, now time.Time) bool {
	if known {
		for name, value := range m.Labels {
			if labels[name] != value {
				return false
			}
		}
	}
	return one(m.Severities, a.Severity) && one(m.Types, a.DeviceType) && one(m.Rules, a.Rule) && one(m.Tenants, a.Tenant) &&
		(len(m.Areas) == 0 || slices.ContainsFunc(m.Areas, a.Area.Within)) && m.Times.In(now)
}

func one[T comparable](allowed []T, value T) bool {
	return len(allowed) == 0 || slices.Contains(allowed, value)
}

// GroupBy is a part of the Key by which a route groups alerts. Tenant and severity always are.
type GroupBy string

// The parts of a Key.
const (
	ByRule GroupBy = "rule"
	// ByArea groups by the first level of the area, ByWholeArea by all of it.
	ByArea      GroupBy = "area"
	ByWholeArea GroupBy = "whole_area"
	ByType      GroupBy = "type"
	ByDevice    GroupBy = "device"
)

// Route is who is notified of the alerts that it matches.
type Route struct {
	Name  string
	Match Match
	// Continue has the routes behind it matched, too.
	Continue bool
	// Channels are notified, and those on call by the calendars of OnCall.
	Channels, OnCall []string
	GroupBy          []GroupBy
	// Wait is how long the first alert of a group waits for others; Interval is the least time between two messages about one group, but for
	// escalations. Repeat is how often a message is repeated while nobody acknowledges; 0 means never.
	Wait, Interval, Repeat time.Duration
	Escalate               []Step
	// Quiet are the times at which only critical alerts are notified. Others wait for their end. Nil means that there are none.
	Quiet *Times
}

// Step is a step of escalation: who else is notified if an alert has not been acknowledged that long after it was notified.
type Step struct {
	After            time.Duration
	Channels, OnCall []string
}

// key returns the key of the group that an alert belongs to.
func (r *Route) key(a *Alert) Key {
	key := Key{Tenant: a.Tenant, Severity: a.Severity}
	for _, by := range r.GroupBy {
		switch by {
		case ByRule:
			key.Rule = a.Rule
		case ByArea:
			key.Area = a.Area.First()
		case ByWholeArea:
			key.Area = a.Area
		case ByType:
			key.DeviceType = a.DeviceType
		case ByDevice:
			key.Device = a.Device
		}
	}
	return key
}

// quietUntil returns when a group may be notified: now, or for one that is not critical the end of the quiet hours.
func (r *Route) quietUntil(severity iot.Severity, now time.Time) time.Time {
	if severity == iot.Critical || r.Quiet == nil || len(r.Quiet.Spans) == 0 {
		return now
	}
	return r.Quiet.End(now)
}

// Plan is what is configured: who is notified of what.
type Plan struct {
	// Routes are tried in their order; the first that matches holds, and those behind it only if it continues.
	Routes []Route
	// Recipients are those of every channel; a channel without any has one target.
	Recipients map[string][]string
	Calendars  map[string]*Calendar
}

// NeedsLabels reports whether a route selects by label.
func (p *Plan) NeedsLabels() bool {
	return slices.ContainsFunc(p.Routes, func(r Route) bool { return len(r.Match.Labels) > 0 })
}

// match returns the routes of an alert.
func (p *Plan) match(a *Alert, labels map[string]string, known bool, now time.Time) []*Route {
	var found []*Route
	for i := range p.Routes {
		if r := &p.Routes[i]; r.Match.matches(a, labels, known, now) {
			if found = append(found, r); !r.Continue {
				break
			}
		}
	}
	return found
}

func (p *Plan) route(name string) *Route {
	for i := range p.Routes {
		if p.Routes[i].Name == name {
			return &p.Routes[i]
		}
	}
	return nil
}

// targets returns whom the channels and calendars mean now, each once, in order.
func (p *Plan) targets(channels, onCall []string, now time.Time) []Target {
	all := slices.Clone(channels)
	for _, name := range onCall {
		if calendar := p.Calendars[name]; calendar != nil {
			all = append(all, calendar.OnCall(now)...)
		}
	}
	var targets []Target
	for _, channel := range all {
		recipients, known := p.Recipients[channel]
		if !known {
			continue
		}
		if len(recipients) == 0 {
			targets = append(targets, Target{Channel: channel})
		}
		for _, recipient := range recipients {
			targets = append(targets, Target{channel, recipient})
		}
	}
	slices.SortFunc(targets, Target.Compare)
	return slices.Compact(targets)
}

// notified returns whom a route notifies after some steps of escalation.
func (p *Plan) notified(r *Route, steps int, now time.Time) []Target {
	channels, onCall := slices.Clone(r.Channels), slices.Clone(r.OnCall)
	for _, step := range r.Escalate[:min(steps, len(r.Escalate))] {
		channels, onCall = append(channels, step.Channels...), append(onCall, step.OnCall...)
	}
	return p.targets(channels, onCall, now)
}
