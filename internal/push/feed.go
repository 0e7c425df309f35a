package push

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// How much one message holds at most; with the allowance of a viewer this bounds a message to some 100 KB.
const (
	alertsPerMessage  = 100
	devicesPerMessage = 256
	// Further changes of status are only in the data of their devices.
	statusesPerMessage = 500
)

// feed numbers the changes. They are pending until the next call of number, which divides them into messages: each message gets the
// next number, and each device and window has the number of the last message that it belongs to. A device or window that changes again
// gets a new number instead of its old one, so what a viewer has not seen is never more than the present state. Alert events and
// removals are kept one by one, as many as the limits say. The lock of shared guards it.
type feed struct {
	// seq is the last number given, head the last given to a change: messages to single viewers are numbered as well.
	seq, head uint64
	// previous is head before the last call of number, roundSeq the last number given in that call.
	previous, roundSeq uint64

	// alerts holds the newest alert events: the last keepAlerts, and while there are viewers all that are younger than alertGrace.
	alerts     []numberedAlert
	keepAlerts int
	alertGrace time.Duration
	// forgotten is the number of the newest event that is no longer in alerts, or removal that is no longer in removals.
	forgotten uint64
	// removals holds the devices that were forgotten last: keepRemovals at least.
	removals []numberedRemoval
	// windows holds the number of each window, by its start in Unix microseconds, and newestWindow the highest.
	windows      map[int64]uint64
	newestWindow uint64
	// readings says which device has a new state, statuses which went online or offline.
	readings changelog
	statuses changelog
	// history is the number of the last message about corrections of windows that are no longer kept.
	history uint64
	// types is the number of the last message about the device types.
	types uint64
	// rules is the number of the last message about the alert rules in force.
	rules uint64
	// status is the number of the last message about how many devices are online.
	status uint64

	// pending holds what has no number yet.
	pending struct {
		alerts            []iot.Alert
		removals          []view.Removal
		history, types    bool
		rules             bool
		windows           map[int64]struct{}
		devices, statuses deviceSet
	}
}

type numberedAlert struct {
	seq   uint64
	added time.Time
	event iot.Alert
}

type numberedRemoval struct {
	seq uint64
	view.Removal
}

func newFeed(first uint64, keepAlerts int, alertGrace time.Duration) *feed {
	f := &feed{
		seq: first, head: first, previous: first, roundSeq: first, forgotten: first,
		keepAlerts: keepAlerts, alertGrace: alertGrace,
		windows: make(map[int64]uint64),
	}
	f.pending.windows = make(map[int64]struct{})
	return f
}

// add adds what a batch changed. It returns how many changes of devices and windows were replaced before they had a number.
func (f *feed) add(c view.Changes) (conflatedDevices, conflatedWindows int) {
	f.pending.alerts = append(f.pending.alerts, c.Alerts...)
	f.pending.removals = append(f.pending.removals, c.Removed...)
	f.pending.history = f.pending.history || c.History
	conflatedWindows = len(f.pending.windows) + len(c.Windows)
	for _, start := range c.Windows {
		f.pending.windows[start.UnixMicro()] = struct{}{}
	}
	conflatedWindows -= len(f.pending.windows)
	conflatedDevices = len(f.pending.devices.list) + len(c.Devices)
	for _, device := range c.Devices {
		f.pending.devices.add(device)
	}
	conflatedDevices -= len(f.pending.devices.list)
	for _, device := range c.Statuses {
		f.pending.statuses.add(device)
	}
	return conflatedDevices, conflatedWindows
}

// next returns the next number.
func (f *feed) next() uint64 {
	f.seq++
	return f.seq
}

// number gives numbers to all pending changes, most urgent first; changes of status and of the history only with status set. It reports whether there
// was anything to number. watched is whether there are viewers: without them no alert event is kept because it is young.
func (f *feed) number(status, watched bool, now time.Time) bool {
	before := f.seq
	if f.pending.types { // First: devices of the types may follow.
		f.types = f.next()
		f.pending.types = false
	}
	if f.pending.rules { // Before their alerts.
		f.rules = f.next()
		f.pending.rules = false
	}
	f.numberAlerts(now)
	f.forgetAlerts(watched, now)
	for _, start := range slices.Sorted(maps.Keys(f.pending.windows)) {
		f.windows[start] = f.next()
		f.newestWindow = f.seq
	}
	clear(f.pending.windows)
	f.numberRemovals()
	for chunk := range slices.Chunk(f.pending.devices.drain(), devicesPerMessage) {
		// Sorted, so that a chunk of a backfill can end between any two devices.
		slices.Sort(chunk)
		f.readings.addAll(chunk, f.next())
	}
	if status {
		f.status = f.next()
		changed := f.pending.statuses.drain()
		slices.Sort(changed)
		f.statuses.addAll(changed, f.status)
		if f.pending.history { // Only once a second: a backlog of a week corrects tens of thousands of windows.
			f.history = f.next()
			f.pending.history = false
		}
	}
	f.roundSeq = f.seq
	if f.seq == before {
		return false
	}
	f.previous, f.head = f.head, f.seq
	return true
}

