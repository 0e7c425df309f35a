package api

import (
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Fleet is the present state of the plant. Its methods may be called concurrently and do not block; what they return
// must not be changed, and does not change under the reader.
type Fleet interface {
	// Devices returns every known device, in any order.
	Devices() []iot.DeviceState
	// Device returns one device; false if it is not known.
	Device(id iot.DeviceID) (iot.DeviceState, bool)
	// OpenAlerts returns the raised event of every open alert, in any order.
	OpenAlerts() []iot.Alert
	// Counts counts the devices, in all and by type, and the readings per second.
	Counts() wire.DeviceStatus
}
