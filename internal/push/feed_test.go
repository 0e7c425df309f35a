package push

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// alertsNamed returns an event for each id.
func alertsNamed(ids ...string) []iot.Alert {
	var events []iot.Alert
	for _, id := range ids {
		events = append(events, iot.Alert{ID: id})
	}
	return events
}

func TestFeedNumbersTheMostUrgentFirst(t *testing.T) {
	f := newFeed(100, 10, 0)
	window := noon.Add(30 * time.Second)
	f.add(view.Changes{
		Devices: []int32{3, 1}, Statuses: []int32{1}, Windows: []time.Time{noon, window}, History: true,
		Alerts: alertsNamed("a", "b"), Removed: []view.Removal{{Number: 7}},
	})
	if !f.number(true, true, noon) {
		t.Fatal("nothing was numbered")
	}
	if got := f.alertsAfter(100); len(got) != 2 || got[0].seq != 101 || got[1].seq != 101 {
		t.Errorf("alerts: got %+v, want two numbered 101", got)
	}
	if got, want := f.windowsAfter(100), []int64{noon.UnixMicro(), window.UnixMicro()}; !slices.Equal(got, want) || f.windows[want[1]] != 103 {
		t.Errorf("windows: got %v, numbered %v, want %v, 102 and 103", got, f.windows, want)
	}
	if got := f.removalsAfter(100); len(got) != 1 || got[0].seq != 104 {
		t.Errorf("removals: got %+v, want one numbered 104", got)
	}
	if got, want := f.readings.between(101, 200), []entry{{105, 1}, {105, 3}}; !slices.Equal(got, want) {
		t.Errorf("readings: got %v, want %v", got, want)
	}
	if got, want := f.statuses.between(101, 200), []entry{{106, 1}}; !slices.Equal(got, want) || f.status != 106 {
		t.Errorf("statuses: got %v, counts %d, want %v, 106", got, f.status, want)
	}
	if f.history != 107 || f.head != 107 || f.roundSeq != 107 || f.previous != 100 {
		t.Errorf("history %d, head %d, round %d, previous %d, want 107, 107, 107, 100", f.history, f.head, f.roundSeq, f.previous)
	}
	f.next() // A message for one viewer.
	if f.number(false, true, noon) || f.head != 107 || f.roundSeq != 108 {
		t.Errorf("without changes: head %d, round %d, want 107, 108", f.head, f.roundSeq)
	}
}

func TestFeedCountsWhatWasReplacedBeforeItHadANumber(t *testing.T) {
	f := newFeed(0, 10, 0)
	change := view.Changes{Devices: []int32{1, 2}, Windows: []time.Time{noon}}
	if devices, windows := f.add(change); devices != 0 || windows != 0 {
		t.Errorf("first: got %d, %d, want none", devices, windows)
	}
	if devices, windows := f.add(change); devices != 2 || windows != 1 {
		t.Errorf("again: got %d, %d, want 2, 1", devices, windows)
	}
	f.number(false, true, noon)
	if devices, windows := f.add(change); devices != 0 || windows != 0 {
		t.Errorf("after numbering: got %d, %d, want none", devices, windows)
	}
}

func TestStatusesAndHistoryWaitForARoundWithStatus(t *testing.T) {
	f := newFeed(0, 10, 0)
	f.add(view.Changes{Statuses: []int32{1}, History: true})
	if f.number(false, true, noon) {
		t.Error("numbered without status")
	}
	if !f.number(true, true, noon) || f.status == 0 || f.history == 0 {
		t.Errorf("with status: counts %d, history %d, want numbers", f.status, f.history)
	}
}

func TestAlertsAreKeptByNumberAndWhileTheyAreYoung(t *testing.T) {
	const keep, grace = 8, 10 * time.Second
	for _, watched := range []bool{true, false} {
		f := newFeed(0, keep, grace)
		now := noon
		for n := range 100 {
			f.add(view.Changes{Alerts: alertsNamed(fmt.Sprint(n))})
			f.number(false, watched, now)
			now = now.Add(time.Second)
		}
		kept := len(f.alerts)
		if kept < keep || kept > 2*keep+10 || f.forgotten != uint64(100-kept) {
			t.Errorf("watched %v: %d are kept, and forgotten up to %d", watched, kept, f.forgotten)
		}
		if f.keeps(f.forgotten-1) || !f.keeps(f.forgotten) || !f.keeps(f.seq) || f.keeps(f.seq+1) {
			t.Errorf("watched %v: keeps is wrong about %d to %d", watched, f.forgotten, f.seq)
		}
		// A hundred at once are all young.
		for n := range 100 {
			f.add(view.Changes{Alerts: alertsNamed(fmt.Sprint(n))})
			f.number(false, watched, now)
		}
		if kept := len(f.alerts); watched && kept < 100 || !watched && kept > 2*keep {
			t.Errorf("watched %v: of 100 young ones %d are kept", watched, kept)
		}
	}
}

func TestRemovalsAreKeptByNumber(t *testing.T) {
	f := newFeed(0, 10, 0)
	for range 3*keepRemovals + 1 {
		f.add(view.Changes{Removed: []view.Removal{{}}})
		f.number(false, true, noon)
	}
	if kept := len(f.removals); kept < keepRemovals || kept > 2*keepRemovals || f.forgotten != f.seq-uint64(kept) {
		t.Errorf("%d are kept and forgotten up to %d of %d", kept, f.forgotten, f.seq)
	}
}

func TestIDsOfAlertsThatAreNewerOrPending(t *testing.T) {
	f := newFeed(0, 10, 0)
	for _, id := range []string{"old", "new"} {
		f.add(view.Changes{Alerts: alertsNamed(id)})
		f.number(false, true, noon)
	}
	f.add(view.Changes{Alerts: alertsNamed("pending")})
	ids := f.alertIDsAfter(1)
	_, old := ids["old"]
	_, newer := ids["new"]
	_, pending := ids["pending"]
	if old || !newer || !pending {
		t.Errorf("got %v, want new and pending", ids)
	}
}

func TestDeviceSetKeepsTheOrderAndHasEachOnce(t *testing.T) {
	var s deviceSet
	for _, device := range []int32{5, 1, 5, 9, 1} {
		s.add(device)
	}
	if got, want := s.drain(), []int32{5, 1, 9}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	s.add(1)
	if got, want := s.drain(), []int32{1}; !slices.Equal(got, want) {
		t.Errorf("after drain: got %v, want %v", got, want)
	}
}
