package storetest

import (
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// ofLength returns the summary with another length of its window.
func ofLength(s iot.WindowSummary, length time.Duration) iot.WindowSummary {
	s.Window.Length = length
	return s
}

// lengths returns the length and count of windows.
func lengths(all []iot.WindowSummary) map[time.Duration]int64 {
	counts := make(map[time.Duration]int64)
	for i := range all {
		counts[all[i].Window.Length] += all[i].Count
	}
	return counts
}

func expectLengths(t *testing.T, store Store, half, whole int64) {
	t.Helper()
	got := windows(t, store, api.SummariesQuery{})
	if counts := lengths(got); len(got) != 2 || counts[30*time.Second] != half || counts[time.Minute] != whole {
		t.Errorf("got %v, want %d readings in the window of 30 s and %d in that of a minute", counts, half, whole)
	}
}

func lengthsStayApart(t *testing.T, store Store) {
	f, other := newFeed(t, store, 0), newFeed(t, store, 1)
	half := f.final(0, 1, 1, 2, 3)
	half.Alerts = []iot.Alert{raised("a", 0, 1)}
	f.summaries(half)
	f.summaries(ofLength(f.final(0, 9, 7), time.Minute))
	other.summaries(ofLength(other.final(0, 9, 8), time.Minute))
	expectLengths(t, store, 3, 2)
	got := windows(t, store, api.SummariesQuery{})
	if got[0].Window.Length != 30*time.Second || len(got[0].Alerts) != 1 || len(got[1].Alerts) != 0 {
		t.Errorf("got %+v, want the shorter window first, and the alert with it", got)
	}
}

func lengthOfMark(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.summaries(f.mark(0, 3), ofLength(f.mark(0, 3), time.Minute))
	f.readings(reading("a", 1, 1), reading("a", 31, 1), reading("a", 61, 1))
	expectLengths(t, store, 1, 2)
}

func lengthsPage(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	for window := range 3 {
		start := float64(60 * window)
		f.summaries(f.final(start, 1, 1), ofLength(f.final(start, 1, 1), time.Minute))
	}
	seen := 0
	for q := (api.SummariesQuery{Limit: 1}); ; seen++ {
		page := windows(t, store, q)
		if len(page) == 0 {
			break
		}
		last := page[len(page)-1]
		q.AfterStart, q.AfterType, q.AfterLength = last.Window.Start, last.Type, last.Window.Length
		if want := []time.Duration{30 * time.Second, time.Minute}[seen%2]; len(page) != 1 || last.Window.Length != want {
			t.Fatalf("page %d: got %+v, want one window of %v", seen, page, want)
		}
	}
	if seen != 6 {
		t.Errorf("got %d windows, want 6", seen)
	}
}

// qualities stores one reading of each quality, of a device of its own, and the mark of their window.
func qualities(f *feed, all ...iot.Quality) {
	var readings []iot.Reading
	for i, quality := range all {
		r := reading(string(quality)+"?", float64(i), 20+float64(i))
		r.Quality = quality
		readings = append(readings, r)
	}
	f.write(int64(len(all)), archive.Batch{Readings: f.of(readings...), Summaries: []iot.WindowSummary{f.mark(0, int64(len(all)))}})
}

func badBeside(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	qualities(f, iot.Good, iot.Uncertain, iot.Bad)
	got := onlyWindow(t, store, 2, 20.5)
	if got.Uncertain != 1 || got.Bad != 1 || got.Max != 21 {
		t.Errorf("got %+v, want one uncertain reading among them and a bad one beside", got)
	}
	// The processor's counts are stored too.
	final := f.final(0, 9, 1, 2)
	final.AddReading(3, iot.Uncertain)
	final.AddReading(99, iot.Bad)
	f.summaries(final)
	if got := onlyWindow(t, store, 3, 2); got.Uncertain != 1 || got.Bad != 1 {
		t.Errorf("got %+v, want one uncertain reading among them and a bad one beside", got)
	}
}

func badAlone(t *testing.T, store Store) {
	qualities(newFeed(t, store, 0), iot.Bad, iot.Bad)
	if got := onlyWindow(t, store, 0, 0); got.Bad != 2 {
		t.Errorf("got %+v, want two bad readings", got)
	}
}
