package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// Kind says what a reading is to its device.
type Kind int

const (
	// Newest is a live reading, newer than all before: it is the device's latest.
	Newest Kind = iota
	// Older is a live reading that is not newer.
	Older
	// Backlog is a reading that was not live when it was appended: it says so, or it is much older than the device's readings
	// usually are.
	Backlog
	// SetBack is a live reading that is the device's latest because its clock was found to be set back.
	SetBack
)

// Observed is what a reading has done to its device.
type Observed struct {
	*Device
	Kind Kind
	// Before is the time of the latest reading before this one, zero for a new device.
	Before time.Time
	// Returned means that a silent device is online again although the reading is not its newest.
	Returned bool
	// Back is by how much the clock was found to be set back.
	Back time.Duration
}

// backlogAge is how much older than usual an unmarked reading may be and still be live. Gateways that send every few minutes
// stay below it.
const backlogAge = 5 * time.Minute

// A clock counts as set back after so many readings over so long by the log's clock, whose ages differ from that of the first
// by no more than steadyAge. A backlog comes faster than it was recorded, so its ages shrink.
const (
	setBackReadings = 10
	setBackAfter    = time.Minute
	steadyAge       = 30 * time.Second
)

// A silent device is heard again through old readings only after so many over so long: the first moments of a backlog look
// the same as a clock that is behind.
const (
	returnReadings = 3
	returnAfter    = 20 * time.Second
)

// Observe takes in a reading that was appended to the log at the given time; now is the log's clock, which is ahead of
// appended where the log is out of order.
func (f *Fleet) Observe(r *iot.Reading, appended, now time.Time) Observed {
	age := appended.Sub(r.Time)
	d := f.devices[r.ID]
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

// observeFirst takes in the first reading of a device. One that is not live makes it known, and offline.
func (f *Fleet) observeFirst(r *iot.Reading, now time.Time, age time.Duration) Observed {
	d := f.add(r.ID)
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

// setLatest makes a live reading the device's latest.
func (f *Fleet) setLatest(d *Device, r *iot.Reading, now time.Time, age time.Duration) {
	same := d.Latest.Type == r.Type && d.Status == r.Status
	if !same {
		f.count(d, -1)
	}
	d.Latest, d.LastSeen, d.Age, d.Clock = *r, now, age, nil
	if !same {
		if d.Status != r.Status {
			d.Status, d.Since = r.Status, r.Time
		}
		f.count(d, 1)
		f.reschedule(d)
	}
	f.Touch(d)
}

// observeBacklog takes in a reading of the past. If it is newer than what is known it is the latest that is known of the device, and
// says nothing of its present. One that is marked leaves the latest of a device that speaks alone.
func (f *Fleet) observeBacklog(d *Device, r *iot.Reading, now time.Time) Observed {
	o := Observed{Device: d, Kind: Backlog, Before: d.Latest.Time}
	if d.Status == iot.Offline {
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

// observeSetBack makes a reading the latest of a device whose clock was found to be set back.
func (f *Fleet) observeSetBack(d *Device, r *iot.Reading, now time.Time, age time.Duration) Observed {
	o := Observed{Device: d, Kind: SetBack, Before: d.Latest.Time, Back: age - d.Age}
	f.setLatest(d, r, now, age)
	return o
}

// extendClockRun adds a reading that is older than it should be to the run of such readings, and reports whether there are now enough
// of them to say that it is the clock.
func (f *Fleet) extendClockRun(d *Device, now time.Time, age time.Duration) bool {
	f.Touch(d)
	if d.Clock == nil || (age-d.Clock.Age).Abs() > steadyAge {
		d.Clock = &iot.ClockRun{Began: now, Age: age, Count: 1}
		return false
	}
	d.Clock.Count++
	return d.Clock.Count >= setBackReadings && now.Sub(d.Clock.Began) >= setBackAfter
}

// markSeen moves the beginning of a device's silence.
func (f *Fleet) markSeen(d *Device, now time.Time) {
	if now.After(d.LastSeen) {
		d.LastSeen = now
		f.Touch(d)
	}
}

// markSeenByOld hears a device through a reading that belongs to its run of old ones. While it delivers, a device that was online
// stays so. One that was not returns if it speaks as time passes; a backlog comes faster. The result says that it has returned.
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
	d.Status, d.Since = iot.Online, now
	f.count(d, 1)
	f.markSeen(d, now)
	f.reschedule(d)
	return true
}
