// Package storetest is the conformance suite of the archive's stores: every backend passes the same tests.
package storetest

import (
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

// Store is the interface that a backend must implement.
type Store interface {
	archive.Store
	archive.ProgressReader
	api.History
	trial.Archive
}

// Topic is the readings' topic that open must configure.
const Topic = "device-data"

// Run runs the suite. open returns an empty store, which it closes when the test has ended.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range suite {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var suite = []struct {
	name string
	run  func(*testing.T, Store)
}{
	{"offsets move by compare and set", offsetsMove},
	{"offsets are kept by topic", offsetsByTopic},
	{"limits are kept with their offset", limitsKept},
	{"progress follows the offsets", progressFollows},
	{"a batch of which one offset is taken leaves nothing", takenLeavesNothing},
	{"a batch interrupted anywhere leaves nothing or all", interruptedLeavesNothing},
	{"an empty store answers with nothing", emptyAnswers},
	{"readers see whole batches while more are written", readersSeeWholeBatches},

	{"the largest and strangest that admission lets through comes back", strangestComesBack},
	{"data that admission should have refused stops nothing", hostileStopsNothing},
	{"sums near the end of float64 add up", hugeSums},

	{"the first of two readings wins", firstReadingWins},
	{"readings come back in order", readingsInOrder},
	{"few readings come back whole", fewReadingsWhole},
	{"thinned readings keep first, last and extremes of each bucket", thinnedReadings},
	{"thinned readings never exceed their number", thinnedReadingsBounded},

	{"readings are read for trials", trialsRead},

	{"summaries of partitions add up exactly", summariesAddUp},
	{"any split over partitions gives the same summary", summariesOfAnySplit},
	{"a summary gives way to a higher position only", summariesGiveWay},
	{"summaries are selected by type and start", summariesSelected},
	{"summaries page without gap or repeat while more come in", summariesPage},
	{"summaries list the most urgent alerts", summariesListAlerts},

	{"a late mark waits for its readings", lateMarkWaits},
	{"a late mark behind its readings works at once", lateMarkAtOnce},
	{"a window of late readings alone has a summary", lateMarkAlone},
	{"a recomputed window is not overwritten", recomputedStays},
	{"a recomputation takes the window's own readings", recomputedOwn},
	{"a recomputation equals counting", recomputedEqualsCounting},
	{"a recomputation never loses readings", recomputedNeverLoses},
	{"any number of marks is worked off", manyMarks},
	{"a mark without a type is one of every type", markOfEveryType},
	{"windows of different lengths stay apart", lengthsStayApart},
	{"a recomputation keeps to the length of its mark", lengthOfMark},
	{"pages do not lose a window of another length", lengthsPage},
	{"readings of bad quality are beside their window", badBeside},
	{"a window of bad readings alone counts them", badAlone},
	{"a log that began anew releases its marks", newLogReleasesMarks},

	{"summaries narrow to an area", summariesNarrow},
	{"a summary without groups replaces one with them as a whole", groupsGiveWay},
	{"a recomputation divides as the processor does", recomputedGroups},
	{"areas that shared a group share it when it is recomputed", recomputedOthers},
	{"a recomputed window is divided by the areas of the registry", registeredAreas},
	{"a recomputed window is divided by areas from long ago", longAgoRegisteredAreas},
	{"any number of areas is archived", manyAreas},

	{"tenants are kept apart", tenantsApart},
	{"summaries narrow to a tenant", summariesOfTenants},

	{"a recomputed window is returned until it is published", correctionReturned},
	{"a window that is recomputed again is returned again", correctionAgain},
	{"any number of recomputed windows is returned", correctionsPage},
	{"a recomputation that changes nothing is not returned", correctionOfNothing},

	{"alerts fold into one row", alertsFold},
	{"an alert keeps when it was raised", alertsKeepRaised},
	{"an alert keeps what people have done about it", alertsKeepHandling},
	{"what is said of an alert that is over is kept", alertsKeepNotes},
	{"an alert keeps its events", alertsKeepTheirEvents},
	{"an alert keeps what has suppressed it", alertsKeepWhatSuppresses},
	{"alerts come newest onset first, then by id", alertsOrder},
	{"alerts narrow", alertsNarrow},
	{"alerts page without gap or repeat while more come in", alertsPage},
	{"a historical event within an alert is dropped", historicalDropped},
	{"raised and stale alerts are read for key figures", kpisRead},
	{"key figures follow the events of alerts", kpisFollowEvents},

	{"pruning keeps what a late reading may need", pruneKeeps},
	{"pruning goes by each partition's own archive", pruneByPartition},
	{"a clock that jumps removes nothing before it has gone on for a day", clockJumps},
	{"a clock that steps back stops nothing", clockStepsBack},
	{"pruning recomputes before it removes", pruneRecomputesFirst},
	{"pruning removes old summaries and cleared alerts", pruneRemoves},
	{"a retention of nothing keeps everything for ever", pruneForEver},
	{"pruning does not hold up writing", pruneBesideWriting},
}

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return iot.CutTime(epoch.Add(time.Duration(seconds * float64(time.Second))))
}

