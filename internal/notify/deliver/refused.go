package deliver

import (
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

const (
	// refusedPause and longestRefused are the limits of the pause of a target that has refused several messages one after another. longestUrgent is the
	// longest for critical messages, and the longest pause of one that was refused itself.
	refusedPause, longestRefused = time.Minute, time.Hour
	longestUrgent                = 5 * time.Minute
	// betweenRefused is the pause of a target between two messages that it has refused before.
	betweenRefused = 15 * time.Second
	// tryRefused is for how long a critical message that was refused is tried, mostRefusals how often at most, so that it ends also if the clock is set back.
	tryRefused   = time.Hour
	mostRefusals = 20
	// maxRefused is how many messages that were refused wait for a target. Of more, a digest is made.
	maxRefused = 50
)

// refusal is what is known of a critical message that was refused and is tried again.
type refusal struct {
	// since is when it was refused first, times how often it was since; zero if the receiver has failed in another way after that.
	since time.Time
	times int
	// own is its pause.
	own pause
}

// taken notes that a target has taken a delivery. What it has refused of the same alerts before is not sent any more, because the later message says
// what is true now. If the target had refused everything, or somebody has asked for this one, what it refused is tried at once.
func (q *queue) taken(d *notify.Delivery, now time.Time) {
	f := q.targets[d.Target]
	delete(q.targets, d.Target)
	again := q.refusals[d.ID] != nil || !d.Asked.IsZero() || f != nil && f.refusals > 1
	for id := range q.refusals {
		e := q.pending[id]
		switch {
		case e == d || e.Target != d.Target:
		case e.Created.Before(d.Created) && covers(&d.Message, &e.Message):
			q.end(e, notify.Merged, instead("a later message about the same alerts has been sent", e), now)
		case again:
			q.tryAgainNow(id)
		}
	}
}

// tryAgainNow ends the pause of a message that was refused.
func (q *queue) tryAgainNow(id string) {
	if r := q.refusals[id]; r != nil {
		r.own = pause{}
	}
}

// refused decides what becomes of a delivery that its receiver has refused. One that is not critical ends. A critical one is tried again for an hour: what
// refuses it may be a proxy, or an update, and not the receiver. Either way the next one is tried at once, because the message may have been the reason.
// If that is refused, too, the target is one that takes nothing, such as an address that does not exist: it is tried again after a pause, which
// doubles, and with another message that is refused then those that have waited and are not critical end as well. What it takes meanwhile, or after
// somebody has asked, ends that. A message that was refused before, and a test, say nothing about the target: others do not wait for them.
func (q *queue) refused(d *notify.Delivery, why error, now time.Time) {
	known := q.refusals[d.ID] != nil || q.targets[d.Target] != nil && q.targets[d.Target].last == d
	if until, again := q.triedAgain(d, now); again {
		q.wait(d, q.refusals[d.ID].own.until, fmt.Sprintf("refused, and as it is critical tried again until %s: %s", until.UTC().Format(time.RFC3339), why))
	} else {
		q.end(d, notify.RefusedState, why.Error(), now)
	}
	if d.Kind == notify.Test {
		return
	}
	f := q.failing(d)
	if known {
		f.again = pauseFrom(now, betweenRefused)
		return
	}
	if f.refusals++; f.refusals == 1 {
		f.refusedSince = now
		return
	}
	length := min(refusedPause<<min(f.refusals-2, 10), longestRefused)
	f.rest, f.urgent = pauseFrom(now, length), pauseFrom(now, min(length, longestUrgent))
	if f.refusals == 2 {
		return
	}
	for _, waits := range q.pending {
		switch r := q.refusals[waits.ID]; {
		case waits.Target != d.Target:
		case waits.Severity() != iot.Critical:
			q.end(waits, notify.RefusedState, fmt.Sprintf("not tried, because everything is refused there since %s: %s", f.refusedSince.UTC().Format(time.RFC3339), why), now)
		case r != nil && !r.since.IsZero() && now.Sub(r.since) >= tryRefused:
			q.end(waits, notify.RefusedState, why.Error(), now)
		}
	}
}

// triedAgain notes that a delivery was refused, and reports whether and until when it is tried again. The hour begins with the first refusal in a row, and
// anew after a restart or if the receiver fails in another way meanwhile, but not for a message that is older than a day.
func (q *queue) triedAgain(d *notify.Delivery, now time.Time) (until time.Time, again bool) {
	if d.Severity() != iot.Critical || tooOld(d, now) {
		return until, false
	}
	r := q.refusals[d.ID]
	if r == nil {
		r = new(refusal)
		q.refusals[d.ID] = r
	}
	if r.since.IsZero() {
		r.since, r.times = now, 0
	}
	if r.times++; now.Sub(r.since) >= tryRefused || r.times >= mostRefusals {
		return until, false
	}
	r.own = pauseFrom(now, min(refusedPause<<min(r.times-1, 10), longestUrgent))
	return r.since.Add(tryRefused), true
}
