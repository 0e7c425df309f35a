package mapping

import "iotmon/internal/iot"

// Rule says what becomes of the points that match it: readings of a device, reports about devices, or nothing. It has the form in which
// people write it. The texts of Device, Type, Unit, Building, Floor, Room, Model, Firmware and Status.Below are templates: see Rules.
type Rule struct {
	// Topic is a filter as MQTT has it: + stands for one level, and # at the end for all levels from there on. Empty matches any topic.
	Topic string `yaml:"topic,omitempty" json:"topic,omitempty"`
	// Measurement and Tags are what a point must have to match. An empty Measurement matches any.
	Measurement string            `yaml:"measurement,omitempty" json:"measurement,omitempty"`
	Tags        map[string]string `yaml:"tags,omitempty" json:"tags,omitempty"`
	// Field is the field of the points. * stands for any characters but dots, and ** for any characters; \* is the character itself. It may be
	// empty, for any field, if there is a Topic.
	Field string `yaml:"field,omitempty" json:"field,omitempty"`
	// Ignore makes nothing of the points.
	Ignore bool `yaml:"ignore,omitempty" json:"ignore,omitempty"`

	Device string         `yaml:"device,omitempty" json:"device,omitempty"`
	Type   iot.DeviceType `yaml:"type,omitempty" json:"type,omitempty"`
	// Define is the type, if nothing else defines it. Type has no placeholders then.
	Define *Type `yaml:"define,omitempty" json:"define,omitempty"`
	// Unit is the unit of the values; empty for that of the point, or else the type's own.
	Unit string `yaml:"unit,omitempty" json:"unit,omitempty"`
	// Building, Floor and Room are the location of the device, from which its area follows. Floor must become a whole number.
	Building string `yaml:"building,omitempty" json:"building,omitempty"`
	Floor    string `yaml:"floor,omitempty" json:"floor,omitempty"`
	Room     string `yaml:"room,omitempty" json:"room,omitempty"`
	// Model and Firmware describe the device. Battery is the path of the value with its battery level in percent. What a payload does not
	// have, is left out.
	Model    string `yaml:"model,omitempty" json:"model,omitempty"`
	Firmware string `yaml:"firmware,omitempty" json:"firmware,omitempty"`
	Battery  string `yaml:"battery,omitempty" json:"battery,omitempty"`
	// Time is nil for the time of the point.
	Time *Time `yaml:"time,omitempty" json:"time,omitempty"`
	// Quality is nil for the quality of the point.
	Quality *Quality `yaml:"quality,omitempty" json:"quality,omitempty"`
	// Words are the values of texts, in any case.
	Words map[string]float64 `yaml:"words,omitempty" json:"words,omitempty"`
	// The value, in Unit, is value*Scale + Offset; a nil Scale is 1.
	Scale  *float64 `yaml:"scale,omitempty" json:"scale,omitempty"`
	Offset float64  `yaml:"offset,omitempty" json:"offset,omitempty"`
	// Interval is how often the device sends at least, such as 5m; empty for what the source knows.
	Interval string `yaml:"interval,omitempty" json:"interval,omitempty"`
	// Status makes the points reports about the device, or about all devices Below, instead of readings.
	Status *Status `yaml:"status,omitempty" json:"status,omitempty"`
}

// Type is a device type without its name.
type Type struct {
	Unit     string            `yaml:"unit,omitempty" json:"unit,omitempty"`
	Decimals int               `yaml:"decimals,omitempty" json:"decimals,omitempty"`
	Min      float64           `yaml:"min,omitempty" json:"min,omitempty"`
	Max      float64           `yaml:"max,omitempty" json:"max,omitempty"`
	Labels   map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	States   []string          `yaml:"states,omitempty" json:"states,omitempty"`
}

// Time is where the time of a point is, and how it is written. Paths of values are relative to the group of the point; the first * in a path
// stands for what the first wildcard of Rule.Field has matched, and so on.
type Time struct {
	// Field is the path of the value that is the time; empty for the time of the point.
	Field string `yaml:"field,omitempty" json:"field,omitempty"`
	// Format is a format in the notation of strftime, or unix, unix_ms, unix_us or unix_ns. Empty is any of ISO 8601 and Unix time, whose unit
	// is recognized by its size.
	Format string `yaml:"format,omitempty" json:"format,omitempty"`
	// Zone is the time zone of times without one, such as Europe/Berlin. Empty refuses them; with a Format it is UTC.
	Zone string `yaml:"zone,omitempty" json:"zone,omitempty"`
	// Arrival is whether the time of the payload does not count, but when it was received.
	Arrival bool `yaml:"arrival,omitempty" json:"arrival,omitempty"`
}

// Quality is where the quality of a point is.
type Quality struct {
	// Field is the path of the value that is the quality.
	Field string `yaml:"field,omitempty" json:"field,omitempty"`
	// Words give the qualities of texts and numbers, in any case. Without an entry a text must be a quality itself.
	Words map[string]string `yaml:"words,omitempty" json:"words,omitempty"`
}

// Status says what the values of points report.
type Status struct {
	// Online, Offline and Bad are texts of values, in any case. If there are none at all, those are "online", "true" and "1", or "offline", "false" and "0".
	Online  []string `yaml:"online,omitempty" json:"online,omitempty"`
	Offline []string `yaml:"offline,omitempty" json:"offline,omitempty"`
	Bad     []string `yaml:"bad,omitempty" json:"bad,omitempty"`
	// Below is the beginning of the ids of all devices that the report is about; empty if it is about the device of the rule.
	Below string `yaml:"below,omitempty" json:"below,omitempty"`
}
