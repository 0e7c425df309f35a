package simulate

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
)

const (
	// gather is how late a reading may leave, a good half of the time it may take to reach a browser: what falls due meanwhile
	// leaves with it. A few readings together cost on their way hardly more than one alone.
	gather = 15 * time.Millisecond
	// maxPause is how long the runner does not look at the clock when nothing is due.
	maxPause = 100 * time.Millisecond
	// maxBatch bounds a batch, and so the memory that it takes, when the runner has something to catch up with.
	maxBatch = 2 * gather
	// maxLag is how far the runner may fall behind before it skips to the present: readings older than this would reach
	// nobody live, and sending them in a burst would only keep the sink busy.
	maxLag = time.Second
)

// Sink takes the readings of a Runner.
type Sink interface {
	// Enqueue takes every reading, blocking while there is no room for them. It copies what it keeps: the slice is the
	// caller's again when it returns. An error ends the Runner.
	Enqueue(ctx context.Context, readings []iot.Reading) error
}

// Runner sends a fleet's readings at their times.
type Runner struct {
	fleet         *Fleet
	sink          Sink
	now           func() time.Time
	sent, skipped atomic.Int64
}

// NewRunner returns a runner that owns the fleet from now on. The clock now is the wall clock, time.Now: it is asked
// again and again, so that a machine that was suspended, or whose clock is set, is noticed.
func NewRunner(fleet *Fleet, sink Sink, now func() time.Time) *Runner {
	return &Runner{fleet: fleet, sink: sink, now: now}
}

// Sent returns how many readings the sink has taken. It may be called at any time.
func (r *Runner) Sent() int64 { return r.sent.Load() }

// Skipped returns how many readings were never sent because the runner had fallen too far behind: the sink blocked, the
// machine slept, or its clock was set. It may be called at any time.
func (r *Runner) Skipped() int64 { return r.skipped.Load() }

// Run sends readings, from the present on, until ctx is done, which is success, or the sink fails.
func (r *Runner) Run(ctx context.Context) error {
	r.fleet.Seek(r.now())
	timer := time.NewTimer(r.pause())
	defer timer.Stop()
	var batch []iot.Reading
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		var err error
		if batch, err = r.catchUp(ctx, batch); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("hand on simulated readings: %w", err)
		}
		timer.Reset(r.pause())
	}
}

// pause returns how long it is until the next reading has waited for those that leave with it.
func (r *Runner) pause() time.Duration {
	return min(r.fleet.Next().Add(gather).Sub(r.now()), maxPause)
}

// catchUp sends what is due by now in bounded batches, using batch as its buffer. It looks at the clock before each of
// them, because the sink may have blocked; a clock set back far makes the fleet repeat itself, which does no harm, since
// the same reading comes again.
func (r *Runner) catchUp(ctx context.Context, batch []iot.Reading) ([]iot.Reading, error) {
	target := iot.CutTime(r.now())
	for {
		now, reached := r.now(), r.fleet.Reached()
		if lag := now.Sub(reached); lag > maxLag || lag < -maxLag {
			r.skipped.Add(r.fleet.Seek(now))
			return batch, nil
		}
		if !target.After(reached) {
			return batch, nil
		}
		until := reached.Add(maxBatch)
		if until.After(target) {
			until = target
		}
		batch = r.fleet.Due(until, batch[:0])
		if len(batch) == 0 {
			continue
		}
		if err := r.sink.Enqueue(ctx, batch); err != nil {
			return batch, err
		}
		r.sent.Add(int64(len(batch)))
	}
}
