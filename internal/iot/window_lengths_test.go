package iot_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// However often the length changes at a boundary of both, each moment lies in one window, and windows follow each other.
func TestWindowsOfDifferentLengthsNeverOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(1, 120)
		at := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
		lengths := iot.OneLength(time.Duration(seconds.Draw(t, "length")) * time.Second)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			length := time.Duration(seconds.Draw(t, "length")) * time.Second
			at = lengths.Boundary(at.Add(time.Duration(rapid.Int64Range(-200, 120).Draw(t, "later"))*time.Second), length)
			lengths = lengths.With(at, length)
		}
		w := lengths.WindowOf(at.Add(-10 * time.Minute))
		for w.Start.Before(at.Add(10 * time.Minute)) {
			inside := w.Start.Add(time.Duration(rapid.Int64Range(0, int64(w.Length)-1).Draw(t, "inside")))
			if got := lengths.WindowOf(inside); got != w {
				t.Fatalf("%v: got window %+v, want %+v", inside, got, w)
			}
			next := lengths.WindowOf(w.End())
			if !next.Start.Equal(w.End()) {
				t.Fatalf("behind %+v: got %+v, which does not follow", w, next)
			}
			w = next
		}
	})
}

func TestOnlySoManyLengthsAreRemembered(t *testing.T) {
	at := time.Date(2024, 1, 30, 0, 0, 0, 0, time.UTC)
	lengths := iot.OneLength(time.Second)
	for i := range 100 {
		lengths = lengths.With(at.Add(time.Duration(i)*time.Hour), time.Duration(1+i%2)*time.Second)
	}
	if len(lengths) > 8 {
		t.Errorf("got %d lengths, want no more than 8: they are part of each commit", len(lengths))
	}
	if got := lengths.WindowOf(at).Length; got != lengths[0].Length {
		t.Errorf("got %v, want the oldest length for all time before it", got)
	}
}
