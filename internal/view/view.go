package view

import (
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Options configure a View.
type Options struct {
	// Tenant is the tenant whose devices are shown. The view keeps nothing of the others.
	Tenant iot.Tenant
	// WindowLength is the window length that is shown until the first window has been read. After that, the windows themselves
	// decide: a newly configured length takes effect at some place of the log, or not at all.
	WindowLength time.Duration
	// KeepWindows is how many of the newest windows are kept; 0 means 120, which is one hour of windows of 30 s.
	KeepWindows int
	// Now is the clock for readings per second; nil means time.Now.
	Now func() time.Time
}

// View is the present state of the plant of one tenant: the latest state of every device, the newest windows and the open alerts.
//
// Its input may be uncommitted, and two processors may write about the same partition: one that has just been assigned the
// partition repeats records, and one that has lost it may still send some. Of several records about the same device or window,
// the one with the highest position is kept; at equal positions, the final one. The methods may be called concurrently, except
// that calls of Apply must follow one another.
type View struct {
	options Options

	mu sync.RWMutex
	// devices holds the states by number. A device keeps its number until it is forgotten; then the number is free, and the state
	// at it has no id.
	devices []*iot.DeviceState
	free    []int32
	numbers map[iot.DeviceID]int32
	// order holds the numbers in the order of the ids, for Scan.
	order     btree.Map[iot.DeviceID, int32]
	deletions deletions
	counts    map[Group]*wire.StatusCounts
	windows   windows
	alerts    alerts
	rate      rate
	// correction is the last correction that was read, of a kept window or an older one.
	correction correction
}

// correction identifies a correction: the type and window, and the position of the late reading that caused it.
type correction struct {
	Type   iot.DeviceType
	Window iot.Window
	At     iot.Position
}

// Group is what devices are counted by: type and building, from which a filter knows all but the id.
type Group struct {
	Type     iot.DeviceType
	Building string
	// Area is the first level of the area to which the devices belong, empty if that is the building.
	Area iot.Area
}

func groupOf(s *iot.DeviceState) Group {
	g := Group{Type: s.Latest.Type, Building: s.Latest.Location.Building}
	if s.Area != "" || g.Building == "" {
		g.Area = s.FirstArea()
	}
	return g
}

// area returns the first level of the area to which the devices belong.
func (g *Group) area() iot.Area {
	if g.Area != "" || g.Building == "" {
		return g.Area
	}
	return (&iot.Location{Building: g.Building}).FirstArea()
}

// New returns an empty view.
func New(o Options) *View {
	if o.KeepWindows <= 0 {
		o.KeepWindows = 120
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &View{
		options:   o,
		numbers:   make(map[iot.DeviceID]int32),
		deletions: newDeletions(),
		counts:    make(map[Group]*wire.StatusCounts),
		windows:   newWindows(o.KeepWindows),
		alerts:    newAlerts(),
	}
}

// Changes are what a batch changed. A number or window may be listed more than once.
type Changes struct {
	// Devices lists the numbers of the devices with a new state. Statuses lists those of new devices and of devices whose status
	// has changed.
	Devices, Statuses []int32
	// Removed lists the devices that were forgotten.
	Removed []Removal
	// Windows lists the starts of the windows with new numbers.
	Windows []time.Time
	// Closed is whether a partition's summary of any of Windows became final.
	Closed bool
	// History is whether a window was corrected that the view does not keep.
	History bool
	// Alerts holds the new events, oldest first.
	Alerts []iot.Alert
}

// Urgent reports whether the changes should be sent to viewers at once. Changes of an open window alone can wait: the next follow
// within a second.
func (c *Changes) Urgent() bool {
	return len(c.Devices) > 0 || len(c.Removed) > 0 || len(c.Alerts) > 0 || c.Closed
}

// Apply applies a batch from the log, and returns what it changed. The view keeps parts of the batch: the caller must not change
// what its elements point to.
func (v *View) Apply(batch Batch) Changes {
	now := v.options.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	var c Changes
	for i := range batch.Forgotten {
		if batch.Forgotten[i].Tenant == v.options.Tenant {
			v.applyForgotten(&batch.Forgotten[i], &c)
		}
	}
	for i := range batch.States {
		if batch.States[i].Latest.Tenant == v.options.Tenant {
			v.applyState(&batch.States[i], &c)
		}
	}
	for i := range batch.Summaries {
		v.applySummary(&batch.Summaries[i], now, &c)
	}
	for i := range batch.Past {
		v.applyAlert(&batch.Past[i], true, &c)
	}
	for i := range batch.Alerts {
		v.applyAlert(&batch.Alerts[i], false, &c)
	}
	v.alerts.endBatch()
	return c
}

func (v *View) applyAlert(event *iot.Alert, past bool, c *Changes) {
	if event.Tenant != v.options.Tenant {
		return
	}
	over := !event.Open() || v.ended(event)
	apply := v.alerts.apply
	if past {
		apply = v.alerts.applyPast
	}
	if apply(event, over) {
		c.Alerts = append(c.Alerts, *event)
	}
}

// ended reports whether the alert of an event is known to be over: the state of its device is as new as the event and does not list it, or the
// device was forgotten after the event.
func (v *View) ended(event *iot.Alert) bool {
	if number, known := v.numbers[event.DeviceID]; known {
		s := v.devices[number]
		return s.Partition == event.Partition && event.Position.Compare(s.Position) <= 0 && !holds(s, event.ID)
	}
	deleted, known := v.deletions.positions[event.DeviceID]
	return known && deleted.Partition == event.Partition && event.Position.Compare(deleted) <= 0
}

func (v *View) applyState(s *iot.DeviceState, c *Changes) {
	number, known := v.numbers[s.Latest.ID]
	switch {
	case !known && v.deletions.cover(s):
		return
	case !known:
		number = v.add(s.Latest.ID)
	case !supersedes(s, v.devices[number]):
		return
	}
	device := v.devices[number]
	if !known || device.Status != s.Status {
		c.Statuses = append(c.Statuses, number)
	}
	v.count(s, 1) // Before the old state is subtracted, so that a group of one device is not deleted and made again.
	if known {
		v.count(device, -1)
	}
	*device = *s
	v.alerts.reconcile(device)
	c.Devices = append(c.Devices, number)
}

// add gives a new device a number, a free one if there is one.
func (v *View) add(id iot.DeviceID) int32 {
	var number int32
	if last := len(v.free) - 1; last >= 0 {
		number = v.free[last]
		v.free = v.free[:last]
	} else {
		number = int32(len(v.devices))
		v.devices = append(v.devices, new(iot.DeviceState))
	}
	v.numbers[id] = number
	v.order.Set(id, number)
	return number
}

// supersedes reports whether state is newer than old. Positions of two partitions cannot be compared: if a device has moved to
// another partition, because partitions were added, the time of its latest reading decides.
func supersedes(state, old *iot.DeviceState) bool {
	if state.Partition != old.Partition {
		return state.Latest.Time.After(old.Latest.Time)
	}
	return state.Position.Compare(old.Position) > 0
}

// count adds delta to the counts of the state's group and status. The caller holds mu.
func (v *View) count(s *iot.DeviceState, delta int64) {
	g := groupOf(s)
	counts := v.counts[g]
	if counts == nil {
		counts = new(wire.StatusCounts)
		v.counts[g] = counts
	}
	addStatus(counts, s.Status, delta)
	if counts.Total == 0 {
		delete(v.counts, g) // Otherwise groups of buildings that no longer exist would stay for ever.
	}
}

func addStatus(counts *wire.StatusCounts, status iot.Status, delta int64) {
	counts.Total += delta
	if status == iot.Offline {
		counts.Offline += delta
	} else {
		counts.Online += delta
	}
}

func (v *View) applySummary(s *iot.WindowSummary, now time.Time, c *Changes) {
	// A summary with Late announces late readings and has no numbers. The archive recomputes the window and publishes a
	// correction.
	if s.Late {
		return
	}
	if s.Corrected {
		v.correction = correction{s.Type, s.Window, s.Position}
		if !v.windows.holds(s.Window) {
			c.History = true
			return
		}
	}
	own, any := s.OfTenant(v.options.Tenant)
	if !any && !v.windows.has(s) {
		return
	}
	added, changed := v.windows.apply(&own)
	if !changed {
		return
	}
	v.rate.observe(added, now)
	c.Windows = append(c.Windows, s.Window.Start)
	c.Closed = c.Closed || s.Final
}

// Corrected returns a key of the last correction that the view has read. An answer about the past that was cached under another
// key may be older than the correction. Views that have read the log up to the same place return the same key.
func (v *View) Corrected() string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return fmt.Sprintf("%s %d %d %d/%d/%d", v.correction.Type, v.correction.Window.Start.UnixMicro(), v.correction.Window.Length,
		v.correction.At.Partition, v.correction.At.Epoch, v.correction.At.Offset)
}

// Device returns the state of one device; false if it is not known.
func (v *View) Device(id iot.DeviceID) (iot.DeviceState, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	number, known := v.numbers[id]
	if !known {
		return iot.DeviceState{}, false
	}
	return *v.devices[number], true
}

// Known reports whether a device is known.
func (v *View) Known(id iot.DeviceID) bool {
	_, known := v.Number(id)
	return known
}

// Undivided returns how many windows have lost their division by area since the start, because there were too many groups.
func (v *View) Undivided() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.windows.undivided
}

