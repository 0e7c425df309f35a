package kafka

import (
	"context"
	"sync"
	"time"
)

// tickAfter is how long a partition must have been silent before it gets a tick. It lies well below process.Standstill.
const tickAfter = time.Second

// ticks appends ticks without holding up the loop.
type ticks struct{ running sync.WaitGroup }

// tickSilent appends a tick to each partition that has been read to its end, is silent, and waits for time to pass. The
// tick lies behind whatever else was appended in the meantime, so it decides nothing that those records should.
func (s *session) tickSilent(ctx context.Context) {
	now := time.Now()
	var silent []int32
	for id, part := range s.partitions {
		if now.Sub(part.lastRecord) >= tickAfter && part.Next() >= part.end && part.Waiting(now) {
			part.lastRecord = now
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

func (t *ticks) wait() { t.running.Wait() }
