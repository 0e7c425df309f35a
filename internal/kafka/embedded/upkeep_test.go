package embedded

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// After a step that takes two intervals the next step must not follow at once: readers must have time between the stages of a
// compaction.
func TestAfterALongStepTheNextOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var ended time.Time
		steps := 0
		repeat(ctx, func(context.Context) {
			if steps > 0 && time.Since(ended) < upkeepInterval {
				t.Errorf("step %d came %v after the one before, want %v", steps, time.Since(ended), upkeepInterval)
			}
			if steps == 1 {
				time.Sleep(2*upkeepInterval - time.Millisecond)
			}
			if steps++; steps == 4 {
				cancel()
			}
			ended = time.Now()
		})
	})
}
