package deliver

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/retry"
)

const (
	// sendTimeout is how long one try may take.
	sendTimeout = 30 * time.Second
	// firstRetry and longestRetry are the limits of the pause of a target after a failed try.
	firstRetry, longestRetry = time.Second, 2 * time.Minute
	// refusedPause and longestRefused are the limits of the pause of a target that has refused several messages one after another.
	refusedPause, longestRefused = time.Minute, time.Hour
	// giveUpAfter is for how long a delivery is tried.
	giveUpAfter = 24 * time.Hour
	// lastTry is how long a message that is being sent may still take when the notifier ends.
	lastTry = 3 * time.Second
	// maxOutcome is the maximum length of an outcome in bytes.
	maxOutcome = 500
)

// queue sends deliveries: those of one channel one after another, those of different channels at the same time. A receiver that hangs delays its
// own channel alone. Messages about one group reach a target in the order in which they were decided. Its methods are called by one goroutine.
type queue struct {
	senders map[string]Sender
	metrics Metrics
	now     func() time.Time
	pending map[string]*notify.Delivery
	// busy holds the delivery that a channel is sending.
	busy map[string]*notify.Delivery
	// targets are those that have failed lately.
	targets map[notify.Target]*failing
	results chan result
	tries   sync.WaitGroup
	stop    context.CancelFunc
	stopped context.Context
	done    []Outcome
}

// failing is a target whose last try has failed or was refused.
type failing struct {
	pauses *retry.Backoff
	// until is the end of the pause.
	until time.Time
	pause time.Duration
	// last is the delivery that was tried last.
	last *notify.Delivery
	// refusals is how many messages it has refused since it last took one, the first at refusedSince.
	refusals     int
	refusedSince time.Time
}

func (f *failing) pauseFor(d time.Duration, now time.Time) { f.pause, f.until = d, now.Add(d) }

// result is what a try has brought.
type result struct {
	delivery *notify.Delivery
	answer   string
	err      error
}

func newQueue(senders map[string]Sender, metrics Metrics, now func() time.Time) *queue {
	q := &queue{
		senders: senders, metrics: metrics, now: now, pending: make(map[string]*notify.Delivery), busy: make(map[string]*notify.Delivery),
		targets: make(map[notify.Target]*failing), results: make(chan result, len(senders)),
	}
	q.stopped, q.stop = context.WithCancel(context.Background())
	return q
}

// add adds deliveries that are stored as pending.
func (q *queue) add(deliveries []notify.Delivery) {
	for i := range deliveries {
		d := deliveries[i]
		known := q.pending[d.ID]
		if known == nil {
			q.pending[d.ID] = &d
		}
		if !d.Asked.IsZero() && (known == nil || d.Asked.After(known.Asked)) {
			q.pending[d.ID].Asked = d.Asked
			delete(q.targets, d.Target) // Somebody wants to know whether it works now.
		}
	}
}

// waiting returns the deliveries that are not being sent.
func (q *queue) waiting() []notify.Delivery {
	var waiting []notify.Delivery
	for _, d := range q.pending {
		if q.busy[d.Channel] != d {
			waiting = append(waiting, *d)
		}
	}
	slices.SortFunc(waiting, func(a, b notify.Delivery) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return waiting
}

// merge takes a delivery out that a digest replaces, and returns what to store of it.
func (q *queue) merge(id string, now time.Time) Outcome {
	d := q.pending[id]
	delete(q.pending, id)
	text := "a digest is sent instead"
	if d.Outcome != "" {
		text += "; last try: " + d.Outcome
	}
	return Outcome{ID: id, State: notify.Merged, Attempts: d.Attempts, Due: d.Due, Done: now, Text: shortened(text)}
}

// dispatch starts tries of the channels that are free. It reads the clock itself: by a time that was read before the end of a try is noted, a pause that
// begins there would seem to come from a clock that was set back since.
func (q *queue) dispatch(ctx context.Context) {
	now := q.now()
	first := make(map[notify.Target]*notify.Delivery)
	for _, d := range q.pending {
		if q.busy[d.Channel] != nil || q.paused(d, now) || q.behindAnother(d) {
			continue
		}
		if best := first[d.Target]; best == nil || q.beforeAtTarget(d, best) {
			first[d.Target] = d
		}
	}
	next := make(map[string]*notify.Delivery)
	for _, d := range first {
		if best := next[d.Channel]; best == nil || before(d, best) < 0 {
			next[d.Channel] = d
		}
	}
	for channel, d := range next {
		sender := q.senders[channel]
		if sender == nil {
			q.end(d, notify.Failed, "the channel is no longer configured", now)
			continue
		}
		q.busy[channel] = d
		message, recipient := d.Message, d.Recipient
		q.tries.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
			defer cancel()
			defer context.AfterFunc(q.stopped, cancel)()
			answer, err := sender.Send(ctx, recipient, &message)
			q.results <- result{d, answer, err}
		})
	}
}

// paused reports whether the target of a delivery has failed so lately that it is not tried.
func (q *queue) paused(d *notify.Delivery, now time.Time) bool {
	f := q.targets[d.Target]
	return f != nil && f.until.After(now) && f.until.Sub(now) <= f.pause // A clock that was set back does not stop it.
}

// behindAnother reports whether an earlier message about the same alerts is to reach the target first. A group that is over and the next one of the same
// key are the same to people: what is over must not come after what is new.
func (q *queue) behindAnother(d *notify.Delivery) bool {
	for _, e := range q.pending {
		if e != d && e.Target == d.Target && e.Created.Before(d.Created) && sameAlerts(&e.Message, &d.Message) {
			return true
		}
	}
	return false
}

