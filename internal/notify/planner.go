package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// The limits of what a Planner keeps.
const (
	// maxTracked is how many alerts are tracked. Further ones are counted in their groups as passed, and nobody is notified when they are over.
	maxTracked = 200_000
	// maxGroups is how many groups there are. Further alerts join the group of their route and severity.
	maxGroups = 5000
)

// Planner keeps the alerts that stand and decides what is to be notified. It is not safe for concurrent use.
type Planner struct {
	plan   *Plan
	alerts map[string]*Tracked
	groups map[string]*Group
	byKey  map[groupKey]*Group
	// notified are the alerts that were notified from memory.
	notified map[string]bool
	// dirty are the groups whose members have changed.
	dirty map[*Group]bool
	// changed are what is to be stored: the ids of alerts and groups.
	changedAlerts, changedGroups map[string]bool
	// decided is when it was decided last.
	decided time.Time
	counts  Counts
}

// groupKey is what identifies a group that is open.
type groupKey struct {
	route string
	key   Key
}

// Counts are what a Planner has counted.
type Counts struct {
	// Unrouted counts alerts that no route took when they came, Untracked those beyond the limit.
	Unrouted, Untracked int
}

// NewPlanner returns a planner without alerts. notified are the ids of alerts that were notified from memory.
func NewPlanner(plan *Plan, notified map[string]bool) *Planner {
	return &Planner{
		plan: plan, alerts: make(map[string]*Tracked), groups: make(map[string]*Group), byKey: make(map[groupKey]*Group), notified: notified,
		dirty: make(map[*Group]bool), changedAlerts: make(map[string]bool), changedGroups: make(map[string]bool),
	}
}

// Row is a stored alert or group. A nil Body means that it is removed.
type Row struct {
	ID   string
	Body []byte
}

// Load restores what was stored. Another plan may have been in force then, so Replan must follow. The error is that of a row that this program has
// not written.
func (p *Planner) Load(groups, alerts []Row) error {
	for _, row := range groups {
		g := &Group{members: make(map[string]*Tracked)}
		if err := json.Unmarshal(row.Body, g); err != nil {
			return fmt.Errorf("stored group %s: %w", row.ID, err)
		}
		p.groups[g.ID], p.byKey[groupKey{g.Route, g.Key}], p.dirty[g] = g, g, true
	}
	for _, row := range alerts {
		t := new(Tracked)
		if err := json.Unmarshal(row.Body, t); err != nil {
			return fmt.Errorf("stored alert %s: %w", row.ID, err)
		}
		if p.alerts[t.ID] = t; t.Groups == nil {
			t.Groups = make(map[string]Membership)
		}
		for id, m := range t.Groups {
			g := p.groups[id]
			if g == nil {
				delete(t.Groups, id)
				continue
			}
			g.members[t.ID] = t
			if p.notified[t.ID] && !m.Notified {
				m.Notified = true
				t.Groups[id], p.changedAlerts[t.ID] = m, true
			}
		}
		if len(t.Groups) == 0 && t.Over != nil {
			p.changedAlerts[t.ID] = true
			delete(p.alerts, t.ID)
		}
	}
	return nil
}

// Apply applies an event of an alert, with the labels of its device if they are known.
func (p *Planner) Apply(a *iot.Alert, labels map[string]string, known bool, now time.Time) {
	if a.Historical || a.Transition == iot.Noted {
		return
	}
	t := p.alerts[a.ID]
	if t == nil {
		if a.Open() || a.Rule == iot.RuleClock { // That one is a single event, over from the beginning.
			p.add(a, labels, known, now)
		}
		return
	}
	if a.Position.Compare(t.Position) <= 0 || t.Over != nil {
		return
	}
	was := *t
	t.Alert, t.Position = NewAlert(a), a.Position
	p.changedAlerts[t.ID] = true
	if t.Severity != was.Severity || t.Area != was.Area {
		p.move(t, labels, known, now)
	}
	if was.Suppressed && !t.Suppressed {
		p.rejoin(t, now)
	}
	p.touch(t)
	if t.Over != nil {
		p.end(t)
	}
}

// add tracks a new alert.
func (p *Planner) add(a *iot.Alert, labels map[string]string, known bool, now time.Time) {
	t := &Tracked{Alert: NewAlert(a), Position: a.Position, Came: now, Groups: make(map[string]Membership)}
	if len(p.alerts) >= maxTracked {
		p.counts.Untracked++
		for _, r := range p.plan.match(&t.Alert, labels, known, now) {
			g := p.group(r, r.key(&t.Alert), now)
			g.Passed++
			p.dirty[g], p.changedGroups[g.ID] = true, true
		}
		return
	}
	if !p.join(t, labels, known, now) {
		p.counts.Unrouted++
		if t.Over != nil || len(p.alerts) >= maxTracked/2 { // Those who are notified come first.
			return
		}
	}
	p.alerts[t.ID], p.changedAlerts[t.ID] = t, true
}

// join makes an alert a member of the groups of the routes that match it. It returns false if there is none.
func (p *Planner) join(t *Tracked, labels map[string]string, known bool, now time.Time) bool {
	routes := p.plan.match(&t.Alert, labels, known, now)
	for _, r := range routes {
		p.enter(t, r, p.notified[t.ID], now)
	}
	return len(routes) > 0
}

// enter makes an alert a member of the group of a route, if it is not yet. notified means that the route has notified of it from memory.
func (p *Planner) enter(t *Tracked, r *Route, notified bool, now time.Time) {
	g := p.group(r, r.key(&t.Alert), now)
	m, member := t.Groups[g.ID]
	if m.Released = false; !member {
		m = Membership{Since: now, Messages: g.Messages, Notified: notified}
	}
	t.Groups[g.ID], g.members[t.ID] = m, t
	p.dirty[g], p.changedAlerts[t.ID] = true, true
}

