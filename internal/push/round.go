package push

import "time"

// rounds knows the round in progress and how long rounds take. In a round the hub numbers what has changed, serves every client, and
// gives the clients that wait for a backfill their turns; then it pauses, so that the next round finds enough to send. The hub's lock
// guards it.
type rounds struct {
	pace    pace
	batched batched
	// bytesPerSecond is how much of readings all clients together may be sent.
	bytesPerSecond int
	// due lists the clients of the round in progress; its room is used again.
	due []*client
	// swept is closed when the clients of the round in progress have been served; nil if there is no round, or a short one.
	swept chan struct{}
}

// longSweep is from how many clients on a sweep takes long enough for handshakes to wait for its end.
const longSweep = 100

// begin begins a round and returns the clients to serve: if something has changed, those that did not ask for batches, and with batch
// those that did. The list is valid until the next round.
func (r *rounds) begin(cs *clients, changed, batch bool) []*client {
	clear(r.due) // So that clients that have left are collected.
	r.due = r.due[:0]
	for _, c := range cs.byNumber {
		if c.batched && batch || !c.batched && changed {
			r.due = append(r.due, c)
		}
	}
	if len(r.due) >= longSweep {
		r.swept = make(chan struct{})
	}
	return r.due
}

// end notes how long it took to serve so many clients.
func (r *rounds) end(served int, took time.Duration) {
	if r.swept != nil {
		close(r.swept)
		r.swept = nil
	}
	r.pace.note(served, took)
}

// deviceBytes is about how many bytes of a message a device needs.
const deviceBytes = 256

// devices returns about how many devices so many clients together may be sent in one round.
func (r *rounds) devices(clients int) int {
	between := r.pace.pause(clients) + r.pace.round(clients)
	return int(float64(r.bytesPerSecond) * between.Seconds() / deviceBytes)
}

// allowance returns how many changed devices each of so many clients may be sent in one round.
func (r *rounds) allowance(clients int) int {
	return max(16, r.devices(clients)/max(1, clients))
}

// delay returns when the round for a change that is not urgent is due: running, if another such change is waiting already.
func (h *Hub) delay(running <-chan time.Time) <-chan time.Time {
	if running != nil {
		return running
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.After(h.rounds.pace.maxDelay(h.clients.count()))
}

// round numbers what has changed, with status also the counts of devices, and returns the clients to serve.
func (h *Hub) round(status bool) []*client {
	now := h.options.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	clients := h.clients.count()
	h.composer.beginRound()
	alerts := len(h.feed.pending.alerts) > 0
	changed := h.feed.number(status, clients > 0, now)
	h.traces.expire(time.Now(), clients > 0)
	h.backfills.budget = max(minBackfill, h.rounds.devices(clients))
	return h.rounds.begin(h.clients, changed, h.rounds.batched.due(now, changed, alerts))
}

// batchTimer returns a channel that fires when the clients that asked for batches are to be served; nil if nothing waits for them.
func (h *Hub) batchTimer() <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rounds.batched.wait(h.options.Now())
}

// sweep serves the clients of a round, without waiting for any.
func (h *Hub) sweep(due []*client) {
	began := time.Now()
	var of [behind + 1]int
	for _, c := range due {
		of[c.serve()]++
	}
	took := time.Since(began) + time.Duration(of[woken])*wakenEach
	report(h.options.Metrics.Queued, of[behind])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rounds.end(len(due), took)
	// Changes that the clients were sent leave less for backfills, but there is always a little.
	h.backfills.budget = max(minBackfill, h.backfills.budget)
}

// pause returns how long to wait after a round, and has another one begin after that if clients wait for a backfill.
func (h *Hub) pause() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.backfills.waiting) > 0 {
		signal(h.urgent)
	}
	return h.rounds.pace.pause(h.clients.count())
}

// nextBatch returns what the client is to be sent now; false if alerts that it has not seen are no longer kept.
func (h *Hub) nextBatch(c *client) (frameBatch, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.composer.hold()
	defer h.composer.release()
	if c.cursor < h.feed.forgotten {
		return frameBatch{}, false
	}
	var p frameBatch
	if !c.greeted {
		c.greeted = true
		p.add(plainFrame, h.composer.helloMessage(c, h.sessions.name(c.number)))
	}
	if c.cursor < h.feed.head {
		r := h.catchUp(c)
		if c.deflate {
			p.join(r.deflated(&h.composer.deflater))
		} else {
			p.join(r.frameBatch)
		}
		h.backfills.budget -= r.devices
	}
	if c.quota > 0 {
		h.composer.addShared(&p, c, h.backfills.use(c, h.composer.nextChunk))
	}
	if c.fault != nil {
		p.add(plainFrame, h.composer.errorMessage(*c.fault))
		c.fault = nil
	}
	if len(p.messages) > 0 {
		c.last = p.messages[len(p.messages)-1].seq
	}
	if c.resumeFrom == notResumable && c.backfill.section == noSection {
		c.resumeFrom = c.last
	}
	return p, true
}

// catchUp brings the client to the head of the sequence.
func (h *Hub) catchUp(c *client) *changeSet {
	r := h.composer.changesSince(changeKey{c.filter, c.cursor}, h.rounds.allowance(h.clients.count()))
	if c.cursor < h.feed.previous {
		// Several rounds in one: a message can stand before another with changes of a lower number, so the client can be
		// resumed only from the last.
		c.resumeFrom = notResumable
	}
	if r.postponedUntil > 0 {
		c.backfill.postpone(c.cursor, r.postponedUntil)
		c.resumeFrom = notResumable
		h.backfills.enqueue(c)
	}
	c.cursor = h.feed.head
	return r
}

// statusChanged reports whether the counts of devices or the readings per second have changed since it was last asked.
func (h *Hub) statusChanged() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.rate
	h.rate = h.view.ReadingsPerSecond(h.options.Now())
	return h.rate != before || len(h.feed.pending.statuses.list) > 0 || h.feed.pending.history
}
