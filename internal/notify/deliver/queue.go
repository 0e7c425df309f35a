package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/retry"
)

const (
	// firstRetry and longestRetry are the limits of the pause of a target after a failed try.
	firstRetry, longestRetry = time.Second, 2 * time.Minute
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
	senders  map[string]Sender
	metrics  Metrics
	troubles *troubles
	now      func() time.Time
	pending  map[string]*notify.Delivery
	// busy holds the delivery that a channel is sending.
	busy map[string]*notify.Delivery
	// targets are those that have failed lately.
	targets map[notify.Target]*failing
	// refusals are those of critical messages that are tried again, by their ids.
	refusals map[string]*refusal
	results  chan result
	tries    sync.WaitGroup
	stop     context.CancelFunc
	stopped  context.Context
	done     []Outcome
}

// failing is a target whose last try has failed or was refused.
type failing struct {
	pauses *retry.Backoff
	// rest is its pause, urgent that of critical messages, and again that of messages that it has refused before.
	rest, urgent, again pause
	// last is the delivery that was tried last.
	last *notify.Delivery
	// refusals is how many different messages it has refused since it last took one, the first at refusedSince.
	refusals     int
	refusedSince time.Time
}

// pause is a time without a try.
type pause struct {
	until  time.Time
	length time.Duration
}

func pauseFrom(now time.Time, length time.Duration) pause { return pause{now.Add(length), length} }

// holds reports whether the pause lasts. A clock that was set back does not make it longer.
func (p *pause) holds(now time.Time) bool { return p.until.After(now) && p.until.Sub(now) <= p.length }

// send tries a message once, for notify.SendTimeout at most.
func send(ctx context.Context, sender Sender, recipient string, m *notify.Message) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, notify.SendTimeout)
	defer cancel()
	answer, err = sender.Send(ctx, recipient, m)
	if err != nil && !notify.IsRefused(err) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v: %w", notify.SendTimeout, err)
	}
	return answer, err
}

// result is what a try has brought.
type result struct {
	delivery *notify.Delivery
	answer   string
	err      error
}

func newQueue(senders map[string]Sender, metrics Metrics, troubles *troubles, now func() time.Time) *queue {
	q := &queue{
		senders: senders, metrics: metrics, troubles: troubles, now: now, pending: make(map[string]*notify.Delivery), busy: make(map[string]*notify.Delivery),
		targets: make(map[notify.Target]*failing), refusals: make(map[string]*refusal), results: make(chan result, len(senders)),
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
			q.tryAgainNow(d.ID)
		}
	}
}

// waiting returns the deliveries that are not being sent, for a digest. One that was refused is left out, because with content that the receiver does not
// take it would have it refuse the others as well, unless others wait for it, or those that were refused are many.
func (q *queue) waiting() []notify.Delivery {
	refused := make(map[notify.Target]int)
	for id := range q.refusals {
		refused[q.pending[id].Target]++
	}
	var waiting []notify.Delivery
	for _, d := range q.pending {
		if q.busy[d.Channel] != d && (q.refusals[d.ID] == nil || refused[d.Target] > maxRefused || q.keepsBack(d)) {
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
	q.forget(d)
	return outcome(d, notify.Merged, instead("a digest is sent instead", d), now)
}

// instead says what is sent instead of a delivery, and what its last try has brought.
func instead(text string, d *notify.Delivery) string {
	if d.Outcome != "" {
		text += "; last try: " + d.Outcome
	}
	return text
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
			ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			defer context.AfterFunc(q.stopped, cancel)()
			answer, err := send(ctx, sender, recipient, &message)
			q.results <- result{d, answer, err}
		})
	}
}

// paused reports whether a delivery was refused, or its target has failed, so lately that it is not tried.
func (q *queue) paused(d *notify.Delivery, now time.Time) bool {
	f, r := q.targets[d.Target], q.refusals[d.ID]
	switch {
	case r != nil && (r.own.holds(now) || f != nil && f.again.holds(now)):
		return true
	case f == nil:
		return false
	case d.Severity() == iot.Critical:
		return f.urgent.holds(now)
	default:
		return f.rest.holds(now)
	}
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
	switch waiting := q.waitingFor(d.Target); {
	case r.err == nil:
		q.troubles.taken(d.Target, waiting-1, now)
	case d.Kind != notify.Test:
		q.troubles.failed(d.Target, r.err, waiting, now)
	}
	switch {
	case r.err == nil:
		q.metrics.Tried(d.Channel, "sent")
		q.taken(d, now)
		q.end(d, notify.Sent, r.answer, now)
	case notify.IsRefused(r.err):
		q.metrics.Tried(d.Channel, "refused")
		q.refused(d, r.err, now)
	case tooOld(d, now) || d.Kind == notify.Test:
		q.metrics.Tried(d.Channel, "failed")
		q.end(d, notify.Failed, "given up: "+r.err.Error(), now)
	default:
		q.metrics.Tried(d.Channel, "failed")
		f := q.failing(d)
		f.rest = pauseFrom(now, f.pauses.Next())
		f.urgent = f.rest
		if r := q.refusals[d.ID]; r != nil {
			r.since = time.Time{}
		}
		q.wait(d, f.rest.until, r.err.Error())
	}
}

// tooOld reports whether a delivery has been tried for long enough.
func tooOld(d *notify.Delivery, now time.Time) bool {
	return now.Sub(d.Created) > giveUpAfter && now.Sub(d.Asked) > giveUpAfter
}

// wait notes that a delivery is tried again, and why.
func (q *queue) wait(d *notify.Delivery, due time.Time, text string) {
	d.Due, d.Outcome = due, shortened(text)
	q.done = append(q.done, outcome(d, notify.Pending, d.Outcome, time.Time{}))
}

// waitingFor returns how many deliveries of a target have not been sent.
func (q *queue) waitingFor(target notify.Target) (count int) {
	for _, d := range q.pending {
		if d.Target == target {
			count++
		}
	}
	return count
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

// end notes that a delivery is done.
func (q *queue) end(d *notify.Delivery, state notify.State, text string, now time.Time) {
	q.forget(d)
	q.done = append(q.done, outcome(d, state, text, now))
}

// forget takes a delivery out.
func (q *queue) forget(d *notify.Delivery) {
	delete(q.pending, d.ID)
	delete(q.refusals, d.ID)
}

func outcome(d *notify.Delivery, state notify.State, text string, done time.Time) Outcome {
	return Outcome{ID: d.ID, State: state, Attempts: d.Attempts, Due: d.Due, Done: done, Text: shortened(text)}
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
