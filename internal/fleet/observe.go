package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// Kind is how a reading relates to the other readings of its device.
type Kind int

const (
	// Newest is a live reading that is newer than all others: it becomes the device's latest.
	Newest Kind = iota
	// Older is a live reading that is not newer than the latest.
	Older
	// Backlog is a past reading: it is marked Historical, or was much older when appended than the device's readings
	// usually are.
	Backlog
	// SetBack is a live reading that becomes the device's latest although it is older, because the device's clock was set
	// back.
	SetBack
)

// Observed is the effect of a reading on its device.
type Observed struct {
	*Device
	Kind Kind
	// Before is the timestamp of the device's latest reading until now, zero for a new device.
	Before time.Time
	// Returned means that an offline device is online again although the reading is not its newest.
	Returned bool
	// Back is how far the device's clock was set back, for SetBack.
	Back time.Duration
}

// backlogAge is how much older than usual a reading without the mark Historical may be and still count as live. Gateways
// that send every few minutes stay below it.
const backlogAge = 5 * time.Minute

// A device's clock counts as set back after setBackReadings readings during setBackAfter of log time whose ages differ from
// that of the first by at most steadyAge. A backlog is sent faster than it was recorded, so its ages shrink.
const (
	setBackReadings = 10
	setBackAfter    = time.Minute
	steadyAge       = 30 * time.Second
)

// An offline device returns through old readings only after returnReadings of them during returnAfter: the beginning of a
// backlog looks the same as a clock that is behind.
const (
	returnReadings = 3
	returnAfter    = 20 * time.Second
)

// Observe updates the device of a reading that was appended at the given time, given what Device returns for it. now is the log's
// clock, which may be ahead of appended if the log is out of order.
func (f *Fleet) Observe(d *Device, r *iot.Reading, appended, now time.Time) Observed {
	age := appended.Sub(r.Time)
	switch {
	case d == nil:
		return f.observeFirst(r, now, age)
	case r.Historical:
		return f.observeBacklog(d, r, now)
	case age > d.Age+backlogAge:
		if f.extendClockRun(d, now, age) {
			return f.observeSetBack(d, r, now, age)
		}
		returned := f.markSeenByOld(d, now, age)
		o := f.observeBacklog(d, r, now)
		o.Returned = returned
		return o
	case r.Time.After(d.Latest.Time):
		o := Observed{Device: d, Kind: Newest, Before: d.Latest.Time}
		f.setLatest(d, r, now, age)
		return o
	case d.Latest.Time.Sub(r.Time) > f.Disorder && f.extendClockRun(d, now, age):
		return f.observeSetBack(d, r, now, age)
	case d.Latest.Time.Sub(r.Time) > f.Disorder:
		return Observed{Device: d, Kind: Older, Before: d.Latest.Time, Returned: f.markSeenByOld(d, now, age)}
	default:
		if d.Status != iot.Offline {
			f.markSeen(d, now)
		}
		return Observed{Device: d, Kind: Older, Before: d.Latest.Time}
	}
}

// observeFirst adds a device with its first reading. If that is not live, the device is offline.
func (f *Fleet) observeFirst(r *iot.Reading, now time.Time, age time.Duration) Observed {
	d := f.add(r.Identity())
	o := Observed{Device: d, Kind: Newest}
	d.Latest, d.LastSeen, d.Age = *r, now, age
	d.Status, d.Since = r.Status, r.Time
	if r.Historical || age > backlogAge {
		o.Kind = Backlog
		d.Status, d.Age = iot.Offline, 0
		if !r.Historical {
			f.extendClockRun(d, now, age)
		}
	}
	f.count(d, 1)
	f.reschedule(d)
	f.Touch(d)
	return o
}

// setLatest makes a live reading the device's latest and updates its status.
func (f *Fleet) setLatest(d *Device, r *iot.Reading, now time.Time, age time.Duration) {
	same := d.Latest.Type == r.Type && d.Status == r.Status && d.Latest.Location.SameFirstArea(&r.Location)
	if !same {
		f.count(d, -1)
	}
	d.Latest, d.LastSeen, d.Age, d.Clock, d.Report = *r, now, age, nil, nil
	if !same {
		if d.Status != r.Status {
			d.Status, d.Since = r.Status, r.Time
		}
		f.count(d, 1)
		f.reschedule(d)
	}
	f.Touch(d)
}

// observeBacklog handles a past reading. If it is newer than the device's latest it replaces that, without changing the
// status. A reading marked Historical does not replace the latest of a device that is online.
func (f *Fleet) observeBacklog(d *Device, r *iot.Reading, now time.Time) Observed {
	o := Observed{Device: d, Kind: Backlog, Before: d.Latest.Time}
	if d.Status == iot.Offline && d.Patience == 0 { // A past reading ends no silence that somebody waits for.
		d.LastSeen = now
		f.Touch(d)
	}
	if r.Time.After(d.Latest.Time) && (!r.Historical || d.Status == iot.Offline) {
		f.count(d, -1)
		d.Latest = *r
		f.count(d, 1)
		f.Touch(d)
	}
	return o
}

// observeSetBack makes a reading the latest of a device whose clock was set back.
func (f *Fleet) observeSetBack(d *Device, r *iot.Reading, now time.Time, age time.Duration) Observed {
	o := Observed{Device: d, Kind: SetBack, Before: d.Latest.Time, Back: age - d.Age}
	f.setLatest(d, r, now, age)
	return o
}

// extendClockRun adds a reading that is older than expected to the device's ClockRun, and reports whether the run is long
// enough to conclude that the clock was set back.
func (f *Fleet) extendClockRun(d *Device, now time.Time, age time.Duration) bool {
	f.Touch(d)
	if d.Clock == nil || (age-d.Clock.Age).Abs() > steadyAge {
		d.Clock = &iot.ClockRun{Began: now, Age: age, Count: 1}
		return false
	}
	d.Clock.Count++
	return d.Clock.Count >= setBackReadings && now.Sub(d.Clock.Began) >= setBackAfter
}

// markSeen moves LastSeen, from which silence is counted, to now.
func (f *Fleet) markSeen(d *Device, now time.Time) {
	if now.After(d.LastSeen) {
		d.LastSeen = now
		f.Touch(d)
	}
}

// markSeenByOld handles silence for a reading of the device's ClockRun. An online device stays online. An offline device
// returns if the readings arrive at the pace of their timestamps, as opposed to a backlog, which arrives faster. The result
// reports whether it has returned.
func (f *Fleet) markSeenByOld(d *Device, now time.Time, age time.Duration) (returned bool) {
	if d.Status != iot.Offline {
		f.markSeen(d, now)
		return false
	}
	run, since := d.Clock, now.Sub(d.Clock.Began)
	steady := (age - run.Age).Abs() <= since/2
	if run.Count < returnReadings || since < returnAfter || !steady || d.Latest.Status == iot.Offline {
		return false
	}
	f.count(d, -1)
	d.Status, d.Since, d.Report = iot.Online, now, nil
	f.count(d, 1)
	f.markSeen(d, now)
	f.reschedule(d)
	return true
}
