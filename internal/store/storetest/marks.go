package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

func lateMarkWaits(t *testing.T, store Store) {
	f := newFeed(t, store, 2)
	f.readings(reading("a", 1, 20))
	final := f.final(0, 1, 20)
	final.AlertCount, final.Alerts = 1, []iot.Alert{raised("a", 1, 1)}
	f.summaries(final, f.mark(0, 3))
	onlyWindow(t, store, 1, 20)
	f.readings(reading("b", 2, 22))
	onlyWindow(t, store, 1, 20)
	f.readings(reading("b", 3, 27))
	got := onlyWindow(t, store, 3, 23)
	if got.Devices != 2 || got.Min != 20 || got.Max != 27 {
		t.Errorf("got %+v, want two devices from 20 to 27", got)
	}
	if got.Online != 2 || got.Offline != 3 || got.AlertCount != 1 || len(got.Alerts) != 1 {
		t.Errorf("got %+v, want online, offline and alerts as they were when the window closed", got)
	}
}

func lateMarkAtOnce(t *testing.T, store Store) {
	f := newFeed(t, store, 2)
	f.readings(reading("a", 1, 20), reading("b", 2, 22))
	f.summaries(f.final(0, 1, 20))
	f.summaries(f.mark(0, 2))
	onlyWindow(t, store, 2, 21)
}

// A mark may be in the batch of its final summary, or of its readings.
func lateMarkAlone(t *testing.T, store Store) {
	f := newFeed(t, store, 2)
	f.write(2, archive.Batch{
		Readings:  f.of(reading("a", 1, 20), reading("b", 2, 22)),
		Summaries: []iot.WindowSummary{f.mark(0, 2), f.mark(60, 2)},
	})
	got := onlyWindow(t, store, 2, 21)
	if got.Devices != 2 || got.Online != 0 || got.AlertCount != 0 || got.Window.Length != 30*time.Second {
		t.Errorf("got %+v, want what follows from the readings and nothing else", got)
	}
}

func recomputedStays(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20), reading("b", 2, 22))
	f.summaries(f.mark(0, 2))
	f.summaries(f.final(0, 1, 20))
	onlyWindow(t, store, 2, 21)
	f.summaries(f.final(0, 3, 20, 22, 24))
	onlyWindow(t, store, 3, 22)
}

func recomputedOwn(t *testing.T, store Store) {
	f, other := newFeed(t, store, 2), newFeed(t, store, 3)
	other.readings(reading("of another partition", 1, 99))
	// The device has changed its type within the window.
	humid := reading("a", 7, 99)
	humid.Type = iot.Humidity
	f.readings(
		reading("a", -0.000001, 99), reading("a", 0, 20), reading("a", 29.999999, 22), reading("a", 30, 99), humid)
	f.summaries(f.mark(0, 5))
	got := onlyWindow(t, store, 2, 21)
	if got.Type != iot.Temperature || got.Devices != 1 {
		t.Errorf("got %+v, want the one device of the type", got)
	}
}

// Whatever comes late, the final window is as if everything had been in time.
func recomputedEqualsCounting(t *testing.T, store Store) {
	f, start := newFeed(t, store, 0), 0.0
	rapid.Check(t, func(t *rapid.T) {
		start += 30
		values := exact().Draw(t, "values")
		inTime := rapid.IntRange(0, len(values)).Draw(t, "in time")
		var want iot.Summary
		final := f.final(start, f.next.Next+int64(inTime))
		mark := f.mark(start, f.next.Next+int64(len(values)))
		var readings []iot.Reading
		for i, v := range values {
			want.Add(v)
			if i < inTime {
				final.Add(v)
			}
			readings = append(readings, reading(fmt.Sprint("device ", i%3), start+float64(i)/float64(len(values)), v))
		}
		f.readings(readings[:inTime]...)
		late := readings[inTime:]
		if rapid.Bool().Draw(t, "mark first") {
			f.summaries(final, mark)
			f.readings(late...)
		} else {
			f.readings(late...)
			f.summaries(final, mark)
		}
		got := windows(f.t, store, api.SummariesQuery{From: at(start), To: at(start + 30)})
		if len(got) != 1 || got[0].Count != want.Count || math.Float64bits(got[0].Sum.Float64()) != math.Float64bits(want.Sum.Float64()) ||
			got[0].Min != want.Min || got[0].Max != want.Max || got[0].Devices != int64(min(3, len(values))) {
			t.Fatalf("got %+v, want %+v bit for bit", got, want)
		}
	})
}

