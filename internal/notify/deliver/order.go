package deliver

import (
	"cmp"

	"iotmon/internal/notify"
)

// keepsBack reports whether a message that was not refused has to wait for one.
func (q *queue) keepsBack(e *notify.Delivery) bool {
	for _, d := range q.pending {
		if q.refusals[d.ID] == nil && q.behind(d, e) {
			return true
		}
	}
	return false
}

// behindAnother reports whether an earlier message about the same alerts is to reach the target first.
func (q *queue) behindAnother(d *notify.Delivery) bool {
	for _, e := range q.pending {
		if q.behind(d, e) {
			return true
		}
	}
	return false
}

// behind reports whether e is to reach the target before d. A group that is over and the next one of the same key are the same to people: what is over
// must not come after what is new. One that was refused does not keep back what says all that it says, and more: it may be refused for ever, and is
// not sent any more once that has been.
func (q *queue) behind(d, e *notify.Delivery) bool {
	return e != d && e.Target == d.Target && e.Created.Before(d.Created) && sameAlerts(&e.Message, &d.Message) &&
		(q.refusals[e.ID] == nil || !covers(&d.Message, &e.Message))
}

// sameAlerts reports whether messages have a group in common.
func sameAlerts(a, b *notify.Message) bool {
	for i := range a.Groups {
		if about(b, &a.Groups[i]) {
			return true
		}
	}
	return false
}

// covers reports whether a message is about all that another one is about.
func covers(m, other *notify.Message) bool {
	for i := range other.Groups {
		if !about(m, &other.Groups[i]) {
			return false
		}
	}
	return other.Omitted == 0
}

func about(m *notify.Message, v *notify.View) bool {
	for i := range m.Groups {
		if w := &m.Groups[i]; v.Route == w.Route && v.Key == w.Key {
			return true
		}
	}
	return false
}

// before compares deliveries, the one that is tried first first: what somebody has asked for, then what is more urgent, then what was tried least, then
// what is older.
func before(a, b *notify.Delivery) int {
	asked := func(d *notify.Delivery) int { return map[bool]int{false: 1, true: 0}[!d.Asked.IsZero()] }
	return cmp.Or(cmp.Compare(asked(a), asked(b)), cmp.Compare(b.Severity().Rank(), a.Severity().Rank()), cmp.Compare(a.Attempts, b.Attempts),
		a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// beforeAtTarget reports whether a is tried before b, which is for the same target. What has just failed there gives way to any other once, and what was
// refused before to what was not: the receiver may be unable to take this message, which must not keep others waiting.
func (q *queue) beforeAtTarget(a, b *notify.Delivery) bool {
	if f := q.targets[a.Target]; f != nil && a.Asked.IsZero() && b.Asked.IsZero() {
		if first, second := q.refusals[a.ID] != nil, q.refusals[b.ID] != nil; first != second {
			return second
		}
		if f.last == a || f.last == b {
			return f.last == b
		}
	}
	return before(a, b) < 0
}
