// Package storetest is the conformance suite of the archive's stores: every backend passes the same tests.
package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// Store is what a backend must be.
type Store interface {
	archive.Store
	api.History
}

// Topic is the readings' topic that open must configure.
const Topic = "device-data"

// Run runs the suite. open returns an empty store, which it closes when the test has ended.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"offsets move by compare and set":                 offsetsMove,
		"a batch is written whole or not at all":          batchIsWhole,
		"the first of two readings wins":                  firstReadingWins,
		"readings come back in order":                     readingsInOrder,
		"thinned readings keep first, last and extremes":  thinnedReadings,
		"summaries of partitions add up exactly":          summariesAddUp,
		"a summary gives way to a higher position only":   summariesGiveWay,
		"a late mark waits for its readings":              lateMarkWaits,
		"a late mark behind its readings works at once":   lateMarkAtOnce,
		"a recomputed window is not overwritten":          recomputedStays,
		"a log that began anew releases its marks":        newLogReleasesMarks,
		"summaries page without gap or repeat":            summariesPage,
		"alerts fold into one row":                        alertsFold,
		"alerts page and narrow":                          alertsPage,
		"a historical event within an alert is dropped":   historicalDropped,
		"pruning keeps what a late reading may need":      pruneKeeps,
		"pruning removes old summaries and closed alerts": pruneRemoves,
		"an empty store answers with nothing":             emptyAnswers,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return iot.CutTime(epoch.Add(time.Duration(seconds * float64(time.Second))))
}

// feed writes to one partition of the readings' topic as an archiver would, keeping the offsets in step.
type feed struct {
	t         *testing.T
	store     Store
	partition int32
	next      archive.Offset
	appended  time.Time
}

func newFeed(t *testing.T, store Store, partition int32) *feed {
	return &feed{t: t, store: store, partition: partition, appended: epoch}
}

// write stores a batch that moves the readings' offset by the given number of records.
func (f *feed) write(records int64, batch archive.Batch) {
	f.t.Helper()
	old := f.next
	f.next.Next += records
	batch.Moves = []archive.Move{{
		Source: archive.Source{Topic: Topic, Partition: f.partition}, Old: old, New: f.next, Appended: f.appended,
	}}
	if err := f.store.Write(f.t.Context(), &batch); err != nil {
		f.t.Fatalf("write: %v", err)
	}
}

// readings stores readings, one record each.
func (f *feed) readings(readings ...iot.Reading) {
	f.t.Helper()
	var batch archive.Batch
	for _, r := range readings {
		batch.Readings = append(batch.Readings, archive.Reading{Reading: r, Partition: f.partition})
	}
	f.write(int64(len(readings)), batch)
}

// mark announces a late reading at the given position.
func (f *feed) mark(start float64, position int64) iot.WindowSummary {
	return iot.WindowSummary{
		Type:     iot.Temperature,
		Window:   iot.Window{Start: at(start), Length: 30 * time.Second},
		Position: iot.Position{Partition: f.partition, Offset: position},
		Late:     true,
	}
}

// final is the summary of the given values.
func (f *feed) final(start float64, position int64, values ...float64) iot.WindowSummary {
	s := f.mark(start, position)
	s.Late, s.Final = false, true
	for _, v := range values {
		s.Add(v)
	}
	s.Devices, s.Online, s.Offline = 1, 2, 3
	return s
}

func reading(device string, seconds, value float64) iot.Reading {
	return iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature, Unit: "°C", Location: iot.Location{Building: "A栋", Floor: 3}},
		Time:   at(seconds), Value: value, Status: iot.Online,
	}
}

