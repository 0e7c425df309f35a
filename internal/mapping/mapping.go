// Package mapping converts the values of other systems to readings: its rules map their names to devices, types and units.
// It is pure.
package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Point is one value of another system.
type Point struct {
	// Measurement is the name of the series; empty where the system has none.
	Measurement string
	// Field names the value within it.
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
	// Unit is the unit in which the system says that the value is; empty if it does not say.
	Unit string
	// Quality is empty for good.
	Quality iot.Quality
	// Historical is whether the system says that the value is replayed or was buffered.
	Historical bool
	// Group numbers the values of a message that belong together, such as the fields of one metric.
	Group int
	// Note is true if the point is not a value of its own but says something about the others of its group, such as their time.
	Note bool
	// Reading is the value itself, if the system has sent it as a reading; nil otherwise. No rule applies to it then.
	Reading *iot.Reading
}

// Rule maps points to readings of a device. Device, Building and Room may contain {measurement}, {field} and {tag} for any
// name of a tag, which are replaced by the point's values.
type Rule struct {
	// Measurement, Field and Tags are what a point must have to match. An empty Measurement matches any.
	Measurement, Field string
	Tags               map[string]string
	Device             string
	Type               iot.DeviceType
	// Unit is the unit of the values; empty for that of the point, or else the type's own.
	Unit           string
	Building, Room string
}

// Rules maps points by the first rule that they match. They are immutable and may be shared. The zero Rules match nothing.
type Rules struct {
	// byField holds the rules for each field, in the order given.
	byField map[string][]rule
	count   int
}

// Len returns how many rules there are.
func (m *Rules) Len() int { return m.count }

type rule struct {
	Rule
	device, building, room template
}

// New returns the rules. A rule without a field or device, of an unknown type or with a broken template is an error.
func New(rules []Rule, catalog *iot.Catalog) (*Rules, error) {
	m := &Rules{byField: make(map[string][]rule), count: len(rules)}
	for i, given := range rules {
		r := rule{Rule: given}
		var problems [3]error
		r.device, problems[0] = parseTemplate(given.Device)
		r.building, problems[1] = parseTemplate(given.Building)
		r.room, problems[2] = parseTemplate(given.Room)
		for _, err := range problems {
			if err != nil {
				return nil, fmt.Errorf("rule %d: %w", i, err)
			}
		}
		switch {
		case given.Field == "":
			return nil, fmt.Errorf("rule %d: field: missing", i)
		case given.Device == "":
			return nil, fmt.Errorf("rule %d: device: missing", i)
		case catalog.Spec(given.Type) == nil:
			return nil, fmt.Errorf("rule %d: type: unknown (got %q)", i, given.Type)
		}
		m.byField[given.Field] = append(m.byField[given.Field], r)
	}
	return m, nil
}

// Reading converts a point to a reading in r, and reports whether a rule matches the point. The reading is not yet
// admitted. The error is an *iot.InvalidError: the point has no tag that its rule needs.
func (m *Rules) Reading(p *Point, r *iot.Reading) (bool, error) {
	if p.Reading != nil {
		*r = *p.Reading
		return true, nil
	}
	for i := range m.byField[p.Field] {
		if rule := &m.byField[p.Field][i]; rule.matches(p) {
			return true, rule.fill(p, r)
		}
	}
	return false, nil
}

func (u *rule) matches(p *Point) bool {
	if u.Measurement != "" && u.Measurement != p.Measurement {
		return false
	}
	for key, want := range u.Tags {
		if got, ok := p.Tags[key]; !ok || got != want {
			return false
		}
	}
	return true
}

func (u *rule) fill(p *Point, r *iot.Reading) error {
	device, err := u.device.fill("device_id", p)
	if err != nil {
		return err
	}
	building, err := u.building.fill("location.building", p)
	if err != nil {
		return err
	}
	room, err := u.room.fill("location.room", p)
	if err != nil {
		return err
	}
	if p.TimeText != "" {
		_, problem := wire.ParseTime(p.TimeText)
		return iot.Invalid("timestamp", "%s (got %s)", problem, iot.Quote(p.TimeText))
	}
	*r = iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(device), Type: u.Type, Unit: cmp.Or(u.Unit, p.Unit), Location: iot.Location{Building: building, Room: room}},
		Time:   p.Time, Value: p.Value, ValueText: p.ValueText, Quality: p.Quality, Historical: p.Historical,
	}
	return nil
}

// template is a text with placeholders: literal texts and names alternate, beginning with a text.
type template []string

func parseTemplate(text string) (template, error) {
	var t template
	for rest := text; ; {
		literal, after, open := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("%q: } without {", text)
		}
		t = append(t, literal)
		if !open {
			return t, nil
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || name == "" || strings.Contains(name, "{") {
			return nil, fmt.Errorf("%q: { without a name and }", text)
		}
		t, rest = append(t, name), behind
	}
}

func (t template) fill(field string, p *Point) (string, error) {
	if len(t) == 1 {
		return t[0], nil
	}
	var text strings.Builder
	for i, part := range t {
		if i%2 == 0 {
			text.WriteString(part)
			continue
		}
		value, ok := p.Tags[part]
		switch {
		case ok:
		case part == "measurement":
			value = p.Measurement
		case part == "field":
			value = p.Field
		default:
			return "", iot.Invalid(field, "the point has no tag %s (tags: %s)", iot.Quote(part), iot.QuoteNames(maps.Keys(p.Tags)))
		}
		text.WriteString(value)
	}
	return text.String(), nil
}
