package notify

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Group is a group of alerts of one route: what is stored of it.
type Group struct {
	ID    string `json:"id"`
	Route string `json:"route"`
	Key   Key    `json:"key"`
	// Opened is when its first alert came, Last when its last message was decided; zero before the first.
	Opened time.Time `json:"opened"`
	Last   time.Time `json:"last"`
	// Messages is how many messages there were, Steps how many steps of escalation have been taken.
	Messages int `json:"messages"`
	Steps    int `json:"steps"`
	// Since is since when there is an alert that was notified and not acknowledged; zero if there is none.
	Since time.Time `json:"unacknowledged"`
	// Notified are the targets that have had a message: they are notified when it is over.
	Notified []Target `json:"notified,omitempty"`
	// Digests are the digests that have had the group since its last message: to whom, and when they were decided.
	Digests []Digested `json:"digests,omitempty"`
	// Passed counts alerts that came and went without a message.
	Passed int `json:"passed,omitempty"`

	members map[string]*Tracked
	// next is when there may be something to notify; zero means that it is not known.
	next time.Time
}

// Digested is a digest that has a group.
type Digested struct {
	Target
	At time.Time `json:"at"`
}

// Tracked is an alert of which somebody is notified: what is stored of it.
type Tracked struct {
	Alert    `json:"alert"`
	Position iot.Position `json:"at"`
	// Came is when the alert came, or got another severity or area: the time for which routes select. Zero in what an older version has stored.
	Came time.Time `json:"came"`
	// Groups are those that it belongs to, by their ids. There are none while no route takes the alert: another plan may.
	Groups map[string]Membership `json:"groups"`
}

// Membership is since when an alert belongs to a group.
type Membership struct {
	Since time.Time `json:"since"`
	// Messages is how many messages of the group there were then: if there are more now, one of them was of this alert. So no clock decides
	// whether an alert has been notified.
	Messages int `json:"messages"`
	// Notified means that it has been notified from memory, while the database was away.
	Notified bool `json:"notified,omitempty"`
	// Released means that the group was notified of the alert and its route does not take it any more: people are only notified when it is over.
	Released bool `json:"released,omitempty"`
}

// needs reports whether the alert stands and the group is the one that has to find somebody for it.
func (t *Tracked) needs(g *Group) bool { return t.needsSomebody() && !t.Groups[g.ID].Released }

// came returns for when routes select the alert.
func (t *Tracked) came(now time.Time) time.Time {
	if !t.Came.IsZero() {
		return t.Came
	}
	first := time.Time{}
	for _, m := range t.Groups {
		first = earliest(first, m.Since)
	}
	if first.IsZero() {
		return now
	}
	return first
}

// notified reports whether a message of the group was of the alert.
func (m Membership) notified(g *Group) bool { return m.Notified || m.Messages < g.Messages }

// clockStep is how far behind a stored time the clock must be to count as set back. What waits for that time is due at once then.
const clockStep = 2 * time.Minute

// reached returns when a wait from a time on is over.
func reached(from time.Time, wait time.Duration, now time.Time) time.Time {
	if from.After(now.Add(clockStep)) {
		return now
	}
	return from.Add(wait)
}

