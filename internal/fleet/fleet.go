// Package fleet keeps the latest state of every device of one partition, finds out who has fallen silent, and tells live
// readings from those of the past. It is pure: time comes from the log and from the caller.
package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// Device is a device with what only the processor needs to know about it.
type Device struct {
	iot.DeviceState
	// dirty means that the state has changed since it was last published.
	dirty bool
	// forgotten means that the device is no longer one of the fleet's.
	forgotten bool
	// deadline is when the device is looked at again; it may be earlier than necessary, never later.
	deadline time.Time
	// index is the place in the heap, or -1.
	index int
}

// Counts says how many devices there are of one type.
type Counts struct{ Online, Offline int64 }

// Options say how a fleet judges its devices.
type Options struct {
	// OfflineAfter is how long a device may be silent.
	OfflineAfter time.Duration
	// ForgetAfter is how long after its last reading a device is forgotten; 0 means never.
	ForgetAfter time.Duration
	// Disorder is how much older than the newest a reading may be because of the way that it came, as opposed to the device's
	// clock.
	Disorder time.Duration
}

// Fleet holds the devices of one partition. It is not safe for concurrent use: the goroutine of that partition owns it.
type Fleet struct {
	Options
	// silenceStart is the end of the last time in which the log stood still as a whole: silence before it is nobody's fault.
	silenceStart time.Time
	devices      map[iot.DeviceID]*Device
	counts       map[iot.DeviceType]*Counts
	watch        deadlines
	// watching counts the devices that are online, and those with a run of past readings.
	watching int
	dirty    []*Device
	removed  []removal
}

// removal is a device that was forgotten at a position.
type removal struct {
	id iot.DeviceID
	at iot.Position
}

// New returns an empty fleet whose devices' silence is counted from floor or later.
func New(options Options, floor time.Time) *Fleet {
	return &Fleet{
		Options:      options,
		silenceStart: floor,
		devices:      make(map[iot.DeviceID]*Device),
		counts:       make(map[iot.DeviceType]*Counts),
	}
}

// Restore puts in the state that a device had; an older state of the same device is replaced.
func (f *Fleet) Restore(state iot.DeviceState) {
	d := f.devices[state.Latest.ID]
	if d == nil {
		d = f.add(state.Latest.ID)
	} else {
		f.count(d, -1)
	}
	d.DeviceState = state
	f.count(d, 1)
	f.reschedule(d)
}

// Device returns the device with the given id, or nil.
func (f *Fleet) Device(id iot.DeviceID) *Device { return f.devices[id] }

func (f *Fleet) add(id iot.DeviceID) *Device {
	d := &Device{index: -1}
	f.devices[id] = d
	return d
}

// Forget removes a device at a position of the log and returns it, nil if there is none.
func (f *Fleet) Forget(id iot.DeviceID, at iot.Position) *Device {
	d := f.devices[id]
	if d == nil {
		return nil
	}
	f.count(d, -1)
	f.unschedule(d)
	delete(f.devices, id)
	d.forgotten = true
	f.removed = append(f.removed, removal{id, at})
	return d
}

// RestartSilence starts everybody's silence anew at log time now. It is called when the log as a whole stood still, because then
// nobody could have been heard.
func (f *Fleet) RestartSilence(now time.Time) {
	if now.After(f.silenceStart) {
		f.silenceStart = now
	}
}

// SetBack takes back what was said of a time after now: the log's own clock had run ahead.
func (f *Fleet) SetBack(now time.Time) {
	if f.silenceStart.After(now) {
		f.silenceStart = now
	}
	for _, d := range f.devices {
		d.Clock = nil
		if d.Past != nil && d.Past.Arrived.After(now) {
			d.Past.Arrived = now
		}
		if d.LastSeen.After(now) {
			d.LastSeen = now
		}
		f.reschedule(d)
		f.Touch(d)
	}
}

// SilenceStart returns the time given to the last RestartSilence, for the next New.
func (f *Fleet) SilenceStart() time.Time { return f.silenceStart }

// Touch marks the device as changed.
func (f *Fleet) Touch(d *Device) {
	if !d.dirty {
		d.dirty = true
		f.dirty = append(f.dirty, d)
	}
}

// Dirty returns how many devices have changed or were forgotten since the last Publish.
func (f *Fleet) Dirty() int { return len(f.dirty) + len(f.removed) }

// Publish calls forget for every device that was forgotten since the last call, and then publish for every one that has
// changed, each once, in the order of change. A device that has spoken after it was forgotten is given to both: the position
// of the forgetting is lower than any at which its new state can be published.
func (f *Fleet) Publish(publish func(*Device), forget func(iot.DeviceID, iot.Position)) {
	for _, g := range f.removed {
		forget(g.id, g.at)
	}
	f.removed = f.removed[:0]
	for i, d := range f.dirty {
		d.dirty = false
		if !d.forgotten {
			publish(d)
		}
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

// count counts a device, by 1 or -1, as what it is.
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
		f.watching += int(by)
	}
	if d.Past != nil {
		f.watching += int(by)
	}
}
