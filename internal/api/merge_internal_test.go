package api

import (
	"testing"
	"time"

	"iotmon/internal/iot"
)

// If windows of two lengths overlap, as after a change of the length that some partitions have not made yet, each moment counts
// once.
func TestMergingCountsNoMomentTwice(t *testing.T) {
	start := time.Date(2024, 1, 30, 10, 0, 0, 0, time.UTC)
	m := merger{step: time.Hour}
	for _, w := range []struct {
		at, length time.Duration
		value      float64
	}{
		{0, 30 * time.Second, 1}, {0, time.Minute, 100}, {30 * time.Second, 30 * time.Second, 2},
		{time.Minute, time.Minute, 3}, {90 * time.Second, 30 * time.Second, 100}, {2 * time.Minute, time.Minute, 4},
	} {
		s := iot.WindowSummary{Type: iot.Temperature, Window: iot.Window{Start: start.Add(w.at), Length: w.length}}
		s.Add(w.value)
		m.add(&s)
	}
	m.flush()
	if len(m.done) != 1 || m.done[0].Count != 4 || m.done[0].Sum.Float64() != 10 {
		t.Errorf("got %+v, want the readings 1, 2, 3 and 4", m.done)
	}
}
