package processor

import (
	"context"
	"sync"
	"time"
)

// tickAfter is how long a partition must be silent before it gets a tick. It is well below process.Standstill.
const tickAfter = time.Second

// tickAnyway is how long a partition must be silent before it gets a tick although it does not seem to be read to its end: the last
// records may have been deleted or aborted.
const tickAnyway = 10 * time.Second

// ticks appends ticks on goroutines of its own, so that the loop does not wait.
type ticks struct{ running sync.WaitGroup }

// tickSilent appends a tick to each silent partition that has windows, alerts or devices which depend on the time. Records that are
// appended before the tick are processed before it, so the tick cannot close a window that they belong to.
func (s *session) tickSilent(ctx context.Context) {
	now := time.Now()
	var silent []int32
	for id, part := range s.partitions {
		if part.silent(now) && part.NeedsTicks(now) {
			part.lastTick = now
			silent = append(silent, id)
		}
	}
	if len(silent) == 0 {
		return
	}
	s.ticks.running.Go(func() {
		for _, id := range silent {
			if err := s.Ticker.Tick(ctx, id); err != nil && ctx.Err() == nil {
				s.Logger.Warn("tick not appended", "partition", id, "error", err)
				return
			}
		}
	})
}

// silent reports whether a partition is silent for long enough to get a tick.
func (o *owned) silent(now time.Time) bool {
	silence := now.Sub(o.lastRecord)
	if now.Sub(o.lastTick) < tickAfter || silence < tickAfter {
		return false
	}
	return o.Next() >= o.stable || silence >= tickAnyway
}

func (t *ticks) wait() { t.running.Wait() }
