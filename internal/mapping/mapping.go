// Package mapping converts the values of other systems to readings: its rules map their names to devices, types and units.
// It is pure.
package mapping

import (
	"strconv"
	"time"

	"iotmon/internal/iot"
)

// Point is one value of another system.
type Point struct {
	// Measurement is the name of the series; empty where the system has none.
	Measurement string
	// Field names the value within it: a name, or names of levels separated by dots, as the path of a value in JSON.
	Field string
	// Tags describe the source of the value.
	Tags map[string]string
	// Topic is where the value came from, in levels separated by slashes; empty where the system has no such thing.
	Topic string
	// Time is when the value was measured; zero if the system does not say. TimeText is what the system says if that is not a moment,
	// such as a local time without its zone; then Time is zero.
	Time     time.Time
	TimeText string
	// Value is the value, unless it is not a number: then it is in ValueText.
	Value     float64
	ValueText string
	// Empty is whether the value is the empty text, as in an empty cell of a table.
	Empty bool
	// Unit is the unit in which the system says that the value is; empty if it does not say.
	Unit string
	// Quality is empty for good.
	Quality iot.Quality
	// Historical is whether the system says that the value is replayed or was buffered.
	Historical bool
	// Interval is how often the value comes at least, if the source knows it; otherwise 0.
	Interval time.Duration
	// Group numbers the values of a message that belong together, such as the fields of one metric.
	Group int
	// Note is true if the point is not a value of its own but says something about the others of its group, such as their time.
	Note bool
	// Reading is the value itself, if the system has sent it as a reading; nil otherwise. No rule applies to it then.
	Reading *iot.Reading
}

// text returns the value as a text.
func (p *Point) text() string {
	if p.ValueText != "" || p.Empty {
		return p.ValueText
	}
	return strconv.FormatFloat(p.Value, 'g', -1, 64)
}
