package api

import (
	"cmp"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// MoreOfRule are the further keys of a SourceRule.
type MoreOfRule struct {
	Topic    string             `json:"topic,omitempty" maxLength:"1024" doc:"A filter of topics as in MQTT; any if absent." example:"plant/+/telemetry"`
	Ignore   bool               `json:"ignore,omitempty" doc:"Whether the values become nothing."`
	Define   *SourceRuleType    `json:"define,omitempty" doc:"The device type, if there is none with this name yet. It is decided with the map, and stays."`
	Floor    string             `json:"floor,omitempty" maxLength:"256"`
	Model    string             `json:"model,omitempty" maxLength:"256"`
	Firmware string             `json:"firmware,omitempty" maxLength:"256"`
	Battery  string             `json:"battery,omitempty" maxLength:"512" doc:"The path of the battery level in percent."`
	Time     *SourceRuleTime    `json:"time,omitempty"`
	Quality  *SourceRuleQuality `json:"quality,omitempty"`
	Words    map[string]float64 `json:"words,omitempty" doc:"The values of texts."`
	Scale    *float64           `json:"scale,omitempty" doc:"The value is multiplied by scale, 1 if absent, and offset is added."`
	Offset   float64            `json:"offset,omitempty"`
	Interval string             `json:"interval,omitempty" maxLength:"32" doc:"How often the device sends at least; absent for what the source knows. Its device is offline after three times as long." example:"5m"`
	Status   *SourceRuleStatus  `json:"status,omitempty" doc:"Makes the values reports about devices."`
}

// SourceRuleType is a device type without its name.
type SourceRuleType struct {
	Unit     string            `json:"unit,omitempty" maxLength:"128"`
	Decimals int               `json:"decimals,omitempty" minimum:"0" maximum:"9"`
	Min      float64           `json:"min,omitempty"`
	Max      float64           `json:"max,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	States   []string          `json:"states,omitempty" maxItems:"256"`
}

// SourceRuleTime is where the time of a value is, and how it is written.
type SourceRuleTime struct {
	Field   string `json:"field,omitempty" maxLength:"512" doc:"The path of the time; absent for the one that is known."`
	Format  string `json:"format,omitempty" maxLength:"128" doc:"A strftime format, or unix, unix_ms, unix_us or unix_ns." example:"%d.%m.%Y %H:%M:%S"`
	Zone    string `json:"zone,omitempty" maxLength:"64" doc:"The zone of times without one." example:"Europe/Berlin"`
	Arrival bool   `json:"arrival,omitempty" doc:"Whether the time of arrival counts instead."`
}

// SourceRuleQuality is where the quality of a value is.
type SourceRuleQuality struct {
	Field string            `json:"field" maxLength:"512" doc:"The path of the quality."`
	Words map[string]string `json:"words,omitempty" doc:"The qualities of texts: good, uncertain or bad."`
}

// SourceRuleStatus says what values report.
type SourceRuleStatus struct {
	Online  []string `json:"online,omitempty" maxItems:"100"`
	Offline []string `json:"offline,omitempty" maxItems:"100"`
	Bad     []string `json:"bad,omitempty" maxItems:"100"`
	Below   string   `json:"below,omitempty" maxLength:"512" doc:"The beginning of the ids of the devices, if it is about several."`
}

// explain sets what the values of a message become.
func explain(values []SourceValue, of *SourceSeen, by *mapping.Mapper, admission *iot.Admission) {
	points := make([]mapping.Point, len(values))
	for i := range values {
		points[i] = pointOf(&values[i], of)
	}
	by.Begin(points)
	for i := range points {
		values[i].become(&points[i], of, by, admission)
	}
}

// reading returns the reading that a value is; nil if it is none.
func (value *SourceValue) reading() *iot.Reading {
	r := value.Reading
	if r == nil {
		return nil
	}
	return &iot.Reading{
		Device: iot.Device{ID: r.Device, Type: r.Type, Unit: r.Unit, Location: iot.Location{Building: r.Building, Floor: r.Floor, Room: r.Room}},
		Time:   r.Time, Value: r.Value, ValueText: value.Text,
	}
}

// outcome returns the reading that a value becomes, not yet admitted; nil if it becomes none, because value says so then.
func outcome(value *SourceValue, point *mapping.Point, of *SourceSeen, by *mapping.Mapper) (*iot.Reading, error) {
	if of.Report {
		d, ok, err := by.Device(point)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			value.Reason = "no rule matches"
		default:
			value.Becomes = &SourceReading{
				Device: d.ID, Type: d.Type, Time: iot.CutTime(cmp.Or(point.Time, of.At)),
				Building: d.Location.Building, Floor: d.Location.Floor, Room: d.Location.Room,
			}
		}
		return nil, nil
	}
	var r mapping.Result
	if err := by.Map(point, &r); err != nil {
		return nil, err
	}
	switch {
	case r.Outcome == mapping.Read:
		r.Reading.Time = cmp.Or(r.Reading.Time, of.At)
		return &r.Reading, nil
	case r.Outcome == mapping.Ignored:
		value.Reason = "a rule ignores it"
	case r.Outcome == mapping.Reported:
		value.Becomes = &SourceReading{Device: r.Device, Below: r.Below, Status: r.Status.Status, Time: iot.CutTime(cmp.Or(r.Status.Time, of.At))}
	case point.Note:
		value.Reason = "it says something about the other values"
	default:
		value.Reason = "no rule matches"
	}
	return nil, nil
}
