package modbus

import "time"

// grid is the instants at which a unit is polled: the whole multiples of an interval since the Unix epoch. So two programs that poll the
// same unit, as for a moment when a source moves from one to the other, give their readings the same time.
type grid struct {
	every time.Duration
	// last is the instant of the last poll; zero before the first. ran is for how long the poller had run then.
	last time.Time
	ran  time.Duration
}

// floor returns the last instant that is not after t.
func (g *grid) floor(t time.Time) time.Time {
	nanos := t.UnixNano()
	return time.Unix(0, nanos-nanos%int64(g.every)).UTC()
}

// start sets where the polls begin: at the first instant after t.
func (g *grid) start(t time.Time) { g.last = g.floor(t) }

// next returns when the next poll is due.
func (g *grid) next() time.Time { return g.last.Add(g.every) }

// due returns the instant of the poll that is due at t, if one is, and how many before it have been skipped. A clock that has been set
// back by more than an interval begins anew: an instant that comes twice is better than no poll for an hour. Polls that a clock that has been
// set forward has passed over were never due; running is for how long the poller has run.
func (g *grid) due(t time.Time, running time.Duration) (instant time.Time, skipped int64, ok bool) {
	instant = g.floor(t)
	if g.last.Sub(instant) > g.every {
		g.start(t)
		return time.Time{}, 0, false
	}
	if !instant.After(g.last) {
		return time.Time{}, 0, false
	}
	skipped = int64(min(instant.Sub(g.last)-g.every, running-g.ran) / g.every)
	g.last, g.ran = instant, running
	return instant, skipped, true
}
