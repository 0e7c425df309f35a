// Package fleet keeps the latest state of every device of one partition and finds out who has fallen silent. It is pure:
// time comes from the log and from the caller.
package fleet

import (
	"container/heap"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Device is a device with what only the processor needs to know about it.
type Device struct {
	iot.DeviceState
	// Dirty means that the state has changed since it was last published; the fleet sets it, the publisher clears it.
	Dirty bool
	// deadline is when the device is looked at again; it may be earlier than necessary, never later.
	deadline time.Time
	// index is the place in the heap, or -1.
	index int
}

// Counts says how many devices there are of one type.
type Counts struct{ Online, Offline int64 }

// Fleet holds the devices of one partition. It is not safe for concurrent use: the goroutine of that partition owns it.
type Fleet struct {
	timeout time.Duration
	// floor is the end of the last time in which the log stood still as a whole: silence before it is nobody's fault.
	floor   time.Time
	devices map[iot.DeviceID]*Device
	counts  map[iot.DeviceType]*Counts
	watch   deadlines
	dirty   []*Device
}

// New returns an empty fleet whose devices count as offline after timeout without a reading, counted from floor or later.
func New(timeout time.Duration, floor time.Time) *Fleet {
	return &Fleet{
		timeout: timeout,
		floor:   floor,
		devices: make(map[iot.DeviceID]*Device),
		counts:  make(map[iot.DeviceType]*Counts),
	}
}

// Restore puts in the state that a device had; an older state of the same device is replaced.
func (f *Fleet) Restore(state iot.DeviceState) {
	d := f.devices[state.Latest.ID]
	if d == nil {
		d = &Device{index: -1}
		f.devices[state.Latest.ID] = d
	} else {
		f.count(d, -1)
	}
	d.DeviceState = state
	f.count(d, 1)
	f.schedule(d)
}

// Device returns the device with the given id, or nil.
func (f *Fleet) Device(id iot.DeviceID) *Device { return f.devices[id] }

// Observe takes in a reading that was appended to the log at the given time. It returns the device and whether the
// reading is newer than all before: only then has it changed the state. The new status is the reading's own.
func (f *Fleet) Observe(r *iot.Reading, appended time.Time) (d *Device, newer bool) {
	d = f.devices[r.ID]
	known := d != nil
	if !known {
		d = &Device{index: -1}
		f.devices[r.ID] = d
	} else if !r.Time.After(d.Latest.Time) {
		return d, false
	}
	counted := known && d.Latest.Type == r.Type && d.Status == r.Status
	if known && !counted {
		f.count(d, -1)
	}
	d.Latest = *r
	d.Heard = appended
	if d.Status != r.Status {
		d.Status, d.Since = r.Status, r.Time
	}
	if !counted {
		f.count(d, 1)
	}
	f.schedule(d)
	f.Touch(d)
	return d, true
}

// Advance returns the devices that have been silent for the timeout at log time now, the longest silent first, and marks
// them offline since the moment their time was up.
func (f *Fleet) Advance(now time.Time) []*Device {
	var silent []*Device
	for len(f.watch) > 0 && !f.watch[0].deadline.After(now) {
		d := f.watch[0]
		d.deadline = f.due(d)
		if d.deadline.After(now) {
			heap.Fix(&f.watch, 0)
			continue
		}
		heap.Pop(&f.watch)
		f.count(d, -1)
		d.Status, d.Since = iot.Offline, d.deadline
		f.count(d, 1)
		f.Touch(d)
		silent = append(silent, d)
	}
	// Deadlines in the heap may have been early, and then the order in which devices were found is not that of their ends.
	slices.SortFunc(silent, byDeadline)
	return silent
}

// Forgive starts everybody's silence anew at log time now. It is called when the log as a whole stood still, because then
// nobody could have been heard.
func (f *Fleet) Forgive(now time.Time) {
	if now.After(f.floor) {
		f.floor = now
	}
}

// Floor returns the time given to the last Forgive, for the next New.
func (f *Fleet) Floor() time.Time { return f.floor }

// Watching returns how many devices are online and would be missed.
func (f *Fleet) Watching() int { return len(f.watch) }

// Touch marks the device as changed.
func (f *Fleet) Touch(d *Device) {
	if !d.Dirty {
		d.Dirty = true
		f.dirty = append(f.dirty, d)
	}
}

// Dirty returns how many devices have changed since the last Publish.
func (f *Fleet) Dirty() int { return len(f.dirty) }

// Publish calls publish for every device that has changed since the last call, each once, in the order of change.
func (f *Fleet) Publish(publish func(*Device)) {
	for i, d := range f.dirty {
		d.Dirty = false
		publish(d)
		f.dirty[i] = nil
	}
	f.dirty = f.dirty[:0]
}

// Types calls visit with the counts of every type that has a device.
func (f *Fleet) Types(visit func(iot.DeviceType, Counts)) {
	for t, c := range f.counts {
		if c.Online+c.Offline > 0 {
			visit(t, *c)
		}
	}
}

// Count returns the counts of one type.
func (f *Fleet) Count(t iot.DeviceType) Counts {
	if c := f.counts[t]; c != nil {
		return *c
	}
	return Counts{}
}

func (f *Fleet) count(d *Device, by int64) {
	c := f.counts[d.Latest.Type]
	if c == nil {
		c = new(Counts)
		f.counts[d.Latest.Type] = c
	}
	if d.Status == iot.Offline {
		c.Offline += by
	} else {
		c.Online += by
	}
}

// schedule has the device watched while it is online. A device already watched keeps its earlier deadline: Advance looks
// again when that has come, which spares the heap a move per reading.
func (f *Fleet) schedule(d *Device) {
	switch {
	case d.Status == iot.Offline && d.index >= 0:
		heap.Remove(&f.watch, d.index)
	case d.Status != iot.Offline && d.index < 0:
		d.deadline = f.due(d)
		heap.Push(&f.watch, d)
	}
}

// due returns when the device will have been silent for too long.
func (f *Fleet) due(d *Device) time.Time {
	since := d.Heard
	if f.floor.After(since) {
		since = f.floor
	}
	return since.Add(f.timeout)
}
