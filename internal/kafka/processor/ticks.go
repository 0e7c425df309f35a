package processor

import (
	"context"
	"sync"
	"time"
)

// tickAfter is how long a partition must have been silent before it gets a tick. It lies well below process.Standstill.
const tickAfter = time.Second

// tickAnyway is how long a partition must have been silent to get a tick although it has not been read to its end, as far as is
// known: what was there may have been deleted, or been aborted.
const tickAnyway = 10 * time.Second

// ticks appends ticks without holding up the loop.
type ticks struct{ running sync.WaitGroup }

// tickSilent appends a tick to each partition that has been read to its end, is silent, and waits for time to pass. The
// tick lies behind whatever else was appended in the meantime, so it decides nothing that those records should.
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

// silent reports whether a partition is to have a tick.
func (o *owned) silent(now time.Time) bool {
	silence := now.Sub(o.lastRecord)
	if now.Sub(o.lastTick) < tickAfter || silence < tickAfter {
		return false
	}
	return o.Next() >= o.stable || silence >= tickAnyway
}

func (t *ticks) wait() { t.running.Wait() }
