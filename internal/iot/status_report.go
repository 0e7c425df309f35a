package iot

import "time"

// Reported is what a source says about the connection to a device.
type Reported string

const (
	// ReportedOnline means that the device is connected.
	ReportedOnline Reported = "online"
	// ReportedOffline means that the device is gone, for example because its MQTT last will was published.
	ReportedOffline Reported = "offline"
	// ReportedBad means that the device is connected, but its present value cannot be trusted.
	ReportedBad Reported = "bad"
)

// MaxReason is the maximum length in bytes of what a person or a source gives as a reason.
const MaxReason = 1024

// StatusReport is what a source says about a device without a reading: the value of a record of KindStatus, whose key is the
// device. It says either its Status or its Interval.
type StatusReport struct {
	// Status is empty if the report says how often the device sends.
	Status Reported
	// Reason is the source's own text, such as "BadNoCommunication" or "last will"; may be empty.
	Reason string
	// Time is when the source noticed, by its own clock.
	Time time.Time
	// Session numbers the connections of the source to the device, ascending: a report of an earlier session than the last one
	// is ignored. 0 means that the source has no sessions; such a report is never ignored.
	Session int64
	// Historical marks a report that is known to be replayed or buffered. It does not change the device's present status.
	Historical bool
	// Interval is how often the device sends at least; 0 if the report does not say it. It holds until another one is reported, and counts only if
	// the registry has none for the device; see DeviceEntry.Interval.
	Interval time.Duration
}

// StatusLevelInterval is the level of reports with an Interval: older programs skip them.
const StatusLevelInterval = 2

// Level returns the level of the record of the report.
func (s *StatusReport) Level() uint8 {
	if s.Status == "" {
		return StatusLevelInterval
	}
	return 1
}

// Normalize checks the report against the time at which it was appended to the log, and puts it into canonical form. Like a
// reading, it must not be ahead of that by more than the skew. The error is an *InvalidError.
func (s *StatusReport) Normalize(appended time.Time, by *Admission) error {
	s.Interval = s.Interval.Truncate(time.Microsecond)
	if s.Interval < 0 || s.Interval > MaxInterval {
		return Invalid("interval", "must be between 0 and %v (got %v)", MaxInterval, s.Interval)
	}
	switch {
	case s.Status == ReportedOnline || s.Status == ReportedOffline || s.Status == ReportedBad:
		if s.Interval != 0 {
			return Invalid("interval", "must be without a status (got %v)", s.Interval)
		}
	case s.Status == "" && s.Interval != 0:
	default:
		return Invalid("status", "must be online, offline or bad (got %s)", Quote(string(s.Status)))
	}
	if err := normalizeText("reason", &s.Reason, MaxReason); err != nil {
		return err
	}
	if err := normalizeMoment("time", &s.Time, by.EarliestTime().Unix()); err != nil {
		return err
	}
	if s.Session < 0 {
		return Invalid("session", "must not be negative (got %d)", s.Session)
	}
	if ahead := s.Time.Sub(appended); ahead > by.Skew {
		return Invalid("time", "more than %v ahead of the time it was received (got %v)", by.Skew, ahead.Round(time.Millisecond))
	}
	return nil
}