func allSummaries(t *testing.T, store Store) []iot.WindowSummary {
	t.Helper()
	got, err := store.Summaries(t.Context(), api.SummariesQuery{From: at(-1e6), To: at(1e6), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func points(t *testing.T, store Store, q api.ReadingsQuery) []api.Point {
	t.Helper()
	if q.To.IsZero() {
		q.From, q.To = at(-1e6), at(1e6)
	}
	if q.MaxPoints == 0 {
		q.MaxPoints = 1000
	}
	got, err := store.Readings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func offsetsMove(t *testing.T, store Store) {
	source := archive.Source{Topic: "alerts", Partition: 4}
	write := func(old, next archive.Offset) error {
		return store.Write(t.Context(), &archive.Batch{Moves: []archive.Move{{Source: source, Old: old, New: next, Appended: epoch}}})
	}
	if err := write(archive.Offset{}, archive.Offset{Next: 7}); err != nil {
		t.Fatal(err)
	}
	if err := write(archive.Offset{}, archive.Offset{Next: 9}); !errors.Is(err, archive.ErrTaken) {
		t.Errorf("from a place it has left: got %v, want ErrTaken", err)
	}
	if err := write(archive.Offset{Next: 7}, archive.Offset{Epoch: 1, Next: 2}); err != nil {
		t.Errorf("to a new epoch: %v", err)
	}
	got, err := store.Offsets(t.Context(), "alerts")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[source] != (archive.Offset{Epoch: 1, Next: 2}) {
		t.Errorf("got %v, want one source at 2 in epoch 1", got)
	}
}

func batchIsWhole(t *testing.T, store Store) {
	first := newFeed(t, store, 0)
	first.readings(reading("a", 1, 20))
	batch := archive.Batch{
		Moves: []archive.Move{
			{Source: archive.Source{Topic: Topic, Partition: 0}, Old: archive.Offset{Next: 1}, New: archive.Offset{Next: 2}},
			{Source: archive.Source{Topic: Topic, Partition: 1}, Old: archive.Offset{Next: 5}, New: archive.Offset{Next: 6}},
		},
		Readings:  []archive.Reading{{Reading: reading("b", 2, 20)}},
		Summaries: []iot.WindowSummary{first.final(0, 1, 20)},
	}
	if err := store.Write(t.Context(), &batch); !errors.Is(err, archive.ErrTaken) {
		t.Fatalf("got %v, want ErrTaken", err)
	}
	offsets, err := store.Offsets(t.Context(), Topic)
	if err != nil {
		t.Fatal(err)
	}
	if got := offsets[archive.Source{Topic: Topic}]; got.Next != 1 {
		t.Errorf("got offset %d, want the one before the batch", got.Next)
	}
	if got := points(t, store, api.ReadingsQuery{Device: "b"}); len(got) != 0 {
		t.Errorf("got readings %v of a batch that failed", got)
	}
	// The names that the failed batch would have added must not be taken for stored.
	first.readings(reading("b", 3, 21))
	if got := points(t, store, api.ReadingsQuery{Device: "b"}); len(got) != 1 {
		t.Errorf("got readings %v, want the one of the next batch", got)
	}
}

func firstReadingWins(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20), reading("a", 1, 21), reading("a", 2, 22))
	f.readings(reading("a", 2, 23))
	got := points(t, store, api.ReadingsQuery{Device: "a"})
	if len(got) != 2 || got[0].Value != 20 || got[1].Value != 22 {
		t.Errorf("got %v, want the first reading of each moment", got)
	}
}

func readingsInOrder(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	bad := reading("a", 5, 24)
	bad.Quality = iot.Bad
	f.readings(reading("a", 9, 21), bad, reading("b", 6, 99), reading("a", 7, 22))
	got := points(t, store, api.ReadingsQuery{Device: "a", From: at(5), To: at(9)})
	want := []api.Point{{Time: at(5), Value: 24, Quality: iot.Bad}, {Time: at(7), Value: 22, Quality: iot.Good}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v: from included, to excluded", got, want)
	}
}

func thinnedReadings(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	var all []iot.Reading
	for i := range 1000 {
		value := float64(i % 10)
		switch i {
		case 333:
			value = 500
		case 777:
			value = -500
		}
		all = append(all, reading("a", float64(i), value))
	}
	f.readings(all...)
	got := points(t, store, api.ReadingsQuery{Device: "a", From: at(0), To: at(1000), MaxPoints: 10})
	if len(got) > 40 {
		t.Errorf("got %d points, want at most 4 for each of 10 buckets", len(got))
	}
	var largest, smallest bool
	for i, p := range got {
		largest, smallest = largest || p.Value == 500, smallest || p.Value == -500
		if i > 0 && !got[i-1].Time.Before(p.Time) {
			t.Errorf("point %d at %v does not follow %v", i, p.Time, got[i-1].Time)
		}
	}
	if !largest || !smallest || !got[0].Time.Equal(at(0)) || !got[len(got)-1].Time.Equal(at(999)) {
		t.Errorf("got %v, want both extremes, the first and the last", got)
	}
	if whole := points(t, store, api.ReadingsQuery{Device: "a", From: at(0), To: at(50), MaxPoints: 50}); len(whole) != 50 {
		t.Errorf("got %d points of 50, want all", len(whole))
	}
}

func emptyAnswers(t *testing.T, store Store) {
	if got := points(t, store, api.ReadingsQuery{Device: "nobody"}); len(got) != 0 {
		t.Errorf("got readings %v", got)
	}
	if got := allSummaries(t, store); len(got) != 0 {
		t.Errorf("got summaries %v", got)
	}
	if got := alerts(t, store, api.AlertsQuery{}); len(got) != 0 {
		t.Errorf("got alerts %v", got)
	}
	if removed, err := store.Prune(t.Context(), archive.Retention{Readings: 1, Summaries: 1, Alerts: 1}); err != nil || removed != 0 {
		t.Errorf("prune: got %d, %v", removed, err)
	}
}
