package mapping

import (
	"strings"
	"time"

	"iotmon/internal/iot"
)

// Outcome is what has become of a point.
type Outcome int

const (
	// Unmatched means that no rule matches the point.
	Unmatched Outcome = iota
	// Ignored means that a rule says so.
	Ignored
	// Read means that the point is a reading.
	Read
	// Reported means that it is a report about a device, or about several.
	Reported
)

// Result is what a point becomes.
type Result struct {
	Outcome Outcome
	// Reading is set for Read. It is not yet admitted. Its Time is zero if nothing but its arrival says when it was measured.
	Reading iot.Reading
	// Interval is how often the device of the reading sends at least; 0 if that is not known.
	Interval time.Duration
	// Status is set for Reported. Its Time may be zero, too. It is about Device or, if that is empty, about all devices whose ids begin
	// with Below.
	Status iot.StatusReport
	Device iot.DeviceID
	Below  string
	// Arrival is whether the time is zero because the rule wants the arrival.
	Arrival bool
}

// maxCached is about how many bytes of memory a Mapper uses to remember which rules match which names. When it is used up, all is forgotten.
const maxCached = 64 << 20

// Mapper applies Rules to the points of messages. It remembers which rules match which topics and fields. It is not safe for concurrent use.
type Mapper struct {
	rules  *Rules
	topics map[string]*topicRules
	// last is that of the last point.
	last   *topicRules
	cached int
	levels map[float64]*float64

	// group are the points of the message, others finds those of large messages.
	group  []Point
	others map[groupField]*Point
}

type groupField struct {
	group int
	field string
}

// topicRules are the rules that match the fields of one topic.
type topicRules struct {
	topic  string
	levels []string
	fields map[fieldKey][]*fit
}

type fieldKey struct{ measurement, field string }

// fit is a rule that matches a topic, a measurement and a field, with all that follows from these alone.
type fit struct {
	*rule
	topic, measurement, field string
	// err is why the rule cannot be applied to these names.
	err error
	// device has the parts that do not depend on the point itself; fixed is whether these are all.
	device iot.Device
	fixed  bool

	id, kind, unit, building, floor, room, model, firmware, below template
	// timeField, qualityField and battery are paths without wildcards.
	timeField, qualityField, battery string
}

// Mapper returns a Mapper of the rules.
func (m *Rules) Mapper() *Mapper {
	return &Mapper{rules: m, topics: make(map[string]*topicRules), levels: make(map[float64]*float64)}
}

// fewPoints is up to how many points are searched one by one.
const fewPoints = 32

// Begin says which points belong to the message whose points are mapped next. Rules find the other values of a group there. The points must
// not change until the last of them has been mapped.
func (m *Mapper) Begin(points []Point) { m.group, m.others = points, nil }

// other returns the value with the path in the group of a point; nil if there is none.
func (m *Mapper) other(p *Point, path string) *Point {
	if len(m.group) > fewPoints {
		if m.others == nil {
			m.others = make(map[groupField]*Point, len(m.group))
			for i := range m.group {
				m.others[groupField{m.group[i].Group, m.group[i].Field}] = &m.group[i]
			}
		}
		return m.others[groupField{p.Group, path}]
	}
	for i := range m.group {
		if other := &m.group[i]; other.Group == p.Group && other.Field == path {
			return other
		}
	}
	return nil
}

// Map converts a point of the message to a result in r, which it overwrites. A point that is a note matches no rule. The error is an
// *iot.InvalidError: the point matches a rule that cannot be applied to it. Outcome says then what it would have been.
func (m *Mapper) Map(p *Point, r *Result) error {
	if p.Reading != nil {
		*r = Result{Outcome: Read, Reading: *p.Reading, Interval: p.Interval}
		return nil
	}
	r.Outcome = Unmatched
	if p.Note {
		return nil
	}
	for _, f := range m.fits(p) {
		if f.matchesTags(p) {
			return f.apply(p, m, r)
		}
	}
	return nil
}