// source is a partition of the readings' topic.
func source(partition int32) archive.Source {
	return archive.Source{Topic: Topic, Partition: partition}
}

// feed writes to one partition of the readings' topic as an archiver would, and advances its offsets.
type feed struct {
	t         testing.TB
	store     Store
	partition int32
	next      archive.Offset
	appended  time.Time
}

func newFeed(t testing.TB, store Store, partition int32) *feed {
	return &feed{t: t, store: store, partition: partition, appended: epoch}
}

// write stores a batch that moves the readings' offset by the given number of records.
func (f *feed) write(records int64, batch archive.Batch) {
	f.t.Helper()
	old := f.next
	f.next.Next += records
	batch.Moves = []archive.Move{{Source: source(f.partition), Old: old, New: f.next, Appended: f.appended}}
	if err := f.store.Write(f.t.Context(), &batch); err != nil {
		f.t.Fatalf("write: %v", err)
	}
}

// of sets the partition of readings.
func (f *feed) of(readings ...iot.Reading) []archive.Reading {
	all := make([]archive.Reading, len(readings))
	for i, r := range readings {
		all[i] = archive.NewReading(&r, f.partition)
	}
	return all
}

// readings stores readings, one record each.
func (f *feed) readings(readings ...iot.Reading) {
	f.t.Helper()
	f.write(int64(len(readings)), archive.Batch{Readings: f.of(readings...)})
}

// summaries stores summaries and marks, which come from another topic.
func (f *feed) summaries(summaries ...iot.WindowSummary) {
	f.t.Helper()
	f.write(0, archive.Batch{Summaries: summaries})
}

// mark stores a late mark at the given position.
func (f *feed) mark(start float64, position int64) iot.WindowSummary {
	return iot.WindowSummary{
		Type:     iot.Temperature,
		Window:   iot.Window{Start: at(start), Length: 30 * time.Second},
		Position: iot.Position{Partition: f.partition, Offset: position},
		Late:     true,
	}
}

// final returns the final summary of the given values.
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

// points queries readings: all of them, unless q limits them.
func points(t testing.TB, store Store, q api.ReadingsQuery) []api.Point {
	t.Helper()
	if q.To.IsZero() {
		q.From, q.To = at(-1e6), at(1e6)
	}
	if q.MaxPoints == 0 {
		q.MaxPoints = 100_000
	}
	got, err := store.Readings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// windows queries summaries: all of them, unless q limits them.
func windows(t testing.TB, store Store, q api.SummariesQuery) []iot.WindowSummary {
	t.Helper()
	if q.To.IsZero() {
		q.From, q.To = at(-1e6), at(1e6)
	}
	if q.Limit == 0 {
		q.Limit = 100_000
	}
	got, err := store.Summaries(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// alerts queries alerts: all of them, unless q limits them.
func alerts(t testing.TB, store Store, q api.AlertsQuery) []api.ArchivedAlert {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100_000
	}
	got, err := store.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func prune(t testing.TB, store Store, keep archive.Retention) int64 {
	t.Helper()
	removed, err := store.Prune(t.Context(), keep)
	if err != nil {
		t.Fatalf("prune: %v", err)
	}
	return removed
}