func sameAlerts(a, b *notify.Message) bool {
	return slices.ContainsFunc(a.Groups, func(v notify.View) bool {
		return slices.ContainsFunc(b.Groups, func(w notify.View) bool { return v.Route == w.Route && v.Key == w.Key })
	})
}

// before compares deliveries, the one that is tried first first: what somebody has asked for, then what is more urgent, then what was tried least, then
// what is older.
func before(a, b *notify.Delivery) int {
	asked := func(d *notify.Delivery) int { return map[bool]int{false: 1, true: 0}[!d.Asked.IsZero()] }
	return cmp.Or(cmp.Compare(asked(a), asked(b)), cmp.Compare(b.Severity().Rank(), a.Severity().Rank()), cmp.Compare(a.Attempts, b.Attempts),
		a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// beforeAtTarget reports whether a is tried before b, which is for the same target. What has just failed there gives way to any other once: the
// receiver may be unable to take this message, which must not keep others waiting.
func (q *queue) beforeAtTarget(a, b *notify.Delivery) bool {
	if f := q.targets[a.Target]; f != nil && a.Asked.IsZero() && b.Asked.IsZero() && (f.last == a || f.last == b) {
		return f.last == b
	}
	return before(a, b) < 0
}

// outcomes returns what the tries have brought that have ended, and what was given up, since it was called last.
func (q *queue) outcomes() []Outcome {
	for {
		select {
		case r := <-q.results:
			q.tried(&r)
			continue
		default:
		}
		done := q.done
		q.done = nil
		return done
	}
}

// tried decides what becomes of a delivery after a try.
func (q *queue) tried(r *result) {
	d, now := r.delivery, q.now()
	delete(q.busy, d.Channel)
	if r.err != nil && q.stopped.Err() != nil && !notify.IsRefused(r.err) {
		return // It was cut off, and is tried again by the next process.
	}
	d.Attempts++
	switch {
	case r.err == nil:
		delete(q.targets, d.Target)
		q.metrics.Tried(d.Channel, "sent")
		q.end(d, notify.Sent, r.answer, now)
	case notify.IsRefused(r.err):
		q.metrics.Tried(d.Channel, "refused")
		q.refused(d, r.err, now)
	case now.Sub(d.Created) > giveUpAfter && now.Sub(d.Asked) > giveUpAfter || d.Kind == notify.Test:
		q.metrics.Tried(d.Channel, "failed")
		q.end(d, notify.Failed, "given up: "+r.err.Error(), now)
	default:
		q.metrics.Tried(d.Channel, "failed")
		f := q.failing(d)
		f.pauseFor(f.pauses.Next(), now)
		d.Due, d.Outcome = f.until, shortened(r.err.Error())
		q.done = append(q.done, Outcome{ID: d.ID, State: notify.Pending, Attempts: d.Attempts, Due: d.Due, Text: d.Outcome})
	}
}

// failing returns the target of a delivery that was tried and not taken.
func (q *queue) failing(d *notify.Delivery) *failing {
	f := q.targets[d.Target]
	if f == nil {
		f = &failing{pauses: retry.NewBackoff(firstRetry, longestRetry)}
		q.targets[d.Target] = f
	}
	f.last = d
	return f
}

// refused ends a delivery that its receiver has refused for good. The next one is tried at once, because the message may have been the reason. If that
// is refused, too, the target is one that takes nothing, such as an address that does not exist: it is tried again after a pause, which doubles, and
// with a message that is refused then those that have waited end as well. What it takes meanwhile, or after somebody has asked, ends that.
// A refused test says nothing about them: who has asked for it sees what came of it, and alerts do not wait for that.
func (q *queue) refused(d *notify.Delivery, why error, now time.Time) {
	if d.Kind == notify.Test {
		q.end(d, notify.RefusedState, why.Error(), now)
		return
	}
	f := q.failing(d)
	if f.refusals++; f.refusals == 1 {
		f.refusedSince = now
	}
	q.end(d, notify.RefusedState, why.Error(), now)
	if f.refusals == 1 {
		return
	}
	f.pauseFor(min(refusedPause<<min(f.refusals-2, 10), longestRefused), now)
	if f.refusals == 2 {
		return
	}
	for _, waits := range q.pending {
		if waits.Target == d.Target {
			q.end(waits, notify.RefusedState, fmt.Sprintf("not tried, because everything is refused there since %s: %s", f.refusedSince.UTC().Format(time.RFC3339), why), now)
		}
	}
}

// end notes that a delivery is done.
func (q *queue) end(d *notify.Delivery, state notify.State, text string, now time.Time) {
	delete(q.pending, d.ID)
	q.done = append(q.done, Outcome{ID: d.ID, State: state, Attempts: d.Attempts, Due: d.Due, Done: now, Text: shortened(text)})
}

func shortened(text string) string { return notify.Cut(text, maxOutcome) }

// report sets the metrics of what waits.
func (q *queue) report() {
	counts, oldest := make(map[string]int), make(map[string]time.Duration)
	now := q.now()
	for _, d := range q.pending {
		counts[d.Channel]++
		since := d.Created
		if d.From != nil { // A digest does not make the wait shorter.
			since = *d.From
		}
		oldest[d.Channel] = max(oldest[d.Channel], now.Sub(since))
	}
	for channel := range q.senders {
		q.metrics.Waiting(channel, counts[channel], oldest[channel])
	}
}

// close waits for the tries that are under way, for lastTry at most, then cuts them off. Their outcomes are left in the queue.
func (q *queue) close() {
	ended := make(chan struct{})
	go func() { q.tries.Wait(); close(ended) }()
	timer := time.AfterFunc(lastTry, q.stop)
	defer timer.Stop()
	<-ended
	q.stop()
}
