package push

import "time"

const (
	// batchInterval is the shortest time between two messages of the same kind to a client that asked for batches: a page that
	// handles readings sixty times a second does little else.
	batchInterval = 300 * time.Millisecond
	// alertInterval is the same while there are alerts to send.
	alertInterval = 100 * time.Millisecond
)

// batched is when the clients that asked for batches are served. They are all served in the same rounds, so that they share their
// messages. The hub's lock guards it.
type batched struct {
	clients int
	// served is when they were served last. waiting is whether something has changed since, alerts whether that includes alerts.
	served          time.Time
	waiting, alerts bool
}

// due reports whether a round at now serves these clients, given whether it has something new, and whether that includes alerts.
func (b *batched) due(now time.Time, changed, alerts bool) bool {
	b.waiting = (b.waiting || changed) && b.clients > 0
	b.alerts = b.waiting && (b.alerts || alerts)
	if !b.waiting || b.pause(now) > 0 {
		return false
	}
	b.served, b.waiting, b.alerts = now, false, false
	return true
}

// pause returns how long it is until these clients may be served again.
func (b *batched) pause(now time.Time) time.Duration {
	interval := batchInterval
	if b.alerts {
		interval = alertInterval
	}
	since := now.Sub(b.served)
	if since < 0 { // The clock was set back.
		return 0
	}
	return interval - since
}

// wait returns a channel that fires when these clients are to be served next; nil if nothing waits for them.
func (b *batched) wait(now time.Time) <-chan time.Time {
	if !b.waiting {
		return nil
	}
	return time.After(max(0, b.pause(now)))
}