// group returns the open group of a key; it opens one if there is none.
func (p *Planner) group(r *Route, key Key, now time.Time) *Group {
	if g := p.byKey[groupKey{r.Name, key}]; g != nil {
		return g
	}
	if len(p.groups) >= maxGroups {
		key = Key{Tenant: key.Tenant, Severity: key.Severity}
		if g := p.byKey[groupKey{r.Name, key}]; g != nil {
			return g
		}
	}
	g := &Group{
		ID: contentID("group", r.Name, key, now.UnixMicro()), Route: r.Name, Key: key, Opened: now, members: make(map[string]*Tracked),
	}
	p.groups[g.ID], p.byKey[groupKey{r.Name, key}], p.changedGroups[g.ID] = g, g, true
	return g
}

// move has an alert leave the groups whose key it no longer has, and join those that it has now.
func (p *Planner) move(t *Tracked, labels map[string]string, known bool, now time.Time) {
	for id := range t.Groups {
		g := p.groups[id]
		if r := p.plan.route(g.Route); r != nil && !t.Groups[id].Released && r.key(&t.Alert) != g.Key {
			p.leave(t, g)
		}
	}
	t.Came = now
	p.join(t, labels, known, now)
}

// leave removes an alert from a group. If the group has been notified and nobody else is left, people are notified that it is over.
func (p *Planner) leave(t *Tracked, g *Group) {
	gone := *t
	gone.Groups = map[string]Membership{g.ID: t.Groups[g.ID]}
	delete(t.Groups, g.ID)
	delete(g.members, t.ID)
	if gone.Groups[g.ID].notified(g) && len(g.members) == 0 {
		over := gone.Onset
		gone.Over, gone.ID = &over, gone.ID+"/moved"
		g.members[gone.ID], p.alerts[gone.ID], p.changedAlerts[gone.ID] = &gone, &gone, true
	}
	p.dirty[g], p.changedGroups[g.ID] = true, true
}

// rejoin makes an alert new again for those who were not notified of it while it was suppressed.
func (p *Planner) rejoin(t *Tracked, now time.Time) {
	for id, m := range t.Groups {
		if g := p.groups[id]; !m.Released && (!m.notified(g) || m.Messages < g.Messages && !t.Acknowledged) {
			t.Groups[id] = Membership{Since: now, Messages: g.Messages, Notified: m.Notified}
		}
	}
}

// end forgets an alert that is over in the groups that were not notified of it, unless it was critical or is a single event.
func (p *Planner) end(t *Tracked) {
	for id, m := range t.Groups {
		g := p.groups[id]
		if m.notified(g) || (t.Severity == iot.Critical || t.Rule == iot.RuleClock) && !t.Acknowledged && !t.Suppressed {
			continue
		}
		if !t.Suppressed && !t.Acknowledged {
			g.Passed++
		}
		p.drop(t, g)
	}
	if len(t.Groups) == 0 {
		delete(p.alerts, t.ID)
	}
}

// drop removes an alert from a group and, if it has no other, altogether.
func (p *Planner) drop(t *Tracked, g *Group) {
	delete(t.Groups, g.ID)
	delete(g.members, t.ID)
	p.dirty[g], p.changedGroups[g.ID], p.changedAlerts[t.ID] = true, true, true
	if len(t.Groups) == 0 {
		delete(p.alerts, t.ID)
	}
}

// touch has the groups of an alert looked at.
func (p *Planner) touch(t *Tracked) {
	for id := range t.Groups {
		p.dirty[p.groups[id]] = true
	}
}

// Reconcile applies the alerts that stand now, after events of alerts were lost: what is tracked and does not stand is over.
func (p *Planner) Reconcile(open []iot.Alert, now time.Time) {
	stands := make(map[string]bool, len(open))
	for i := range open {
		stands[open[i].ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(p.alerts)) {
		if t := p.alerts[id]; !stands[id] && t.Over == nil {
			t.Over = &now
			p.changedAlerts[id] = true
			p.touch(t)
			p.end(t)
		}
	}
}

// Counts returns what was counted since it was called last.
func (p *Planner) Counts() Counts {
	counts := p.counts
	p.counts = Counts{}
	return counts
}

// Open returns how many alerts are tracked, and in how many groups.
func (p *Planner) Open() (alerts, groups int) { return len(p.alerts), len(p.groups) }

// Changes returns the rows that have changed since it was called last.
func (p *Planner) Changes() (groups, alerts []Row, err error) {
	for id := range p.changedGroups {
		row := Row{ID: id}
		if g := p.groups[id]; g != nil {
			if row.Body, err = json.Marshal(g); err != nil {
				return nil, nil, err
			}
		}
		groups = append(groups, row)
	}
	for id := range p.changedAlerts {
		row := Row{ID: id}
		if t := p.alerts[id]; t != nil {
			if row.Body, err = json.Marshal(t); err != nil {
				return nil, nil, err
			}
		}
		alerts = append(alerts, row)
	}
	clear(p.changedGroups)
	clear(p.changedAlerts)
	return groups, alerts, nil
}

// NotifiedCritical returns the ids of the critical alerts that stand and have been notified.
func (p *Planner) NotifiedCritical() map[string]bool {
	notified := make(map[string]bool)
	for id, t := range p.alerts {
		if t.Severity != iot.Critical || t.Over != nil {
			continue
		}
		for group, m := range t.Groups {
			notified[id] = notified[id] || !m.Released && m.notified(p.groups[group])
		}
	}
	maps.DeleteFunc(notified, func(_ string, notified bool) bool { return !notified })
	return notified
}
