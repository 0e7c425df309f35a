package kafka

import (
	"log/slog"
	"testing"
	"time"
)

func TestAStallIsALastStableOffsetThatDoesNotMove(t *testing.T) {
	var reported []time.Duration
	w := NewStallWatch(StallOptions{Logger: slog.New(slog.DiscardHandler), Stalled: func(_ int32, lasted time.Duration, _ string) { reported = append(reported, lasted) }})
	start := time.Now()
	for _, step := range []struct {
		seconds     int
		stable, end int64
		want        bool
	}{
		{0, 5, 5, false},  // All is stable.
		{1, 5, 9, false},  // A transaction has begun.
		{2, 8, 12, false}, // It has ended, and another one has begun.
		{3, 8, 14, false}, {4, 8, 20, true}, {5, 8, 20, true},
		{6, 14, 20, false}, // It has ended; the next one is too short to be reported.
		{7, 14, 20, false}, {8, 14, 20, true}, {9, 20, 20, false},
	} {
		got := w.compare(3, step.stable, step.end, start.Add(time.Duration(step.seconds)*time.Second))
		if (got != nil) != step.want {
			t.Errorf("after %d s: got %v, want %v", step.seconds, got != nil, step.want)
		}
		if got != nil {
			got.asked = start
		}
	}
	if len(reported) != 2 || reported[0] != 0 {
		t.Errorf("reported: got %v, want the ends of two stalls", reported)
	}
}
