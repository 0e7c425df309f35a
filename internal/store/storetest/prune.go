package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// appendedAt archives the partition up to a record appended then. It moves the clock a day before that, so that a jump
// counts.
func (f *feed) appendedAt(seconds float64) {
	f.t.Helper()
	for _, at := range []time.Time{at(seconds - 24*60*60), at(seconds)} {
		if at.After(f.appended) {
			f.appended = at
			f.readings()
		}
	}
}

// days is so long that a store which removes readings by whole days has removed those of the first day.
const days = 3 * 24 * 60 * 60

func pruneKeeps(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 0, 1), reading("a", 4000, 2))
	// Here nothing derived from readings outlives them.
	keep := archive.Retention{Readings: time.Minute, Summaries: time.Minute}
	f.appendedAt(3659)
	if removed := prune(t, store, keep); removed != 0 {
		t.Errorf("removed %d while the older reading may still be needed", removed)
	}
	f.appendedAt(days)
	if removed := prune(t, store, keep); removed != 2 {
		t.Errorf("removed %d, want both when neither can be needed any more", removed)
	}
	// If append times go back a little, the newest counts, not the last.
	f.appended = at(days - 600)
	f.readings(reading("a", 0, 1), reading("a", days-100, 2))
	prune(t, store, keep)
	if got := points(t, store, api.ReadingsQuery{Device: "a"}); len(got) != 1 || got[0].Value != 2 {
		t.Errorf("got %v, want the newer reading", got)
	}
}

// A store that removes readings by whole days also keeps those of a partition that is ahead, until all partitions are past
// the day.
func pruneByPartition(t *testing.T, store Store) {
	ahead, behind := newFeed(t, store, 0), newFeed(t, store, 1)
	ahead.readings(reading("a", 0, 1))
	behind.readings(reading("b", 0, 1))
	ahead.appendedAt(days)
	keep := archive.Retention{Readings: time.Minute}
	removed := prune(t, store, keep)
	if got := points(t, store, api.ReadingsQuery{Device: "b"}); len(got) != 1 {
		t.Error("the reading of the partition that is behind is gone")
	}
	behind.appendedAt(days)
	if removed += prune(t, store, keep); removed != 2 {
		t.Errorf("removed %d, want both readings when both partitions are ahead", removed)
	}
}

// clockJumps is a host that starts with a wrong year, writes, gets the right time, and continues for months.
func clockJumps(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 0, 1))
	f.summaries(f.final(0, 1, 1))
	writeAlerts(t, store, raised("a", 0, 1), later(raised("a", 0, 1), iot.Cleared, 10))
	keep := archive.Retention{Readings: 3 * time.Hour, Summaries: 3 * time.Hour, Alerts: 3 * time.Hour}
	const year, day = 365 * 24 * 60 * 60, 24 * 60 * 60
	expect := func(when string, want int64) {
		t.Helper()
		removed := prune(t, store, keep)
		if removed != want {
			t.Errorf("%s: removed %d rows, want %d", when, removed, want)
		}
	}
	for _, seconds := range []float64{60, year, year + 60, year + day - 1} {
		f.appended = at(seconds)
		f.readings(reading("a", seconds, 1))
		expect(fmt.Sprintf("after %v s", seconds), 0)
	}
	// With the right time, the host is a year behind its earlier records, and its new records do not count as a year old.
	for _, seconds := range []float64{120, 3600, 7000} {
		f.appended = at(seconds)
		f.readings(reading("a", seconds, 1))
	}
	if got := points(t, store, api.ReadingsQuery{Device: "a", From: at(0), To: at(2 * year), MaxPoints: 100}); len(got) != 8 {
		t.Errorf("got %d readings, want all 8", len(got))
	}
	// A plant resumes after a year, and old rows are removed once it has run for a day.
	f.appended = at(2 * year)
	f.readings()
	expect("on the first day after a pause", 0)
	f.appended = at(2*year + day)
	f.readings()
	if removed := prune(t, store, keep); removed != 12 {
		t.Errorf("a day after a pause: removed %d rows, want 8 readings, a window, and an alert with its 2 events", removed)
	}
}

// A clock that goes back by an hour neither blocks pruning nor removes rows early.
func clockStepsBack(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	keep := archive.Retention{Readings: 24 * time.Hour}
	for i := range 100 {
		seconds := float64(i) * 60
		if i >= 50 {
			seconds -= 3700
		}
		f.appended = at(seconds)
		f.readings(reading("a", seconds+0.5, 1))
		if removed := prune(t, store, keep); removed != 0 {
			t.Fatalf("after %v s: removed %d", seconds, removed)
		}
	}
	if got := points(t, store, api.ReadingsQuery{Device: "a"}); len(got) != 100 {
		t.Errorf("got %d readings, want 100", len(got))
	}
}

