package source

import (
	"maps"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

const (
	// unmappedAgain is after how long a message without a rule is a dead letter again, if one like it was one before.
	unmappedAgain = 10 * time.Minute
	// maxUnmapped is how many kinds of messages without a rule are remembered. All are forgotten when there are more.
	maxUnmapped = 10_000
)

// unmappedKind is what messages have in common for which no rule is missing twice: their topic, and the name of their first value.
type unmappedKind struct{ topic, measurement, field string }

// unmapped handles a message of which no rule matches any value. It is counted. The first of its kind is a dead letter as well, and so is the
// first after unmappedAgain: a subscription that is wider than the map would otherwise fill the dead letters. A report about devices for
// which there is no rule is about devices that nobody wants.
func (p *Pipeline) unmapped(m *Message, points []mapping.Point) {
	if m.Own {
		return
	}
	p.o.Status.unmapped()
	if m.Report != nil {
		return
	}
	if p.mapped != nil && p.mapped.Refused != nil {
		p.reject(m, p.mapped.Refused) // There may be a rule for it in the map that cannot be applied: none of them is left out.
		return
	}
	kind := unmappedKind{topic: m.Topic}
	for i := range points {
		if !points[i].Note {
			kind.measurement, kind.field = points[i].Measurement, points[i].Field
			break
		}
	}
	if last, known := p.missing[kind]; known && m.Received.Sub(last) < unmappedAgain {
		return
	}
	if len(p.missing) >= maxUnmapped {
		clear(p.missing)
	}
	p.missing[kind] = m.Received
	p.reject(m, noRule(points))
}

// maxNames is how many names of values a reason lists.
const maxNames = 10

// noRule says that there is no rule for any of the points.
func noRule(points []mapping.Point) error {
	names := make(map[string]bool)
	for i := range points {
		if !points[i].Note && len(names) < maxNames {
			names[points[i].Field] = true
		}
	}
	if len(names) == 0 {
		return iot.Invalid("", "no values in it")
	}
	return iot.Invalid("", "no rule of the source's map matches any of its %d values (%s)", len(points), iot.QuoteNames(maps.Keys(names)))
}
