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

// Register puts another entry of a device in force at log time now, which may be one that has forgotten an earlier device of that identity. It
// returns the device, nil if it has never sent a reading. If the expected interval has changed, the next silence is due by the new one, but
// not before now. Returned means that a silent device is online again, because by the new interval it has not been silent for too long.
func (f *Fleet) Register(id iot.Identity, entry *iot.EntryInForce, now time.Time) (d *Device, returned bool) {
	d = f.Device(id)
	if d == nil {
		return nil, false
	}
	before := f.Timeout(d)
	f.count(d, -1)
	d.enter(entry)
	f.count(d, 1)
	return d, f.retime(d, before, now)
}

// retime schedules the next silence of a device whose timeout was another one, at log time now. Returned is that of Register.
func (f *Fleet) retime(d *Device, before time.Duration, now time.Time) (returned bool) {
	if f.Timeout(d) != before {
		d.changed = now
		if returned = d.silent() && d.LastSeen.Add(f.Timeout(d)).After(now); returned {
			f.count(d, -1)
			d.Status, d.Since = d.Latest.Status, now
			f.count(d, 1)
		}
	}
	f.reschedule(d)
	return returned
}

// silent reports whether the device is offline only because it has fallen silent, and nothing of it has arrived since. Of a device whose
// backlog has arrived since, LastSeen does not say when it was last live.
func (d *Device) silent() bool {
	return d.Status == iot.Offline && d.Report == nil && d.Latest.Status != iot.Offline && d.Since.After(d.LastSeen)
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

// Timeout returns the silence after which the device is offline. What a source says about the interval never makes it shorter.
func (f *Fleet) Timeout(d *Device) time.Duration {
	if d.Entry == nil || d.Entry.Interval == 0 {
		return max(missedIntervals*d.Interval, f.OfflineAfter)
	}
	return max(missedIntervals*d.Entry.Interval, minTimeout)
}
