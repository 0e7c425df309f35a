package iot

import "time"

// DeviceState is the latest known of one device: the value of the compacted topic device-state. It is what a page shows
// and all a processor needs to go on with the device after a restart.
type DeviceState struct {
	// Latest is the newest reading by the device's own time, not the last to arrive.
	Latest Reading
	// Status is online or offline: what the device said of itself, or offline after too long a silence.
	Status Status
	// Since is the event time of the last change of Status.
	Since time.Time
	// LastSeen is when a live reading of the device was last appended to the log, whatever time that carried. Silence is counted
	// from here, not from the device's own clock, which may be wrong. Of a device that is offline, any reading moves it.
	LastSeen time.Time
	// Age is how old the device's live readings are when they are appended: what its clock and the way to the log usually make
	// of it.
	Age time.Duration
	// Alerts holds one entry for each rule that is violated or whose alert is still open.
	Alerts []AlertState
	// Past is the run of readings of the past in which rules are violated, nil for none.
	Past *PastRun
	// Clock is the run of live readings that are older than they should be, nil for none: after enough of them it is the
	// device's clock that was set back.
	Clock *ClockRun
	Position
}

// ClockRun is a run of readings of one device, each as much older than its append time as the others.
type ClockRun struct {
	// Began is when the first was appended, Age how old it was then.
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