// Device returns the device of a point, whatever its value is; false if no rule makes readings of it. The error is an *iot.InvalidError.
func (m *Mapper) Device(p *Point) (d iot.Device, ok bool, err error) {
	if p.Reading != nil {
		return p.Reading.Device, true, nil
	}
	for _, f := range m.fits(p) {
		switch {
		case !f.matchesTags(p):
			continue
		case f.Ignore || f.Status != nil:
			return d, false, nil
		case f.err != nil:
			return d, true, f.err
		}
		err := f.fill(p, m, &d)
		return d, true, err
	}
	return d, false, nil
}

func (u *rule) matchesTags(p *Point) bool {
	for key, want := range u.Tags {
		if got, ok := p.Tags[key]; !ok || got != want {
			return false
		}
	}
	return true
}

// fits returns the rules that match a point, but for its tags, in their order, up to the first that needs no tags.
func (m *Mapper) fits(p *Point) []*fit {
	if m.last == nil || m.last.topic != p.Topic {
		m.last = m.ofTopic(p.Topic)
	}
	of := m.last
	key := fieldKey{p.Measurement, p.Field}
	fits, known := of.fields[key]
	if !known {
		fits = m.rules.find(of, key)
		if m.remember(len(p.Measurement) + len(p.Field) + 512*len(fits)) {
			of.fields[key] = fits
		}
	}
	return fits
}

// ofTopic returns the rules that match a topic.
func (m *Mapper) ofTopic(topic string) *topicRules {
	if of := m.topics[topic]; of != nil {
		return of
	}
	of := &topicRules{topic: topic, levels: strings.Split(topic, "/"), fields: make(map[fieldKey][]*fit)}
	m.remember(len(topic) + 16*len(of.levels))
	m.topics[topic] = of
	return of
}

// remember counts bytes that are remembered with one more name. When there are too many it forgets everything, and returns false.
func (m *Mapper) remember(bytes int) bool {
	const perName = 256
	if m.cached += perName + bytes; m.cached <= maxCached {
		return true
	}
	m.topics, m.cached, m.last = make(map[string]*topicRules), 0, nil
	return false
}

// find finds the rules that match.
func (m *Rules) find(t *topicRules, key fieldKey) []*fit {
	var fits []*fit
	for i := range m.rules {
		u := &m.rules[i]
		if u.Measurement != "" && u.Measurement != key.measurement || !u.topic.matches(t.levels) {
			continue
		}
		wildcards, ok := u.field.match(key.field)
		if !ok {
			continue
		}
		f := &fit{rule: u, topic: t.topic, measurement: key.measurement, field: key.field}
		f.err = f.prepare(wildcards)
		fits = append(fits, f)
		if len(u.Tags) == 0 {
			break
		}
	}
	return fits
}

// prepare fills the templates as far as the names allow.
func (f *fit) prepare(wildcards []string) (err error) {
	if f.Ignore {
		return nil
	}
	u := f.rule
	for _, t := range []struct {
		what     string
		from     template
		into     *template
		optional bool
	}{
		{"device_id", u.device, &f.id, false}, {"device_type", u.kind, &f.kind, false}, {"unit", u.unit, &f.unit, false}, {"status", u.below, &f.below, false}, {"location.building", u.building, &f.building, false},
		{"location.floor", u.floor, &f.floor, false}, {"location.room", u.room, &f.room, false},
		{"metadata.model", u.model, &f.model, true}, {"metadata.firmware", u.firmware, &f.firmware, true},
	} {
		if *t.into, err = t.from.fixed(t.what, f); err != nil && !t.optional {
			return err
		}
	}
	if u.Time != nil {
		f.timeField = fillPath(u.Time.Field, wildcards)
	}
	if u.Quality != nil {
		f.qualityField = fillPath(u.Quality.Field, wildcards)
	}
	f.battery = fillPath(u.Battery, wildcards)
	f.fixed = true
	for _, t := range []template{f.id, f.kind, f.building, f.floor, f.room, f.model, f.firmware} {
		if _, constant := t.constant(); !constant {
			f.fixed = false
		}
	}
	if f.fixed {
		return f.fill(new(Point), nil, &f.device)
	}
	return nil
}