// Tenant returns the tenant whose devices are shown.
func (v *View) Tenant() iot.Tenant { return v.options.Tenant }

// KeptWindows returns how many of the newest windows are kept.
func (v *View) KeptWindows() int { return v.options.KeepWindows }

// Number returns the number of a device, which it keeps until it is forgotten; false if it is not known.
func (v *View) Number(id iot.DeviceID) (int32, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	number, known := v.numbers[id]
	return number, known
}

// Alert returns the last event of an alert that is open, or has cleared not long ago; false if there is none.
func (v *View) Alert(id string) (iot.Alert, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if a := v.alerts.byID[id]; a != nil {
		return a.Last, true
	}
	return iot.Alert{}, false
}

// OpenAlerts counts the open alerts by severity. Severities without an open alert are in the map, too.
func (v *View) OpenAlerts() map[iot.Severity]int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	counts := make(map[iot.Severity]int64, len(iot.Severities))
	for _, severity := range iot.Severities {
		counts[severity] = v.alerts.counts[severity]
	}
	return counts
}

// Waiting counts the open alerts that nobody has acknowledged and that are not suppressed, and those that have been open for more than iot.StaleSpan.
func (v *View) Waiting() (unacknowledged, stale int) {
	before := v.options.Now().Add(-iot.StaleSpan)
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, a := range v.alerts.open {
		if !a.open {
			continue
		}
		if a.Last.AckedAt.IsZero() && a.Last.Suppressed == "" {
			unacknowledged++
		}
		if !a.Last.Onset.After(before) {
			stale++
		}
	}
	return unacknowledged, stale
}

