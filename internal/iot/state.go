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
	// Heard is when Latest was appended to the log. Silence is counted from here, not from the device's own clock, which
	// may be wrong.
	Heard time.Time
	// Alerts holds one entry for each rule that is violated or whose alert is still open.
	Alerts []AlertState
	Position
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
