package push

import (
	"sync"
	"time"

	"iotmon/internal/wire"
)

// dispatcher is the side of the hub that connections use: it admits a viewer, hands its connection what the viewer is to be sent next,
// and forgets it. All methods but close return without waiting for a client. They lock shared, and may be called concurrently.
type dispatcher struct {
	*shared
	// connected counts the viewers from join to leave, so that close can wait for them.
	connected sync.WaitGroup
}

// reserve makes sure that there is room for one more viewer, and reports false if there is none. join, or else release, must follow.
func (d *dispatcher) reserve() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.viewers.reserve()
}

func (d *dispatcher) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.viewers.release()
}

// join adds the viewer, for which room was reserved: it is sent what it has missed of its session, or the snapshot. It reports false when the hub
// is closing; otherwise leave must follow.
func (d *dispatcher) join(v *viewer, o opening) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.viewers.closing {
		return false
	}
	d.connected.Add(1)
	v.batched = o.batched
	v.resumed = d.resumable(o)
	d.viewers.add(v, o.filter)
	if v.resumed {
		v.seen, v.last, v.resumeFrom = o.since, o.since, o.since
	} else {
		// A client sees numbers grow from connection to connection too. The number of the last round, rather than the newest of all,
		// lets viewers that come at the same time share their messages.
		v.seen, v.last = d.feed.head, max(d.feed.roundSeq, min(o.since, d.feed.seq))
		d.backfills.start(v, d.feed.head)
	}
	report(d.options.Metrics.Connections, d.viewers.count())
	return true
}

// resumable reports whether the session that a client asks for can be resumed after the message that it saw last.
func (d *dispatcher) resumable(o opening) bool {
	point, known := d.sessions.point(o.session, d.viewers)
	return known && point.allows(o) && d.feed.keeps(o.since)
}

// next returns what the viewer is to be sent now; false if alerts that it has not seen are no longer kept. The caller must write it, or end the
// connection: the viewer counts as having seen it.
func (d *dispatcher) next(v *viewer) (frameBatch, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.composer.hold()
	defer d.composer.release()
	if v.seen < d.feed.forgotten {
		return frameBatch{}, false
	}
	var b frameBatch
	if !v.greeted {
		v.greeted = true
		b.add(plainFrame, d.composer.encoder.hello(v, d.sessions.name(v.number)))
	}
	if v.seen < d.feed.head {
		b.addBatch(d.catchUp(v))
	}
	if v.quota > 0 {
		d.composer.add(&b, v, d.backfills.spend(v, d.composer.snapshots.next))
	}
	if v.fault != nil {
		b.add(plainFrame, d.composer.encoder.fault(*v.fault, d.feed.next()))
		v.fault = nil
	}
	if len(b.messages) > 0 {
		v.last = b.messages[len(b.messages)-1].seq
	}
	if v.resumeFrom == notResumable && v.backfill.section == noSection {
		v.resumeFrom = v.last
	}
	return b, true
}

// catchUp returns the changes that the viewer has not seen. Those of devices that are too many for one round are left to its backfill.
func (d *dispatcher) catchUp(v *viewer) frameBatch {
	set := d.composer.changes.since(changeKey{v.filter, v.seen})
	if v.seen < d.feed.previous {
		// Changes of several rounds at once: a message can come before another one that holds changes of a lower number, so the
		// connection can be resumed only after the last of these messages.
		v.resumeFrom = notResumable
	}
	if set.postponedUntil > 0 {
		v.backfill.postpone(v.seen, set.postponedUntil)
		v.resumeFrom = notResumable
		d.backfills.enqueue(v)
	}
	v.seen = d.feed.head
	d.backfills.budget -= set.devices
	if v.deflate {
		return set.deflated(&d.composer.deflater)
	}
	return set.frameBatch
}

// receive handles a message from the viewer: the only kind there is changes its filter, and a snapshot follows. For anything else an
// error is sent.
func (d *dispatcher) receive(v *viewer, data []byte) {
	wanted, err := wire.DecodeFilter(data, d.options.Limits.FilterItems)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		v.fault = &wire.Error{Code: "bad_filter", Message: err.Error()}
		return
	}
	d.viewers.setFilter(v, newFilter(wanted))
	d.backfills.start(v, d.feed.head)
}

// leave removes the viewer after its connection has ended, and keeps what is needed to resume its session. The metrics receive the
// reason.
func (d *dispatcher) leave(v *viewer, reason Reason) {
	defer d.connected.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions.end(v.number, v.resumePoint())
	d.viewers.remove(v)
	report(d.options.Metrics.Connections, d.viewers.count())
	report(d.options.Metrics.Disconnected, reason)
}

// close closes every connection and waits until all viewers have left. From then on join and reserve report false.
func (d *dispatcher) close() {
	d.mu.Lock()
	d.viewers.closing = true
	d.traces.expire(time.Now(), false)
	count := d.viewers.count()
	for _, v := range d.viewers.byNumber {
		v.connection.end(ShuttingDown)
	}
	d.mu.Unlock()
	// A client that does not read what it is being sent does not see that the hub closes, and would last until its write timeout.
	force := time.AfterFunc(2*closeTimeout, d.cut)
	defer force.Stop()
	d.connected.Wait()
	d.options.Log.Info("websocket connections closed", "clients", count)
}

// cut closes the connections that are left, without a word to the clients.
func (d *dispatcher) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.viewers.byNumber {
		v.connection.cut()
	}
}