// Counts counts the devices, in all and by type, and the readings per second. Its envelope is empty.
func (v *View) Counts() wire.DeviceStatus {
	now := v.options.Now()
	v.mu.RLock()
	defer v.mu.RUnlock()
	total, byType := v.countMatching(nil)
	return wire.DeviceStatus{StatusCounts: total, ByType: byType, ReadingsPerSecond: v.rate.perSecond(now)}
}

// ReadingsPerSecond returns how many readings the processors have counted per second, averaged over the last ten seconds. It is
// measured by the growth of the windows' counts. Device states cannot be counted instead: a state that is published after several
// readings shows only the last.
func (v *View) ReadingsPerSecond(now time.Time) float64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.rate.perSecond(now)
}

// OldestWindow returns the start of the oldest window kept, in Unix microseconds; 0 if there is none.
func (v *View) OldestWindow() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.windows.sorted) == 0 {
		return 0
	}
	return v.windows.sorted[0].Start.UnixMicro()
}

// countMatching counts the devices that the filter selects, in all and by type. A nil filter selects all. The caller holds mu.
func (v *View) countMatching(f *Filter) (total wire.StatusCounts, byType map[iot.DeviceType]wire.StatusCounts) {
	byType = make(map[iot.DeviceType]wire.StatusCounts)
	if f != nil && f.IDs != nil {
		for id := range f.IDs {
			number, known := v.numbers[id]
			if !known || !f.Device(v.devices[number]) {
				continue
			}
			device := v.devices[number]
			counts := byType[device.Latest.Type]
			addStatus(&counts, device.Status, 1)
			byType[device.Latest.Type] = counts
		}
	} else {
		for g, counts := range v.counts {
			if counts.Total > 0 && (f == nil || f.Group(g)) {
				byType[g.Type] = addCounts(byType[g.Type], *counts)
			}
		}
	}
	for _, counts := range byType {
		total = addCounts(total, counts)
	}
	return total, byType
}

func addCounts(a, b wire.StatusCounts) wire.StatusCounts {
	return wire.StatusCounts{Total: a.Total + b.Total, Online: a.Online + b.Online, Offline: a.Offline + b.Offline}
}
