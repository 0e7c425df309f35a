package view

import "time"

// rateSeconds is over how many whole seconds the rate is taken. Processors publish an open window every second, each
// at its own moment, so a shorter span would flicker.
const rateSeconds = 10

// rateWarmup is for how long after the first summary nothing is counted: the reader starts in the log's past, and what it
// catches up on within a moment was read over an hour.
const rateWarmup = 2 * time.Second

// rate measures readings per second by how the counts of the windows grow.
type rate struct {
	// since is when counting began; zero before the first summary.
	since time.Time
	// seconds is a ring of the readings counted in each of the last seconds, by Unix time.
	seconds [rateSeconds + 1]struct{ unix, readings int64 }
}

// observe counts readings that a window has grown by.
func (r *rate) observe(readings int64, now time.Time) {
	if r.since.IsZero() {
		r.since = now.Add(rateWarmup)
	}
	if now.Before(r.since) {
		return
	}
	second := &r.seconds[now.Unix()%int64(len(r.seconds))]
	if second.unix != now.Unix() {
		second.unix, second.readings = now.Unix(), 0
	}
	second.readings += readings
}

// perSecond returns the average over the last whole seconds, 0 before there is one.
func (r *rate) perSecond(now time.Time) float64 {
	if r.since.IsZero() {
		return 0
	}
	last := now.Unix() - 1
	first := max(last-rateSeconds+1, r.since.Unix()+1)
	if last < first {
		return 0
	}
	var readings int64
	for _, second := range r.seconds {
		if second.unix >= first && second.unix <= last {
			readings += second.readings
		}
	}
	return float64(readings) / float64(last-first+1)
}
