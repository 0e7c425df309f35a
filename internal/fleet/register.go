package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// A device counts as silent after missedIntervals of its expected interval, but not before minTimeout.
const (
	missedIntervals = 3
	minTimeout      = 10 * time.Second
)

// Register puts another entry of a device in force at log time now, which may be one that has forgotten an earlier device of that id. It
// returns the device, nil if it has never sent a reading. If the expected interval has changed, the next silence is due by the new one, but
// not before now.
func (f *Fleet) Register(id iot.DeviceID, entry *iot.EntryInForce, now time.Time) *Device {
	d := f.devices[id]
	if d == nil {
		return nil
	}
	before := f.timeout(d)
	f.count(d, -1)
	d.enter(entry)
	f.count(d, 1)
	if f.timeout(d) != before {
		d.changed = now
	}
	f.reschedule(d)
	return d
}

// enter puts the last registry entry of the device in force, nil if it has none.
func (d *Device) enter(entry *iot.EntryInForce) {
	d.Entry, d.Areas, d.Area = nil, nil, ""
	if entry == nil {
		return
	}
	d.Areas = entry.Areas
	if !entry.Forget {
		d.Entry, d.Area = entry, entry.Area
	}
}

// timeout returns the silence after which the device is offline.
func (f *Fleet) timeout(d *Device) time.Duration {
	if d.Entry == nil || d.Entry.Interval == 0 {
		return f.OfflineAfter
	}
	return max(missedIntervals*d.Entry.Interval, minTimeout)
}
