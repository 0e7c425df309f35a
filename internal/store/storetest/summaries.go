package storetest

import (
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// checkSummary compares the only window in the store.
func checkSummary(t *testing.T, store Store, count int64, average float64) iot.WindowSummary {
	t.Helper()
	got := allSummaries(t, store)
	if len(got) != 1 {
		t.Fatalf("got %d windows, want 1: %+v", len(got), got)
	}
	if got[0].Count != count || got[0].Average() != average {
		t.Errorf("got %d readings, average %v, want %d, %v", got[0].Count, got[0].Average(), count, average)
	}
	return got[0]
}

func summariesAddUp(t *testing.T, store Store) {
	var want iot.Sum
	for partition := range int32(3) {
		f := newFeed(t, store, partition)
		values := []float64{0.1, 1e15 / float64(partition+1), -0.3}
		for _, v := range values {
			want.Add(v)
		}
		f.write(1, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 1, values...)}})
	}
	got := checkSummary(t, store, 9, want.Float64()/9)
	if got.Devices != 3 || got.Online != 6 || got.Offline != 9 || got.Min != -0.3 || got.Max != 1e15 || got.Window.Length != 30*time.Second {
		t.Errorf("got %+v, want the partitions' numbers added up", got)
	}
}

func summariesGiveWay(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.write(1, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 5, 1, 2)}})
	f.write(1, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 4, 1)}})
	checkSummary(t, store, 2, 1.5)
	f.write(1, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 6, 1, 2, 3)}})
	checkSummary(t, store, 3, 2)
	anew := f.final(0, 1, 7)
	anew.Epoch = 1
	f.write(1, archive.Batch{Summaries: []iot.WindowSummary{anew}})
	checkSummary(t, store, 1, 7)
}

func lateMarkWaits(t *testing.T, store Store) {
	f := newFeed(t, store, 2)
	f.readings(reading("a", 1, 20))
	f.write(0, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 1, 20), f.mark(0, 3)}})
	checkSummary(t, store, 1, 20)
	f.readings(reading("b", 2, 22))
	checkSummary(t, store, 1, 20)
	f.readings(reading("b", 3, 27))
	got := checkSummary(t, store, 3, 23)
	if got.Devices != 2 || got.Min != 20 || got.Max != 27 || got.Online != 2 || got.Offline != 3 {
		t.Errorf("got %+v, want two devices from 20 to 27, and the counts of the window's close", got)
	}
}

func lateMarkAtOnce(t *testing.T, store Store) {
	f, other := newFeed(t, store, 2), newFeed(t, store, 3)
	other.readings(reading("of another partition", 1, 99))
	f.readings(reading("a", 1, 20), reading("a", 40, 99), reading("b", 2, 22))
	f.write(0, archive.Batch{Summaries: []iot.WindowSummary{f.mark(0, 3)}})
	checkSummary(t, store, 2, 21)
}

func recomputedStays(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20), reading("b", 2, 22))
	f.write(0, archive.Batch{Summaries: []iot.WindowSummary{f.mark(0, 2)}})
	f.write(0, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 1, 20)}})
	checkSummary(t, store, 2, 21)
}

func newLogReleasesMarks(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20))
	f.write(0, archive.Batch{Summaries: []iot.WindowSummary{f.final(0, 1, 20), f.mark(0, 90)}})
	old := f.next
	f.next = archive.Offset{Epoch: 1, Next: 1}
	err := store.Write(t.Context(), &archive.Batch{
		Moves:    []archive.Move{{Source: archive.Source{Topic: Topic}, Old: old, New: f.next, Appended: epoch}},
		Readings: []archive.Reading{{Reading: reading("a", 2, 30)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkSummary(t, store, 2, 25)
}

func summariesPage(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	var all []iot.WindowSummary
	for window := range 10 {
		for _, kind := range []iot.DeviceType{iot.Temperature, iot.Humidity} {
			s := f.final(float64(30*window), 1, float64(window))
			s.Type = kind
			all = append(all, s)
		}
	}
	f.write(1, archive.Batch{Summaries: all})
	var got []iot.WindowSummary
	q := api.SummariesQuery{From: at(0), To: at(300), Limit: 3}
	for {
		page, err := store.Summaries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		last := page[len(page)-1]
		q.AfterStart, q.AfterType = last.Window.Start, last.Type
	}
	if len(got) != 20 {
		t.Fatalf("got %d rows, want 20", len(got))
	}
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		if a.Window.Start.After(b.Window.Start) || a.Window.Start.Equal(b.Window.Start) && a.Type >= b.Type {
			t.Errorf("row %d: %v %s does not follow %v %s", i, b.Window.Start, b.Type, a.Window.Start, a.Type)
		}
	}
	one, err := store.Summaries(t.Context(), api.SummariesQuery{Type: iot.Humidity, From: at(30), To: at(60), Limit: 10})
	if err != nil || len(one) != 1 || one[0].Type != iot.Humidity {
		t.Errorf("got %+v, %v, want one window of one type", one, err)
	}
}

func pruneKeeps(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 0, 1), reading("a", 4000, 2))
	f.appended = at(3600)
	f.write(1, archive.Batch{})
	keep := archive.Retention{Readings: time.Minute}
	if _, err := store.Prune(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	if got := points(t, store, api.ReadingsQuery{Device: "a"}); len(got) != 2 {
		t.Errorf("got %d readings, want both while the older may still be needed", len(got))
	}
	f.appended = at(3700)
	f.write(1, archive.Batch{})
	removed, err := store.Prune(t.Context(), keep)
	if err != nil || removed != 1 {
		t.Errorf("got %d removed, %v, want 1", removed, err)
	}
	if got := points(t, store, api.ReadingsQuery{Device: "a"}); len(got) != 1 || got[0].Value != 2 {
		t.Errorf("got %v, want the newer reading", got)
	}
}

func pruneRemoves(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.write(1, archive.Batch{
		Summaries: []iot.WindowSummary{f.final(0, 1, 1), f.final(300, 1, 2)},
		Alerts:    []iot.Alert{raised("a", 0, 1), cleared("a", 0, 10, 2), raised("b", 5, 3)},
	})
	f.appended = at(400)
	f.write(1, archive.Batch{})
	removed, err := store.Prune(t.Context(), archive.Retention{Summaries: 5 * time.Minute, Alerts: 5 * time.Minute})
	if err != nil || removed != 2 {
		t.Errorf("got %d removed, %v, want the older window and the cleared alert", removed, err)
	}
	checkSummary(t, store, 1, 2)
	if got := alerts(t, store, api.AlertsQuery{}); len(got) != 1 || got[0].DeviceID != "b" {
		t.Errorf("got %+v, want the open alert, however old", got)
	}
}
