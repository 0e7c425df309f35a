package notify

import (
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// goneInterval is the least time between two messages about a group whose route is gone.
const goneInterval = time.Minute

// Replan puts a plan in force, also for the alerts that stand. Each is routed as if it had come under the plan at the time when it came. With a route
// that had taken it before, it stays in its group, whatever else of the route has changed: nobody is notified of it twice, and an escalation goes
// on. The other routes that take it are new to it. Those that had taken it and do not any more are out of it: people whom they have notified are notified
// when the alert is over, and of nothing else. Replan with the plan that is in force changes nothing.
//
// labels are those of the devices; known is false if they could not be read.
func (p *Planner) Replan(plan *Plan, labels map[iot.Identity]map[string]string, known bool, now time.Time) {
	p.plan = plan
	for _, id := range slices.Sorted(maps.Keys(p.alerts)) {
		if t := p.alerts[id]; t.Over == nil {
			p.reroute(t, labels[iot.Identity{Tenant: t.Tenant, ID: t.Device}], known, now)
		}
	}
	for _, g := range p.groups {
		g.next = time.Time{}
		p.dirty[g] = true
	}
}

// Devices returns the devices of the alerts that stand, for Replan.
func (p *Planner) Devices() []iot.Identity {
	devices := make(map[iot.Identity]struct{})
	for _, t := range p.alerts {
		if t.Over == nil {
			devices[iot.Identity{Tenant: t.Tenant, ID: t.Device}] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(devices))
}

// reroute routes an alert that stands.
func (p *Planner) reroute(t *Tracked, labels map[string]string, known bool, now time.Time) {
	routes := p.plan.match(&t.Alert, labels, known, t.came(now))
	member := make(map[string]bool)
	for id, m := range t.Groups {
		g := p.groups[id]
		taken := slices.ContainsFunc(routes, func(r *Route) bool { return r.Name == g.Route })
		member[g.Route] = member[g.Route] || taken
		if m.Released == !taken {
			continue
		}
		p.changedAlerts[t.ID] = true
		if taken || m.notified(g) {
			m.Released = !taken
			t.Groups[id] = m
			continue
		}
		delete(t.Groups, id)
		delete(g.members, t.ID)
		p.changedGroups[id] = true
	}
	for _, r := range routes {
		if !member[r.Name] {
			p.enter(t, r, false, now)
		}
	}
}

// routeOf returns the route of a group. One that is gone notifies only those who were notified before.
func (p *Planner) routeOf(g *Group) *Route {
	if r := p.plan.route(g.Route); r != nil {
		return r
	}
	return &Route{Name: g.Route, Interval: goneInterval}
}
