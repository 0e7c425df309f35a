package iot

// MaxIDLength is the maximum length of a device id in bytes. A longer one is rejected: ids are Kafka keys and map keys
// everywhere.
const MaxIDLength = 128

// DeviceID identifies one device of a tenant permanently; see Identity.
type DeviceID string

// DeviceType names a kind of device, such as "temperature_sensor"; a Catalog holds its unit and range.
type DeviceType string

// The five built-in device types.
const (
	Temperature DeviceType = "temperature_sensor"
	Humidity    DeviceType = "humidity_sensor"
	Pressure    DeviceType = "pressure_sensor"
	Current     DeviceType = "current_sensor"
	Switch      DeviceType = "switch_sensor"
)

// Status is whether a device is online: as the device reports it, or offline because it is silent.
type Status string

// A device is online while it sends readings, and offline when it reports so or has sent nothing for longer than the
// offline timeout.
const (
	Online  Status = "online"
	Offline Status = "offline"
)

// Location is where a device is installed. The zero Location means unknown.
type Location struct {
	Building string `json:"building,omitempty"`
	Floor    int    `json:"floor,omitempty"`
	Room     string `json:"room,omitempty"`
}

// Metadata describes the hardware behind a device.
type Metadata struct {
	Model    string `json:"model,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	// BatteryLevel is in percent, 0 to 100; nil for a device without a battery.
	BatteryLevel *float64 `json:"battery_level,omitempty"`
}

// Device is the part of a reading that describes the device and rarely changes.
type Device struct {
	// Tenant is never part of what the device sends.
	Tenant   Tenant     `json:"-"`
	ID       DeviceID   `json:"device_id"`
	Type     DeviceType `json:"device_type"`
	Unit     string     `json:"unit"`
	Location Location   `json:"location,omitzero"`
	Metadata Metadata   `json:"metadata,omitzero"`
}

// Identity returns what identifies the device.
func (d *Device) Identity() Identity { return Identity{d.Tenant, d.ID} }
