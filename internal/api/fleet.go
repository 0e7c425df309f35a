package api

import (
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Fleet is the present state of the plant. Its methods may be called concurrently; what they return must not be changed, and
// does not change under the reader.
type Fleet interface {
	// Scan calls visit with the devices behind the id after, or with all if that is empty, in the ascending order of their
	// ids or the descending one, until it returns false. visit must neither keep the state, but for a copy, nor wait, nor call
	// the fleet.
	Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool)
	// Device returns one device; false if it is not known.
	Device(id iot.DeviceID) (iot.DeviceState, bool)
	// OpenAlerts counts the open alerts by severity; every severity is there.
	OpenAlerts() map[iot.Severity]int64
	// Counts counts the devices, in all and by type, and the readings per second.
	Counts() wire.DeviceStatus
}
