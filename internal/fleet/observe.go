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
		return f.first(r, now, age)
	case r.Historical:
		return f.backlog(d, r, now)
	case age > d.Age+backlogAge:
		if f.runs(d, now, age) {
			return f.setBack(d, r, now, age)
		}
		heard := f.hearOld(d, now, age)
		o := f.backlog(d, r, now)
		o.Returned = heard
		return o
	case r.Time.After(d.Latest.Time):
		o := Observed{Device: d, Kind: Newest, Before: d.Latest.Time}
		f.takeLatest(d, r, now, age)
		return o
	case d.Latest.Time.Sub(r.Time) > f.Disorder && f.runs(d, now, age):
		return f.setBack(d, r, now, age)
	case d.Latest.Time.Sub(r.Time) > f.Disorder:
		return Observed{Device: d, Kind: Older, Before: d.Latest.Time, Returned: f.hearOld(d, now, age)}
	default:
		if d.Status != iot.Offline {
			f.hear(d, now)
		}
		return Observed{Device: d, Kind: Older, Before: d.Latest.Time}
	}
}

// first takes in the first reading of a device. One that is not live makes it known, and offline.
func (f *Fleet) first(r *iot.Reading, now time.Time, age time.Duration) Observed {
	d := f.add(r.ID)
	o := Observed{Device: d, Kind: Newest}
	d.Latest, d.LastSeen, d.Age = *r, now, age
	d.Status, d.Since = r.Status, r.Time
	if r.Historical || age > backlogAge {
		o.Kind = Backlog
		d.Status, d.Age = iot.Offline, 0
		if !r.Historical {
			f.runs(d, now, age)
		}
	}
	f.count(d, 1)
	f.reschedule(d)
	f.Touch(d)
	return o
}

// takeLatest makes a live reading the device's latest.
func (f *Fleet) takeLatest(d *Device, r *iot.Reading, now time.Time, age time.Duration) {
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

// backlog takes in a reading of the past. If it is newer than what is known it is the latest that is known of the device, and
// says nothing of its present. One that is marked leaves the latest of a device that speaks alone.
func (f *Fleet) backlog(d *Device, r *iot.Reading, now time.Time) Observed {
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

// setBack makes a reading the latest of a device whose clock was found to be set back.
func (f *Fleet) setBack(d *Device, r *iot.Reading, now time.Time, age time.Duration) Observed {
	o := Observed{Device: d, Kind: SetBack, Before: d.Latest.Time, Back: age - d.Age}
	f.takeLatest(d, r, now, age)
	return o
}

// runs adds a reading that is older than it should be to the run of such readings, and reports whether there are now enough
// of them to say that it is the clock.
func (f *Fleet) runs(d *Device, now time.Time, age time.Duration) bool {
	f.Touch(d)
	if d.Clock == nil || (age-d.Clock.Age).Abs() > steadyAge {
		d.Clock = &iot.ClockRun{Began: now, Age: age, Count: 1}
		return false
	}
	d.Clock.Count++
	return d.Clock.Count >= setBackReadings && now.Sub(d.Clock.Began) >= setBackAfter
}

// hear moves the beginning of a device's silence.
func (f *Fleet) hear(d *Device, now time.Time) {
	if now.After(d.LastSeen) {
		d.LastSeen = now
		f.Touch(d)
	}
}

// hearOld hears a device through a reading that belongs to its run of old ones. While it delivers, a device that was online
// stays so. One that was not returns if it speaks as time passes; a backlog comes faster. The result says that it has returned.
func (f *Fleet) hearOld(d *Device, now time.Time, age time.Duration) (returned bool) {
	if d.Status != iot.Offline {
		f.hear(d, now)
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
	f.hear(d, now)
	f.reschedule(d)
	return true
}
