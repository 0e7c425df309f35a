package fleet

import (
	"time"

	"iotmon/internal/iot"
)

// Report updates a device by what its source says about it at log time now. It returns nil if nothing follows from the report:
// the device has never sent a reading, the report is one of the past, or it belongs to an earlier session than the last one.
// Turned reports whether the device has gone online or offline, at Device.Since. An interval is the device's whenever it was reported: then turned
// means what returned does for Register.
func (f *Fleet) Report(id iot.Identity, s *iot.StatusReport, now time.Time) (d *Device, turned bool) {
	d = f.Device(id)
	if d != nil && s.Interval != 0 {
		return d, f.expect(d, s.Interval, now)
	}
	if d == nil || s.Historical || s.Session != 0 && s.Session < d.Session {
		return nil, false
	}
	report := *s
	d.Report, d.Session = &report, max(d.Session, s.Session)
	status := iot.Online
	if s.Status == iot.ReportedOffline {
		status = iot.Offline
	} else {
		f.markSeen(d, now)
	}
	if turned = status != d.Status; turned {
		f.count(d, -1)
		d.Status, d.Since = status, reportedAt(d, s)
		f.count(d, 1)
		f.reschedule(d)
	}
	f.Touch(d)
	return d, turned
}

// expect sets how often a device sends at least.
func (f *Fleet) expect(d *Device, interval time.Duration, now time.Time) (returned bool) {
	if d.Interval == interval {
		return false
	}
	before := f.Timeout(d)
	d.Interval = interval
	f.Touch(d)
	return f.retime(d, before, now)
}

// reportedAt returns the time at which the device's status changes: that of the report, but not before the reading that the
// device has sent last, and after the last change. So the onsets of two alerts are never equal.
func reportedAt(d *Device, s *iot.StatusReport) time.Time {
	at := s.Time
	if at.Before(d.Latest.Time) {
		at = d.Latest.Time
	}
	if !at.After(d.Since) {
		at = d.Since.Add(time.Microsecond)
	}
	return at
}