// keeps reports whether a viewer that has seen all changes up to seq can be sent those after it.
func (f *feed) keeps(seq uint64) bool { return seq >= f.forgotten && seq <= f.seq }

func (f *feed) numberAlerts(now time.Time) {
	for chunk := range slices.Chunk(f.pending.alerts, alertsPerMessage) {
		seq := f.next()
		for _, event := range chunk {
			f.alerts = append(f.alerts, numberedAlert{seq, now, event})
		}
	}
	f.pending.alerts = nil
}

// removalsPerMessage is how many forgotten devices one message lists at most, keepRemovals how many are kept at least for
// viewers that are behind or come back.
const (
	removalsPerMessage = 256
	keepRemovals       = 4096
)

// numberRemovals numbers the devices that were forgotten. It is called before devices are numbered: one that has sent again since gets a
// higher number than its removal.
func (f *feed) numberRemovals() {
	for chunk := range slices.Chunk(f.pending.removals, removalsPerMessage) {
		seq := f.next()
		for _, r := range chunk {
			f.removals = append(f.removals, numberedRemoval{seq, r})
		}
	}
	f.pending.removals = nil
	if surplus := len(f.removals) - keepRemovals; surplus > keepRemovals {
		f.forgotten = max(f.forgotten, f.removals[surplus-1].seq)
		f.removals = slices.Delete(f.removals, 0, surplus)
	}
}

// removalsAfter returns the devices whose removal is numbered above seq.
func (f *feed) removalsAfter(seq uint64) []numberedRemoval {
	i, _ := slices.BinarySearchFunc(f.removals, seq+1, func(r numberedRemoval, seq uint64) int { return cmp.Compare(r.seq, seq) })
	return f.removals[i:]
}

// forgetAlerts drops old alert events. It does so seldom, because the others are moved each time.
func (f *feed) forgetAlerts(watched bool, now time.Time) {
	if len(f.alerts) < 2*f.keepAlerts {
		return
	}
	surplus := 0
	for surplus < len(f.alerts)-f.keepAlerts && (!watched || now.Sub(f.alerts[surplus].added) >= f.alertGrace) {
		f.forgotten = max(f.forgotten, f.alerts[surplus].seq)
		surplus++
	}
	f.alerts = slices.Delete(f.alerts, 0, surplus)
}

// alertsAfter returns the events numbered above seq.
func (f *feed) alertsAfter(seq uint64) []numberedAlert {
	i, _ := slices.BinarySearchFunc(f.alerts, seq+1, func(a numberedAlert, seq uint64) int { return cmp.Compare(a.seq, seq) })
	return f.alerts[i:]
}

// alertIDsAfter returns the ids of the alerts that have events numbered above seq, or pending.
func (f *feed) alertIDsAfter(seq uint64) map[string]struct{} {
	ids := make(map[string]struct{})
	for _, a := range f.alertsAfter(seq) {
		ids[a.event.ID] = struct{}{}
	}
	for i := range f.pending.alerts {
		ids[f.pending.alerts[i].ID] = struct{}{}
	}
	return ids
}

// windowsAfter returns the starts of the windows numbered above seq, in the order of their numbers.
func (f *feed) windowsAfter(seq uint64) []int64 {
	if f.newestWindow <= seq {
		return nil
	}
	var starts []int64
	for start, number := range f.windows {
		if number > seq {
			starts = append(starts, start)
		}
	}
	slices.SortFunc(starts, func(a, b int64) int { return cmp.Compare(f.windows[a], f.windows[b]) })
	return starts
}

// forgetWindows drops the numbers of windows that start before oldest, in Unix microseconds.
func (f *feed) forgetWindows(oldest int64) {
	maps.DeleteFunc(f.windows, func(start int64, _ uint64) bool { return start < oldest })
}

// deviceSet is a set of device numbers in the order in which they were added.
type deviceSet struct {
	list []int32
	has  []bool
}

func (s *deviceSet) add(device int32) {
	if missing := int(device) + 1 - len(s.has); missing > 0 {
		s.has = append(s.has, make([]bool, missing)...)
	}
	if !s.has[device] {
		s.has[device] = true
		s.list = append(s.list, device)
	}
}

// drain empties the set and returns what was in it. The list is valid until the next add.
func (s *deviceSet) drain() []int32 {
	for _, device := range s.list {
		s.has[device] = false
	}
	list := s.list
	s.list = s.list[:0]
	return list
}
