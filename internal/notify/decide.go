package notify

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

const (
	// mergeAfter is for how long messages of one target may wait before they are merged into a digest, mergeMany how many may wait.
	mergeAfter = 10 * time.Minute
	mergeMany  = 50
	// never is the next time of a group of which there is nothing to notify until one of its alerts changes.
	never = 100 * 365 * 24 * time.Hour
)

// Decide returns the deliveries of what is due now. waiting are those that have not been sent and are not being tried. What would be a storm is
// merged: decided contains a digest, and merged the ids of the waiting deliveries that it replaces. stopped is since when nothing was decided,
// if that was an outage; else it is zero.
func (p *Planner) Decide(now, stopped time.Time, waiting []Delivery) (decided []Delivery, merged []string) {
	passed := make(map[Target][]View)
	for g := range p.groupsAt(now) {
		delete(p.dirty, g)
		r := p.routeOf(g)
		c := g.count()
		if g.rest(&c) {
			p.changedGroups[g.ID] = true
		}
		d := g.decide(r, &c, p.repeatFrom(g, r, now), now)
		switch {
		case d.kind == "" && len(g.members) == 0:
			if g.Passed > 0 && !stopped.IsZero() {
				for _, target := range p.plan.notified(r, 0, now) {
					passed[target] = append(passed[target], g.view(&c, 0))
				}
			}
			p.close(g)
		case d.kind == "":
			g.next = now.Add(never)
		case d.due.After(now):
			g.next = d.due
		default:
			decided = append(decided, p.notify(g, r, &c, d.kind, now)...)
		}
	}
	return p.merge(decided, waiting, passed, now, stopped)
}

// repeatFrom returns from when on it is counted when a message about a group is repeated.
func (p *Planner) repeatFrom(g *Group, r *Route, now time.Time) time.Time {
	if len(g.Digests) == 0 {
		return g.Last
	}
	return g.repeatFrom(p.plan.notified(r, g.Steps, now))
}

// groupsAt returns the groups that have changed or whose time has come, in the order of their ids.
func (p *Planner) groupsAt(now time.Time) iter.Seq[*Group] {
	setBack := p.decided.After(now.Add(clockStep)) // Then no time that was computed before holds.
	p.decided = now
	var due []*Group
	for id, g := range p.groups {
		if p.dirty[g] || !g.next.After(now) || setBack {
			due = append(due, p.groups[id])
		}
	}
	clear(p.dirty)
	slices.SortFunc(due, func(a, b *Group) int { return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID)) })
	return slices.Values(due)
}

// close forgets a group.
func (p *Planner) close(g *Group) {
	delete(p.groups, g.ID)
	delete(p.byKey, groupKey{g.Route, g.Key})
	delete(p.dirty, g)
	p.changedGroups[g.ID] = true
}

// notify makes the deliveries of a message about a group.
func (p *Planner) notify(g *Group, r *Route, c *census, kind Kind, now time.Time) []Delivery {
	if kind == Escalated {
		g.Steps++
	}
	targets := p.plan.notified(r, g.Steps, now)
	if c.view.New == 0 && c.view.Over > 0 && len(g.Notified) > 0 && kind != Escalated { // Those who were notified of it are notified that it is over.
		targets = p.present(g.Notified)
	}
	if kind == Repeated {
		targets = g.repeated(targets, r.Repeat, now)
	}
	g.forgetDigests(targets...)
	message := Message{Kind: kind, Time: now, Step: g.Steps, Groups: []View{g.view(c, maxListed)}}
	g.Messages, g.Last, g.Passed = g.Messages+1, now, 0
	g.Notified = slices.Compact(slices.SortedFunc(slices.Values(append(g.Notified, targets...)), Target.Compare))
	p.changedGroups[g.ID] = true
	for _, t := range g.members {
		if t.Over != nil {
			p.drop(t, g)
		} else if t.needs(g) && g.Since.IsZero() {
			g.Since = now
		}
	}
	deliveries := make([]Delivery, len(targets))
	for i, target := range targets {
		message.ID = contentID(g.ID, g.Messages, target.Channel, target.Recipient)
		deliveries[i] = Delivery{Target: target, Message: message, State: Pending, Created: now, Due: now}
	}
	if g.next = (time.Time{}); len(g.members) == 0 {
		p.close(g)
	}
	return deliveries
}

// present returns the targets that are still configured.
func (p *Planner) present(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool {
		recipients, known := p.plan.Recipients[t.Channel]
		return !known || (len(recipients) > 0) != (t.Recipient != "") || t.Recipient != "" && !slices.Contains(recipients, t.Recipient)
	})
}

