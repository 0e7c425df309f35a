package iot_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func TestWindowOf(t *testing.T) {
	const length = 30 * time.Second
	for _, test := range []struct{ at, start string }{
		{"2024-01-30T10:30:00Z", "2024-01-30T10:30:00Z"},
		{"2024-01-30T10:30:29.999999Z", "2024-01-30T10:30:00Z"},
		{"2024-01-30T10:30:30Z", "2024-01-30T10:30:30Z"},
		{"2024-01-30T18:30:31+08:00", "2024-01-30T10:30:30Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:30Z"},
		{"1969-12-31T23:59:30Z", "1969-12-31T23:59:30Z"},
		{"1969-12-31T23:59:29.999999999Z", "1969-12-31T23:59:00Z"},
	} {
		at, err := time.Parse(time.RFC3339Nano, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := iot.WindowOf(at, length).Start.Format(time.RFC3339Nano); got != test.start {
			t.Errorf("window of %s: got %s, want %s", test.at, got, test.start)
		}
	}
}

func TestWindowsCoverTimeWithoutGapOrOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A hundred years to both sides of 1970.
		at := time.Unix(rapid.Int64Range(-3_155_760_000, 3_155_760_000).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
		length := time.Duration(rapid.Int64Range(1, 24*3600*1e6).Draw(t, "length")) * time.Microsecond
		w := iot.WindowOf(at, length)
		if !w.Contains(at) {
			t.Fatalf("window %v to %v does not contain %v", w.Start, w.End(), at.UTC())
		}
		if w.Start.UnixMicro()%length.Microseconds() != 0 || w.Start.Location() != time.UTC {
			t.Fatalf("window starts at %v, which is not aligned to %v in UTC", w.Start, length)
		}
		if w.Contains(w.End()) || !w.Contains(w.Start) || w.Contains(w.Start.Add(-1)) || !w.Contains(w.End().Add(-1)) {
			t.Fatalf("window %v to %v is not half open", w.Start, w.End())
		}
		if got, want := w.Next(), iot.WindowOf(w.End(), length); got != want {
			t.Fatalf("next: got %v, want %v", got, want)
		}
	})
}