func recomputedNeverLoses(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	// Of three readings that the processor counted, Kafka has deleted two before they were archived.
	f.readings(reading("a", 1, 20), reading("b", 2, 50))
	f.summaries(f.final(0, 1, 20, 21, 22), f.mark(0, 2))
	onlyWindow(t, store, 3, 21)
	// The mark is removed all the same, and does not return with the next batch.
	f.readings(reading("c", 40, 1))
	onlyWindow(t, store, 3, 21)
}

func markOfEveryType(t *testing.T, store Store) {
	const n = 40
	f, other := newFeed(t, store, 2), newFeed(t, store, 3)
	other.readings(reading("of another partition", 1, 99))
	marks := []iot.WindowSummary{f.mark(30*n, 2*n)} // Nobody has sent readings in this window.
	var readings []iot.Reading
	for i := range n {
		start := float64(30 * i)
		humid := reading("b", start+1, 40)
		humid.Type = iot.Humidity
		readings = append(readings, reading("a", start, float64(i)), humid)
		marks = append(marks, f.mark(start, 2*n))
	}
	for i := range marks {
		marks[i].Type = ""
	}
	f.summaries(append(marks, f.final(0, 1, 20), f.final(30, 3*n, 0, 0, 0))...)
	if err := store.Recompute(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := windows(t, store, api.SummariesQuery{}); len(got) != 2 { // The readings are not stored yet.
		t.Fatalf("got %d windows, want the two that were counted", len(got))
	}
	f.readings(readings...)
	if err := store.Recompute(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := make(map[iot.DeviceType]int)
	for _, s := range windows(t, store, api.SummariesQuery{}) {
		count[s.Type]++
		i := s.Window.Start.Sub(at(0)) / (30 * time.Second)
		want := map[iot.DeviceType]float64{iot.Temperature: float64(i), iot.Humidity: 40}[s.Type]
		if s.Type == iot.Temperature && i == 1 {
			if s.Count != 3 {
				t.Errorf("got %+v, want the three readings that were counted and are not there", s)
			}
		} else if s.Count != 1 || s.Average() != want || s.Partition != 2 {
			t.Errorf("got %+v, want one reading of %v", s, want)
		}
	}
	if count[iot.Temperature] != n || count[iot.Humidity] != n || len(count) != 2 {
		t.Errorf("got windows %v, want %d of both types", count, n)
	}
}

func manyMarks(t *testing.T, store Store) {
	const n = 200
	f := newFeed(t, store, 0)
	var late []iot.Reading
	var marks []iot.WindowSummary
	for i := range n {
		late = append(late, reading("a", float64(30*i), float64(i)))
		marks = append(marks, f.mark(float64(30*i), n))
	}
	f.write(n, archive.Batch{Readings: f.of(late...), Summaries: marks})
	if err := store.Recompute(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := windows(t, store, api.SummariesQuery{})
	if len(got) != n {
		t.Fatalf("got %d windows, want %d", len(got), n)
	}
	for i, s := range got {
		if s.Count != 1 || s.Average() != float64(i) {
			t.Errorf("window %d: got %d readings of %v", i, s.Count, s.Average())
		}
	}
}

func newLogReleasesMarks(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20))
	f.summaries(f.final(0, 1, 20), f.mark(0, 90))
	onlyWindow(t, store, 1, 20)
	next := archive.Offset{Epoch: 1, Next: 1}
	err := store.Write(t.Context(), &archive.Batch{
		Moves:    []archive.Move{{Source: source(0), Old: f.next, New: next, Appended: epoch}},
		Readings: f.of(reading("a", 2, 30)),
	})
	if err != nil {
		t.Fatal(err)
	}
	onlyWindow(t, store, 2, 25)
	// The new log's positions count from its start.
	f.next = next
	mark := f.mark(0, 2)
	mark.Epoch = 1
	f.summaries(mark)
	onlyWindow(t, store, 2, 25)
	f.readings(reading("a", 3, 40))
	onlyWindow(t, store, 3, 30)
}