// census is what there is to notify of a group.
type census struct {
	view View
	// fresh is since when there is something that has not been notified, unacknowledged since when there is an alert that was notified and not
	// acknowledged; zero if there is none.
	fresh, unacknowledged time.Time
	// open are the members that stand, suppressed ones included.
	open int
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// count counts the members.
func (g *Group) count() census {
	c := census{view: View{Group: g.ID, Route: g.Route, Key: g.Key, Since: g.Opened, Passed: g.Passed}}
	for _, t := range g.members {
		m := t.Groups[g.ID]
		notified := m.notified(g)
		switch {
		case t.Over == nil:
			c.open++
			if !t.Suppressed || notified {
				c.view.Open++
			}
			if !t.needs(g) {
				c.view.Acknowledged++
			} else if notified {
				c.unacknowledged = earliest(c.unacknowledged, m.Since)
			}
			if !notified && t.needs(g) {
				c.view.New++
				c.fresh = earliest(c.fresh, m.Since)
			}
		case notified:
			c.view.Over++
		default: // It was critical, and must be notified all the same.
			c.view.Over++
			c.view.New++
			c.fresh = earliest(c.fresh, m.Since)
		}
	}
	return c
}

// decision is what a group has to notify, and when.
type decision struct {
	kind Kind
	due  time.Time
}

// rest ends the escalation if there is nothing that has been notified and not acknowledged. It reports whether it did.
func (g *Group) rest(c *census) bool {
	if !c.unacknowledged.IsZero() || g.Steps == 0 && g.Since.IsZero() {
		return false
	}
	g.Steps, g.Since = 0, time.Time{}
	return true
}

// digested notes that a digest has the group.
func (g *Group) digested(target Target, now time.Time) {
	g.forgetDigests(target)
	g.Digests = append(g.Digests, Digested{target, now})
}

// forgetDigests forgets the digests to some targets, because they are notified of the group now.
func (g *Group) forgetDigests(targets ...Target) {
	g.Digests = slices.DeleteFunc(g.Digests, func(d Digested) bool { return slices.Contains(targets, d.Target) })
}

// repeatFrom returns from when on it is counted how long nobody has acknowledged the group: from its last message or, if all targets have had a digest
// since, from the first of these.
func (g *Group) repeatFrom(targets []Target) time.Time {
	first := time.Time{}
	for _, target := range targets {
		i := slices.IndexFunc(g.Digests, func(d Digested) bool { return d.Target == target })
		if i < 0 {
			return g.Last
		}
		first = earliest(first, g.Digests[i].At)
	}
	return latest(g.Last, first)
}

// repeated returns the targets that a repeated message is for: not those that have just had a digest of the group, because others have not.
func (g *Group) repeated(targets []Target, repeat time.Duration, now time.Time) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(target Target) bool {
		return slices.ContainsFunc(g.Digests, func(d Digested) bool { return d.Target == target && now.Sub(d.At).Abs() < repeat/2 })
	})
}

// decide returns what is to be notified of the group next; an empty kind means nothing. repeatFrom is that of those who are notified.
func (g *Group) decide(r *Route, c *census, repeatFrom, now time.Time) decision {
	var d decision
	consider := func(kind Kind, due time.Time) {
		if d.kind == "" || due.Before(d.due) {
			d = decision{kind, due}
		}
	}
	gap := now // The least time after the message before.
	if g.Messages > 0 {
		gap = reached(g.Last, r.Interval, now)
	}
	since := latest(c.unacknowledged, g.Since)
	if g.Steps < len(r.Escalate) && !since.IsZero() {
		consider(Escalated, reached(since, r.Escalate[g.Steps].After, now))
	}
	switch {
	case c.view.New > 0 && g.Messages == 0:
		consider(Raised, reached(c.fresh, r.Wait, now))
	case c.view.New > 0:
		consider(Changed, latest(gap, reached(c.fresh, r.Wait, now)))
	case c.view.Over > 0 && c.open == 0:
		consider(Over, gap)
	case c.view.Over > 0:
		consider(Changed, gap)
	}
	if r.Repeat > 0 && !since.IsZero() {
		consider(Repeated, reached(latest(repeatFrom, since), r.Repeat, now))
	}
	if d.kind != "" {
		d.due = latest(d.due, r.quietUntil(g.Key.Severity, latest(d.due, now)))
	}
	return d
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// view returns what a message says of the group, with at most that many alerts.
func (g *Group) view(c *census, most int) View {
	members := make([]*Tracked, 0, len(g.members))
	for _, t := range g.members {
		if t.Over != nil || !t.Suppressed || t.Groups[g.ID].notified(g) {
			members = append(members, t)
		}
	}
	rank := func(t *Tracked) int {
		switch {
		case t.Over != nil:
			return 3
		case !t.needs(g):
			return 2
		case t.Groups[g.ID].notified(g):
			return 1
		default:
			return 0
		}
	}
	slices.SortFunc(members, func(a, b *Tracked) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Onset.Compare(b.Onset), cmp.Compare(a.ID, b.ID))
	})
	v := c.view
	v.Alerts = []Alert{}
	for _, t := range members[:min(len(members), most)] {
		v.Alerts = append(v.Alerts, t.Alert)
	}
	return v
}
