package storetest

import (
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// corrections returns the store's unpublished corrections.
func corrections(t testing.TB, store Store, limit int) []archive.Correction {
	t.Helper()
	found, err := store.Corrections(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func published(t testing.TB, store Store, corrections []archive.Correction) {
	t.Helper()
	if err := store.Published(t.Context(), corrections); err != nil {
		t.Fatal(err)
	}
}

func correctionReturned(t *testing.T, store Store) {
	f := newFeed(t, store, 2)
	f.readings(reading("a", 1, 20), reading("b", 2, 22))
	final := f.final(0, 1, 20)
	final.AlertCount, final.Alerts = 1, []iot.Alert{raised("a", 1, 1)}
	f.summaries(final)
	if found := corrections(t, store, 10); len(found) != 0 {
		t.Errorf("got %v before anything was recomputed", found)
	}
	f.summaries(f.mark(0, 2))
	for range 2 { // It is returned until it is published.
		found := corrections(t, store, 10)
		if len(found) != 1 {
			t.Fatalf("got %d corrections, want one", len(found))
		}
		got, want := found[0].Summary, onlyWindow(t, store, 2, 21)
		if !got.Final || !got.Corrected || got.Count != 2 || got.Sum.Float64() != 42 || got.Min != 20 || got.Max != 22 || len(got.Alerts) != 0 ||
			got.Type != want.Type || got.Window != want.Window || got.Online != 2 || got.Offline != 3 || got.AlertCount != 1 ||
			got.Position != (iot.Position{Partition: 2, Offset: 2}) {
			t.Errorf("got %+v, want the row %+v of partition 2 at position 2, without its alerts", got, want)
		}
	}
	published(t, store, corrections(t, store, 10))
	published(t, store, nil)
	if found := corrections(t, store, 10); len(found) != 0 {
		t.Errorf("got %v after it was published", found)
	}
}

// A window that is recomputed again while its correction is being published is published again, also at the same position.
func correctionAgain(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20), reading("b", 2, 22))
	f.summaries(f.final(0, 9, 20))
	f.summaries(f.mark(0, 2))
	first := corrections(t, store, 10)
	f.readings(reading("c", 3, 24))
	f.summaries(f.mark(0, 3))
	published(t, store, first)
	found := corrections(t, store, 10)
	if len(found) != 1 || found[0].Summary.Count != 3 || found[0].Summary.Offset != 9 {
		t.Errorf("got %+v, want the correction to 3 readings, at the position of the close", found)
	}
	published(t, store, found)
	if found := corrections(t, store, 10); len(found) != 0 {
		t.Errorf("got %v after all was published", found)
	}
}

func correctionsPage(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	const windows = 200
	var marks []iot.WindowSummary
	for n := range windows {
		f.readings(reading("a", float64(30*n+1), 20))
		marks = append(marks, f.mark(float64(30*n), int64(n+1)))
	}
	f.summaries(marks...)
	if err := store.Recompute(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := make(map[time.Time]bool)
	for found := corrections(t, store, 70); len(found) > 0; found = corrections(t, store, 70) {
		for _, c := range found {
			seen[c.Summary.Window.Start] = true
		}
		if len(found) > 70 {
			t.Errorf("got %d at once, want at most 70", len(found))
		}
		published(t, store, found)
	}
	if len(seen) != windows {
		t.Errorf("got corrections of %d windows, want %d", len(seen), windows)
	}
}

// A recomputation that finds fewer readings than were counted corrects and publishes nothing.
func correctionOfNothing(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20))
	f.summaries(f.final(0, 1, 20, 21, 22), f.mark(0, 1), f.mark(60, 1))
	if found := corrections(t, store, 10); len(found) != 0 {
		t.Errorf("got %+v, want none", found)
	}
}
