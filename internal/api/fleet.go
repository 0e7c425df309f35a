package api

import (
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Fleet is the present state of the plant. Its methods may be called concurrently; their results are immutable.
type Fleet interface {
	// Scan calls visit with the devices after the id after, or with all if that is empty, in ascending or descending order
	// of their ids, until visit returns false. visit must not block, call the fleet, or keep the pointer.
	Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool)
	// Device returns one device; false if it is not known.
	Device(id iot.DeviceID) (iot.DeviceState, bool)
	// Known reports whether a device is known.
	Known(id iot.DeviceID) bool
	// Alert returns the last event of an alert that is open, or has cleared not long ago.
	Alert(id string) (iot.Alert, bool)
	// OpenAlerts counts the open alerts by severity; the map has every severity.
	OpenAlerts() map[iot.Severity]int64
	// Counts returns the number of devices, in total and by type, and the readings per second.
	Counts() wire.DeviceStatus
}
