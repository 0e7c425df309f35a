package simulate

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
)

const (
	// gather is how long a due reading waits to be sent together with others, a good half of the latency budget to the
	// browser. A few readings together cost hardly more than a single one.
	gather = 15 * time.Millisecond
	// maxPause is the longest interval between two looks at the clock.
	maxPause = 100 * time.Millisecond
	// maxBatch is the maximum time span of a batch, which limits its memory while the runner catches up.
	maxBatch = 2 * gather
	// maxLag is how far the runner may be behind before it skips to the present: older readings are no longer live, and a
	// burst of them would only load the sink.
	maxLag = time.Second
)

// Sink accepts the readings of a Runner.
type Sink interface {
	// Enqueue accepts all readings and blocks while its buffer is full. It does not keep the slice. An error ends the
	// Runner.
	Enqueue(ctx context.Context, readings []iot.Reading) error
}

// Runner sends a fleet's readings at their times.
type Runner struct {
	fleet         *Fleet
	sink          Sink
	now           func() time.Time
	sent, skipped atomic.Int64
}

// NewRunner returns a runner, which owns the fleet from now on. now is the wall clock, such as time.Now; the runner reads
// it repeatedly, so it notices a suspended machine or a changed clock.
func NewRunner(fleet *Fleet, sink Sink, now func() time.Time) *Runner {
	return &Runner{fleet: fleet, sink: sink, now: now}
}

// Sent returns how many readings the sink has accepted. It may be called at any time.
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

// pause returns how long to wait until the next reading is due and has waited for gather.
func (r *Runner) pause() time.Duration {
	return min(r.fleet.Next().Add(gather).Sub(r.now()), maxPause)
}

// catchUp sends all due readings in bounded batches, with batch as its buffer. It reads the clock before each batch,
// because the sink may have blocked. If the clock was set back, the fleet generates the same readings again, which is
// harmless.
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
