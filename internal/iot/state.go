package iot

import "time"

// DeviceState is the latest known state of one device: the value of the compacted topic device-state. Pages show it, and it
// is all that a processor needs to continue with the device after a restart.
type DeviceState struct {
	// Latest is the newest reading by the device's own time, not the last to arrive.
	Latest Reading
	// Area is where the registry says that the device belongs, empty if the location in its latest reading applies.
	Area Area
	// Status is online or offline: as the device reported it, or offline after it was silent for too long.
	Status Status
	// Since is the event time of the last change of Status.
	Since time.Time
	// LastSeen is when a live reading of the device was last appended to the log, whatever its timestamp. Silence is
	// measured from here, because the device's own clock may be wrong. While the device is offline, past readings move
	// LastSeen too, unless a rule of the kind NoData waits for live ones.
	LastSeen time.Time
	// Age is how old the device's live readings usually are when they are appended: the error of its clock plus the delay
	// on the way to the log.
	Age time.Duration
	RuleStates
	// Past is the current run of past readings that rules remember, nil for none.
	Past *PastRun
	// Clock is the current run of readings that are older than expected, nil for none. After enough of them the device's
	// clock counts as set back.
	Clock *ClockRun
	// Interval is how often the device sends at least, as its source has said; 0 if it has not.
	Interval time.Duration
	// Session is the highest StatusReport.Session so far.
	Session int64
	// Report is the status report from which Status follows; nil if there was none, or if something newer has decided since: a
	// live reading, or silence.
	Report *StatusReport
	Position
}

// FirstArea returns the first level of the area to which the device belongs.
func (s *DeviceState) FirstArea() Area {
	if s.Area != "" {
		return s.Area.First()
	}
	return s.Latest.Location.FirstArea()
}

// ClockRun is a run of readings of one device that are all about equally older than their append time.
type ClockRun struct {
	// Began is when the first reading was appended, Age how old it was then.
	Began time.Time
	Age   time.Duration
	// Count is the number of readings.
	Count int
}

// OpenAlerts returns the raised events of the alerts that are open now.
func (s *DeviceState) OpenAlerts() []Alert {
	var open []Alert
	for _, state := range s.Alerts {
		if state.Raised != nil {
			open = append(open, *state.Raised)
		}
	}
	return open
}
