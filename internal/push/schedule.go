package push

import (
	"context"
	"time"
)

// schedule decides when rounds begin: at once after an urgent change; after any other change a little later, so that it may be sent
// together with an urgent one. The counts of devices count as such a change, once a second, if they have changed. Between two rounds is
// a pause, so that each finds enough to send.
type schedule struct {
	// A signal on urgent begins a round as soon as the pause is over, one on deferred within maxDelay. Each channel holds one signal:
	// further ones before the next round change nothing.
	urgent, deferred chan struct{}
}

// scheduled executes the rounds that a schedule begins.
type scheduled interface {
	// statusChanged reports whether the counts of devices or the readings per second have changed since it was last called.
	statusChanged() bool
	// maxDelay returns how long a change that is not urgent may wait for a round.
	maxDelay() time.Duration
	// run executes one round, which also sends the counts of devices if status is set.
	run(status bool) following
}

// following is what a round says about the next ones.
type following struct {
	// pause is how long to wait before the next round. again is whether one is to follow in any case.
	pause time.Duration
	again bool
	// batch is when the viewers that asked for batches are to be served, counted from now; negative if nothing waits for them.
	batch time.Duration
}

func newSchedule() *schedule {
	return &schedule{urgent: make(chan struct{}, 1), deferred: make(chan struct{}, 1)}
}

// signal wakes the goroutine that receives from the channel, which has room for one signal: more before it wakes change nothing.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// run begins rounds until the context is cancelled.
func (s *schedule) run(ctx context.Context, rounds scheduled) {
	status := time.NewTicker(time.Second)
	defer status.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	statusDue := false
	// delayed fires when the first change that is not urgent has waited for long enough; nil while there is none.
	var delayed <-chan time.Time
	// batch fires when the viewers that asked for batches are to be served; nil while nothing waits for them.
	var batch <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-status.C:
			statusDue = statusDue || rounds.statusChanged()
			if statusDue && delayed == nil {
				delayed = time.After(rounds.maxDelay())
			}
			continue
		case <-s.deferred:
			if delayed == nil {
				delayed = time.After(rounds.maxDelay())
			}
			continue
		case <-delayed:
		case <-batch:
		case <-s.urgent:
		}
		next := rounds.run(statusDue)
		statusDue, delayed, batch = false, nil, nil
		if next.batch >= 0 {
			batch = time.After(next.batch)
		}
		if next.again {
			signal(s.urgent)
		}
		pause.Reset(next.pause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}
