package push

import "time"

const (
	// batchInterval is the shortest time between two messages of the same kind to a viewer that asked for batches: a page that
	// handles readings sixty times a second does little else.
	batchInterval = 300 * time.Millisecond
	// alertInterval is the same while there are alerts to send.
	alertInterval = 100 * time.Millisecond
)

// batched decides when the viewers that asked for batches are served. They are all served in the same rounds, so that they share their
// messages. The lock of shared guards it.
type batched struct {
	// served is when they were served last. waiting is whether something has changed since, alerts whether that includes alerts.
	served          time.Time
	waiting, alerts bool
}

// due reports whether a round at now serves these viewers, of which there are so many. changed is whether the round has something
// new, alerts whether that includes alerts.
func (b *batched) due(now time.Time, viewers int, changed, alerts bool) bool {
	b.waiting = (b.waiting || changed) && viewers > 0
	b.alerts = b.waiting && (b.alerts || alerts)
	if !b.waiting || b.pause(now) > 0 {
		return false
	}
	b.served, b.waiting, b.alerts = now, false, false
	return true
}

// pause returns how long it is until these viewers may be served again; zero or less if they may be served now.
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

// wait returns how long it is until these viewers are to be served next; negative if nothing waits for them.
func (b *batched) wait(now time.Time) time.Duration {
	if !b.waiting {
		return -1
	}
	return max(0, b.pause(now))
}
