package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/retry"
)

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	for range 1000 {
		b := retry.NewBackoff(100*time.Millisecond, 500*time.Millisecond)
		for round := range 2 {
			for i, most := range []time.Duration{100, 200, 400, 500, 500, 500} {
				most *= time.Millisecond
				// A pause is cut to the millisecond below.
				if got := b.Next(); got < most/2-time.Millisecond || got > most {
					t.Fatalf("round %d, pause %d: got %v, want from %v to %v", round, i, got, most/2, most)
				}
			}
			b.Reset()
		}
	}
}

func TestPausesDiffer(t *testing.T) {
	pauses := make(map[time.Duration]bool)
	for range 100 {
		pauses[retry.NewBackoff(time.Second, time.Minute).Next()] = true
	}
	if len(pauses) < 20 {
		t.Errorf("got %d different pauses of 100, want many", len(pauses))
	}
}

func TestWaitEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := retry.Wait(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v, want nil after a minute", err, time.Since(start))
		}
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := retry.Wait(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want the context's error after a second", err, time.Since(start))
		}
		start = time.Now()
		b := retry.NewBackoff(time.Minute, time.Hour)
		if err := b.Wait(t.Context()); err != nil || time.Since(start) < 30*time.Second-time.Millisecond || time.Since(start) > time.Minute {
			t.Errorf("got %v after %v, want nil within half a minute to a minute", err, time.Since(start))
		}
	})
}

// What fails is tried again after growing pauses, which begin anew after progress, until the context ends.
func TestRepeatPausesLongerUntilThereIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		failure := errors.New("no database")
		var pauses []time.Duration
		tries := 0
		err := retry.NewBackoff(time.Second, time.Minute).Repeat(ctx, func(context.Context) (bool, error) {
			if tries++; tries == 6 {
				cancel()
			}
			return tries == 4, failure
		}, func(err error, pause time.Duration) {
			if err != failure {
				t.Errorf("got %v, want %v", err, failure)
			}
			pauses = append(pauses, pause)
		})
		if err != nil || tries != 6 || len(pauses) != 5 {
			t.Fatalf("got %v after %d tries and %v, want nil after 6 and 5 pauses", err, tries, pauses)
		}
		for i, most := range []time.Duration{1, 2, 4, 1, 2} {
			if most *= time.Second; pauses[i] < most/2-time.Millisecond || pauses[i] > most {
				t.Errorf("pause %d: got %v, want from %v to %v", i, pauses[i], most/2, most)
			}
		}
	})
}
