// Package fleet keeps the latest state of every device of one partition, detects silent devices, and distinguishes live
// readings from past ones. It is pure: time is an argument.
package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// Device is the state of a device with the fleet's bookkeeping.
type Device struct {
	iot.DeviceState
	// Entry is the device's registry entry in force, nil if it is not registered. It does not change.
	Entry *iot.EntryInForce
	// Areas are the areas to which the registry says that the device has belonged, also if it is not registered any more.
	Areas iot.Areas
	// Rules belongs to the caller, who keeps there which rules watch the device. It is not part of the state.
	Rules any
	// Patience is how long the device may be silent until the caller wants an event, 0 for none; see SetPatience. It is not part of the
	// state.
	Patience time.Duration
	// dirty means that the state has changed since it was last published.
	dirty bool
	// forgotten means that the device was removed from the fleet.
	forgotten bool
	// deadline is when Advance checks the device again; it may be earlier than the next event, never later.
	deadline time.Time
	// index is the device's index in the heap, or -1.
	index int
	// changed is when the expected interval changed: the device does not count as silent from before that. It need not be restored:
	// a device that is overdue when the interval changes falls silent at once.
	changed time.Time
}

// Retired reports whether the device is registered as retired.
func (d *Device) Retired() bool { return d.Entry != nil && d.Entry.Retired }

// Counts is the number of devices of one type by status.
type Counts struct{ Online, Offline int64 }

// typeCounts are the counts of one type, in all and by area.
type typeCounts struct {
	Counts
	areas map[iot.TenantArea]*Counts
}

// Options are the limits by which a fleet judges its devices.
type Options struct {
	// OfflineAfter is the silence after which a device is offline, unless its registry entry has an interval, or its source has said a long one.
	OfflineAfter time.Duration
	// ForgetAfter is how long after its last reading a device that is not registered is forgotten; 0 means never.
	ForgetAfter time.Duration
	// Disorder is how much older than the device's newest reading a live reading may be because it was delayed or reordered
	// on the way. If it is even older, the device's clock may have been set back.
	Disorder time.Duration
	// Entry returns the last registry entry of a device when its first reading arrives, nil if it has none; see Register. A nil Entry
	// means that no device has one.
	Entry func(iot.Identity) *iot.EntryInForce
}

// Fleet holds the devices of one partition. It is not safe for concurrent use: the goroutine of that partition owns it.
type Fleet struct {
	Options
	// silenceStart is the end of the log's last standstill: silence is counted from here at the earliest.
	silenceStart time.Time
	devices      iot.ByDevice[*Device]
	types        map[iot.DeviceType]*typeCounts
	watch        deadlines
	// watching counts the devices that are online, those with a Patience, and those with a run of past readings.
	watching int
	dirty    []*Device
	removed  []removal
}

// removal is a device that was forgotten and the position at which it was.
type removal struct {
	id iot.Identity
	at iot.Position
}

// New returns an empty fleet. The silence of its devices is counted from silenceStart at the earliest.
func New(options Options, silenceStart time.Time) *Fleet {
	return &Fleet{
		Options:      options,
		silenceStart: silenceStart,
		types:        make(map[iot.DeviceType]*typeCounts),
	}
}

// Restore sets the state of a device, replacing any other state of the same device.
func (f *Fleet) Restore(state iot.DeviceState) {
	d := f.Device(state.Latest.Identity())
	if d == nil {
		d = f.add(state.Latest.Identity())
	} else {
		f.count(d, -1)
	}
	area := d.Area
	d.DeviceState = state
	d.Area = area // The entry is restored before.
	f.count(d, 1)
	f.reschedule(d)
}

// Len returns the number of devices.
func (f *Fleet) Len() int { return f.devices.Len() }

// Device returns the device with the given identity, or nil.
func (f *Fleet) Device(id iot.Identity) *Device { return f.devices.Get(id.Tenant, id.ID) }

// Each calls visit with every device, in no particular order.
func (f *Fleet) Each(visit func(*Device)) {
	for _, d := range f.devices.All() {
		visit(d)
	}
}

func (f *Fleet) add(id iot.Identity) *Device {
	d := &Device{index: -1}
	if f.Entry != nil {
		d.enter(f.Entry(id))
	}
	f.devices.Set(id, d)
	return d
}

// Forget removes a device at a position of the log and returns it, nil if there is none.
func (f *Fleet) Forget(id iot.Identity, at iot.Position) *Device {
	d := f.Device(id)
	if d == nil {
		return nil
	}
	f.count(d, -1)
	f.unschedule(d)
	f.devices.Delete(id)
	d.forgotten = true
	f.removed = append(f.removed, removal{id, at})
	return d
}

// RestartSilence restarts the silence of all devices at log time now. Call it after a standstill of the whole log, during
// which no device could send.
func (f *Fleet) RestartSilence(now time.Time) {
	if now.After(f.silenceStart) {
		f.silenceStart = now
	}
}

// SetBack moves all log times after now back to now: the log's clock was ahead and is set back.
func (f *Fleet) SetBack(now time.Time) {
	if f.silenceStart.After(now) {
		f.silenceStart = now
	}
	for _, d := range f.devices.All() {
		d.Clock, d.changed = nil, time.Time{}
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

// SilenceStart returns the time of the last RestartSilence, for the next New.
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
// changed, each once, in the order of change. A device that sent again after it was forgotten is passed to both: it was
// forgotten at a lower position than that of its new state.
func (f *Fleet) Publish(publish func(*Device), forget func(iot.Identity, iot.Position)) {
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

// Types calls visit with the counts of every type that has devices.
func (f *Fleet) Types(visit func(iot.DeviceType, Counts)) {
	for t, c := range f.types {
		if c.Online+c.Offline > 0 {
			visit(t, c.Counts)
		}
	}
}

// Count returns the counts of one type.
func (f *Fleet) Count(t iot.DeviceType) Counts {
	if c := f.types[t]; c != nil {
		return c.Counts
	}
	return Counts{}
}

// CountAreas returns the counts of one type by the tenant and the first area of the devices, in which every area has devices. The caller must not
// change the result, which is valid until the next call of another method.
func (f *Fleet) CountAreas(t iot.DeviceType) map[iot.TenantArea]*Counts {
	if c := f.types[t]; c != nil {
		return c.areas
	}
	return nil
}

// count adds by, 1 or -1, to the counts of the device's type, area and status.
func (f *Fleet) count(d *Device, by int64) {
	c := f.types[d.Latest.Type]
	if c == nil {
		c = &typeCounts{areas: make(map[iot.TenantArea]*Counts)}
		f.types[d.Latest.Type] = c
	}
	area := iot.TenantArea{Tenant: d.Latest.Tenant, Area: d.FirstArea()}
	inArea := c.areas[area]
	if inArea == nil {
		inArea = new(Counts)
		c.areas[area] = inArea
	}
	if d.Status == iot.Offline {
		c.Offline += by
		inArea.Offline += by
	} else {
		c.Online += by
		inArea.Online += by
		f.watching += int(by)
	}
	if *inArea == (Counts{}) {
		delete(c.areas, area)
	}
	if d.Past != nil {
		f.watching += int(by)
	}
	if d.Patience > 0 {
		f.watching += int(by)
	}
}
