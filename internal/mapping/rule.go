package mapping

import "iotmon/internal/iot"

// Rule says what becomes of the points that match it: readings of a device, reports about devices, or nothing. It has the form in which
// people write it. The texts of Device, Building, Floor, Room, Model, Firmware and Status.Below are templates: see Rules.
type Rule struct {
	// Topic is a filter as MQTT has it: + stands for one level, and # at the end for all levels from there on. Empty matches any topic.
	Topic string `yaml:"topic"`
	// Measurement and Tags are what a point must have to match. An empty Measurement matches any.
	Measurement string            `yaml:"measurement"`
	Tags        map[string]string `yaml:"tags"`
	// Field is the field of the points. * stands for any characters but dots, and ** for any characters. It may be empty, for any field, if there is a
	// Topic.
	Field string `yaml:"field"`
	// Ignore makes nothing of the points.
	Ignore bool `yaml:"ignore"`

	Device string         `yaml:"device"`
	Type   iot.DeviceType `yaml:"type"`
	// Unit is the unit of the values; empty for that of the point, or else the type's own.
	Unit string `yaml:"unit"`
	// Building, Floor and Room are the location of the device, from which its area follows. Floor must become a whole number.
	Building string `yaml:"building"`
	Floor    string `yaml:"floor"`
	Room     string `yaml:"room"`
	// Model and Firmware describe the device. Battery is the path of the value with its battery level in percent. What a payload does not
	// have, is left out.
	Model    string `yaml:"model"`
	Firmware string `yaml:"firmware"`
	Battery  string `yaml:"battery"`
	// Time is nil for the time of the point.
	Time *Time `yaml:"time"`
	// Quality is nil for the quality of the point.
	Quality *Quality `yaml:"quality"`
	// Words are the values of texts, in any case.
	Words map[string]float64 `yaml:"words"`
	// The value, in Unit, is value*Scale + Offset; a nil Scale is 1.
	Scale  *float64 `yaml:"scale"`
	Offset float64  `yaml:"offset"`
	// Status makes the points reports about the device, or about all devices Below, instead of readings.
	Status *Status `yaml:"status"`
}

// Time is where the time of a point is, and how it is written. Paths of values are relative to the group of the point; the first * in a path
// stands for what the first wildcard of Rule.Field has matched, and so on.
type Time struct {
	// Field is the path of the value that is the time; empty for the time of the point.
	Field string `yaml:"field"`
	// Format is a format in the notation of strftime, or unix, unix_ms, unix_us or unix_ns. Empty is any of ISO 8601 and Unix time, whose unit
	// is recognized by its size.
	Format string `yaml:"format"`
	// Zone is the time zone of times without one, such as Europe/Berlin. Empty refuses them; with a Format it is UTC.
	Zone string `yaml:"zone"`
	// Arrival is whether the time of the payload does not count, but when it was received.
	Arrival bool `yaml:"arrival"`
}

// Quality is where the quality of a point is.
type Quality struct {
	// Field is the path of the value that is the quality.
	Field string `yaml:"field"`
	// Words give the qualities of texts and numbers, in any case. Without an entry a text must be a quality itself.
	Words map[string]string `yaml:"words"`
}

// Status says what the values of points report.
type Status struct {
	// Online, Offline and Bad are texts of values, in any case. If there are none at all, those are "online", "true" and "1", or "offline", "false" and "0".
	Online  []string `yaml:"online"`
	Offline []string `yaml:"offline"`
	Bad     []string `yaml:"bad"`
	// Below is the beginning of the ids of all devices that the report is about; empty if it is about the device of the rule.
	Below string `yaml:"below"`
}