// merge replaces the deliveries of a target by a digest if they are too many, or too late.
func (p *Planner) merge(decided, waiting []Delivery, passed map[Target][]View, now, stopped time.Time) (result []Delivery, merged []string) {
	fresh, old := make(map[Target][]Delivery), make(map[Target][]Delivery)
	for i := range decided {
		fresh[decided[i].Target] = append(fresh[decided[i].Target], decided[i])
	}
	for i := range waiting {
		if d := &waiting[i]; d.Kind != Test && d.Asked.IsZero() {
			old[d.Target] = append(old[d.Target], *d)
		}
	}
	targets := make(map[Target]bool)
	for _, deliveries := range []map[Target][]Delivery{fresh, old} {
		for target := range deliveries {
			targets[target] = true
		}
	}
	for target := range passed {
		targets[target] = true
	}
	for _, target := range slices.SortedFunc(maps.Keys(targets), Target.Compare) {
		all := append(slices.Clone(old[target]), fresh[target]...)
		if !late(all, len(passed[target]), now, stopped) {
			result = append(result, fresh[target]...)
			continue
		}
		result = append(result, p.digest(target, all, passed[target], now, stopped))
		for i := range old[target] {
			merged = append(merged, old[target][i].ID)
		}
	}
	return result, merged
}

// late reports whether the deliveries of a target are to be merged, with so many groups that have passed.
func late(all []Delivery, passed int, now, stopped time.Time) bool {
	oldest := now
	for i := range all {
		oldest = earliest(oldest, all[i].Created)
	}
	outage := !stopped.IsZero()
	return passed > 0 || len(all) > mergeMany || len(all) > 1 && (outage || now.Sub(oldest) > mergeAfter)
}

// digest sums up deliveries of one target.
func (p *Planner) digest(target Target, all []Delivery, passed []View, now, stopped time.Time) Delivery {
	message := Message{Kind: Digest, Time: now}
	from := now
	if !stopped.IsZero() {
		from = earliest(from, stopped)
	}
	views := make(map[string]View)
	parts := []any{"digest", target.Channel, target.Recipient}
	for i := range all {
		d := &all[i]
		parts = append(parts, d.ID)
		from = earliest(from, d.Created)
		if d.From != nil {
			from = earliest(from, *d.From)
		}
		message.Merged += max(d.Merged, 1)
		for _, v := range d.Groups {
			before := views[v.Group]
			v.Passed, v.Over, v.New = v.Passed+before.Passed, v.Over+before.Over, v.New+before.New
			views[v.Group] = v
		}
	}
	for id, v := range views {
		views[id] = p.current(v)
	}
	for _, v := range passed {
		parts = append(parts, v.Group)
		views[v.Group] = v
	}
	message.ID, message.From = contentID(parts...), &from
	message.Groups = slices.Collect(maps.Values(views))
	sortViews(message.Groups)
	if more := len(message.Groups) - maxDigestGroups; more > 0 {
		message.Groups, message.Omitted = message.Groups[:maxDigestGroups], more
	}
	for i := range message.Groups {
		if g := p.groups[message.Groups[i].Group]; g != nil {
			g.digested(target, now)
			p.dirty[g], p.changedGroups[g.ID] = true, true
		}
	}
	return Delivery{Target: target, Message: message, State: Pending, Created: now, Due: now}
}

// current returns what is true now of a group that messages were to notify of. New are those that these messages have had as new: the digest is the first
// that does.
func (p *Planner) current(v View) View {
	g := p.groups[v.Group]
	if g == nil { // All of it is over.
		v.Over, v.Open, v.Acknowledged = v.Over+v.Open, 0, 0
		v.Alerts = v.Alerts[:min(len(v.Alerts), maxDigestListed)]
		return v
	}
	c := g.count()
	now := g.view(&c, maxDigestListed)
	now.Passed, now.Over, now.New = now.Passed+v.Passed, now.Over+v.Over, v.New
	return now
}

// Urgent returns deliveries of the critical alerts that stand, nobody has acknowledged, and notified does not have: one for each target and group.
// They are to be sent without being stored, because the database is away. The ids of the alerts are those that are notified by them.
func (p *Plan) Urgent(open []iot.Alert, notified map[string]bool, now time.Time) (deliveries []Delivery, ids []string) {
	apart := NewPlanner(&Plan{Routes: p.Routes, Recipients: p.Recipients, Calendars: p.Calendars}, nil)
	for i := range open {
		a := NewAlert(&open[i])
		if a.Severity == iot.Critical && a.needsSomebody() && !notified[a.ID] {
			apart.Apply(&open[i], nil, false, now)
			ids = append(ids, a.ID)
		}
	}
	for g := range apart.groupsAt(now) {
		r := p.route(g.Route)
		c := g.count()
		deliveries = append(deliveries, apart.notify(g, r, &c, FromMemory, now)...)
	}
	for i := range deliveries {
		d := &deliveries[i]
		listed := []any{"from memory", d.Channel, d.Recipient}
		for _, a := range d.Groups[0].Alerts {
			listed = append(listed, a.ID)
		}
		d.ID = contentID(listed...)
	}
	deliveries, _ = apart.merge(deliveries, nil, nil, now, time.Time{})
	return deliveries, ids
}
