package push

import "time"

// rounds executes the rounds. Each numbers what has changed, serves the viewers, and gives those that wait for a backfill their turns. How
// long that takes decides how soon the next round follows and how many devices it may send. One goroutine calls run; sweeping may be
// called from any.
type rounds struct {
	*shared

	// The lock of shared guards what follows.
	pace    pace
	batched batched
	// due lists the viewers of the round in progress; its memory is used again.
	due []*viewer
	// swept is closed when the viewers of the round in progress have been served; nil if there is no round, or a short one.
	swept chan struct{}
	// rate is the readings per second when statusChanged was last called.
	rate float64
}

// minAllowance is how many changed devices a viewer may be sent in every round, however many viewers there are.
const minAllowance = 16

// longSweep is the number of viewers from which on handshakes wait until a round has served them, because that takes long.
const longSweep = 100

// run executes one round, which also sends the counts of devices if status is set. It waits for no client.
func (r *rounds) run(status bool) following {
	r.sweep(r.begin(status))
	r.runBackfills()
	r.mu.Lock()
	defer r.mu.Unlock()
	return following{
		pause: r.pace.pause(r.viewers.count()),
		again: len(r.backfills.waiting) > 0,
		batch: r.batched.wait(r.options.Now()),
	}
}

// begin numbers what has changed, and returns the viewers to serve. The list is valid until the next round.
func (r *rounds) begin(status bool) []*viewer {
	now := r.options.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	count := r.viewers.count()
	room := r.room(count)
	r.composer.beginRound(max(minAllowance, room/max(1, count)))
	alerts := len(r.feed.pending.alerts) > 0
	changed := r.feed.number(status, count > 0, now)
	r.traces.expire(time.Now(), count > 0)
	r.backfills.budget = max(minBackfill, room)
	r.list(changed, r.batched.due(now, r.viewers.batched, changed, alerts))
	if len(r.due) >= longSweep {
		r.swept = make(chan struct{})
	}
	return r.due
}

// list sets due: if something has changed, to the viewers that did not ask for batches, and with batch also to those that did.
func (r *rounds) list(changed, batch bool) {
	clear(r.due) // So that viewers that have left are collected.
	r.due = r.due[:0]
	for _, v := range r.viewers.byNumber {
		if v.batched && batch || !v.batched && changed {
			r.due = append(r.due, v)
		}
	}
}

// sweep serves the viewers of a round.
func (r *rounds) sweep(due []*viewer) {
	began := time.Now()
	var counts [behind + 1]int
	for _, v := range due {
		counts[v.connection.serve()]++
	}
	took := time.Since(began) + time.Duration(counts[handedOver])*handOverCost
	report(r.options.Metrics.Queued, counts[behind])
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.swept != nil {
		close(r.swept)
		r.swept = nil
	}
	r.pace.record(len(due), took)
	// What the viewers were sent leaves less for backfills, but there is always a little.
	r.backfills.budget = max(minBackfill, r.backfills.budget)
}

// sweeping returns a channel that is closed when the round in progress has served its viewers; nil if there is no round, or a short one.
func (r *rounds) sweeping() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.swept
}

// runBackfills gives each waiting viewer one turn at most, until the time that a round has for backfills is used up.
func (r *rounds) runBackfills() {
	r.mu.Lock()
	turns, limit := len(r.backfills.waiting), r.pace.backfillTime(r.viewers.count())
	r.mu.Unlock()
	for until := time.Now().Add(limit); turns > 0; turns-- {
		v := r.nextTurn(turns)
		if v == nil {
			return
		}
		v.connection.serve()
		if time.Now().After(until) {
			return
		}
	}
}

// nextTurn returns the viewer that is served next for its backfill; nil if there is none, or no budget left.
func (r *rounds) nextTurn(turns int) *viewer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backfills.nextTurn(turns, r.viewers.connected)
}

// deviceBytes is about how many bytes of a message a device needs.
const deviceBytes = 256

// room returns about how many devices so many viewers together may be sent in one round.
func (r *rounds) room(viewers int) int {
	between := r.pace.pause(viewers) + r.pace.round(viewers)
	return int(float64(r.options.Limits.BytesPerSecond) * between.Seconds() / deviceBytes)
}

// maxDelay returns how long a change that is not urgent may wait for a round.
func (r *rounds) maxDelay() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.maxDelay(r.viewers.count())
}

// statusChanged reports whether the counts of devices or the readings per second have changed since it was last called.
func (r *rounds) statusChanged() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.rate
	r.rate = r.options.View.ReadingsPerSecond(r.options.Now())
	return r.rate != before || len(r.feed.pending.statuses.list) > 0 || r.feed.pending.history
}