func pruneRecomputesFirst(t *testing.T, store Store) {
	const n = 150
	f := newFeed(t, store, 0)
	var late []iot.Reading
	var marks []iot.WindowSummary
	for i := range n {
		late = append(late, reading("a", float64(30*i), 1))
		marks = append(marks, f.mark(float64(30*i), n))
	}
	f.appended = at(1e6)
	f.write(n, archive.Batch{Readings: f.of(late...), Summaries: marks})
	if removed := prune(t, store, archive.Retention{Readings: time.Minute}); removed != n {
		t.Errorf("removed %d readings, want %d", removed, n)
	}
	if got := windows(t, store, api.SummariesQuery{}); len(got) != n {
		t.Errorf("got %d windows, want %d: their readings are needed before they go", len(got), n)
	}
}

func pruneRemoves(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	old, open := raised("a", 0, 1), raised("b", 0, 3)
	withAlerts := f.final(0, 1, 1)
	withAlerts.Alerts = []iot.Alert{old}
	f.summaries(withAlerts, f.final(100, 1, 2))
	writeAlerts(t, store, old, later(old, iot.Cleared, 99), open, past("c", 50), raised("d", 0, 1), later(raised("d", 0, 1), iot.Cleared, 100))
	f.appendedAt(400)
	keep := archive.Retention{Summaries: 5 * time.Minute, Alerts: 5 * time.Minute}
	prune(t, store, keep)
	onlyWindow(t, store, 1, 2)
	got := alerts(t, store, api.AlertsQuery{})
	if len(got) != 2 || got[0].DeviceID == "a" || got[1].DeviceID == "a" || got[0].DeviceID == got[1].DeviceID {
		t.Errorf("got %v, want the open alert, however old, and the one that has just cleared", listed(got))
	}
	if removed := prune(t, store, keep); removed != 0 {
		t.Errorf("the second time: removed %d", removed)
	}
	for _, test := range []struct {
		alert iot.Alert
		want  int
	}{{old, 0}, {open, 1}} {
		if events, err := store.AlertEvents(t.Context(), "", test.alert.ID); err != nil || len(events) != test.want {
			t.Errorf("got %d events of %s, %v, want %d", len(events), test.alert.DeviceID, err, test.want)
		}
	}
	// A window that is stored again does not have its former alerts.
	f.summaries(f.final(0, 1, 1))
	if got := windows(t, store, api.SummariesQuery{To: at(30), From: at(0)}); len(got) != 1 || len(got[0].Alerts) != 0 {
		t.Errorf("got %+v, want the window without alerts", got)
	}
}

func pruneForEver(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 0, 1))
	f.summaries(f.final(0, 1, 1))
	writeAlerts(t, store, past("a", 0))
	f.appendedAt(1e9)
	if removed := prune(t, store, archive.Retention{}); removed != 0 {
		t.Errorf("removed %d, want none", removed)
	}
}

// pruneBesideWriting prunes many rows while batches are written continuously: pruning in a single step would block them
// until its end. The partitions of a new day are created before, because that waits for other transactions.
func pruneBesideWriting(t *testing.T, store Store) {
	const devices, each = 20, 2500
	f, other := newFeed(t, store, 0), newFeed(t, store, 1)
	for device := range devices {
		readings := make([]iot.Reading, each)
		for i := range readings {
			readings[i] = reading(fmt.Sprint("device ", device), float64(i), 1)
		}
		f.readings(readings...)
	}
	f.appendedAt(days)
	other.readings(reading("b", days, 1))
	pruned := make(chan int64)
	began := time.Now()
	go func() {
		removed, err := store.Prune(context.Background(), archive.Retention{Readings: time.Minute})
		if err != nil {
			t.Error(err)
		}
		pruned <- removed
	}()
	var longest time.Duration
	for written := 0; ; written++ {
		select {
		case removed := <-pruned:
			took := time.Since(began)
			if removed != devices*each || longest > max(took/2, 50*time.Millisecond) {
				t.Errorf("removed %d rows, want %d; in %v one of %d writes took %v", removed, devices*each, took, written, longest)
			}
			return
		default:
			before := time.Now()
			other.readings(reading("b", days+1+float64(written), 1))
			longest = max(longest, time.Since(before))
		}
	}
}
