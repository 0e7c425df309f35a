package view

import "time"

// rateSeconds is over how many whole seconds the rate is averaged. Each processor publishes its open windows once a second, at a
// moment of its own; over a shorter span the rate would vary although the readings do not.
const rateSeconds = 10

// rateWarmup is how long after the first summary nothing is counted. A reader starts in the log's past and reads within a moment
// the summaries of an hour; counted, they would show as an enormous rate.
const rateWarmup = 2 * time.Second

// rate measures readings per second by the growth of the windows' counts.
type rate struct {
	// since is when counting begins, rateWarmup after the first summary; zero before that summary.
	since time.Time
	// seconds counts the readings of each of the last seconds. The entry of a second is at its Unix time modulo the length.
	seconds [rateSeconds + 1]struct{ unix, readings int64 }
}

// observe adds the number of readings by which a window has grown.
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

// perSecond returns the average over the last rateSeconds whole seconds, or over fewer soon after the start, when it is 0 at
// first.
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
