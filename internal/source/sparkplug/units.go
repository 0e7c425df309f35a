package sparkplug

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
)

// ByUnit makes readings of values by their units, for a source without a map: the device is called after the path of the metric, and its type
// is the one with the metric's unit. It is not safe for concurrent use.
type ByUnit struct {
	catalog *iot.Catalog
	// Off, if not nil, reports whether the source has got a map meanwhile, so that its rules apply instead.
	Off func() bool
	// types are the types found for units, refused the metrics that were refused lately.
	types   map[string]iot.DeviceType
	refused map[string]time.Time
}

const (
	// maxUnits and maxRefused are how many units and metrics are remembered.
	maxUnits, maxRefused = 1_000, 10_000
	// refusedAgain is after how long a metric without a type is in the dead letters again.
	refusedAgain = 10 * time.Minute
	// maxNames is how many metrics a reason lists.
	maxNames = 10
)

// NewByUnit returns a ByUnit for the types of a catalog.
func NewByUnit(catalog *iot.Catalog) *ByUnit {
	return &ByUnit{catalog: catalog, types: make(map[string]iot.DeviceType), refused: make(map[string]time.Time)}
}

// apply gives the points of a message their readings, and removes those that have no type: texts without a word, numbers with a dead
// letter, which is returned.
func (u *ByUnit) apply(m *source.Message) *source.Message {
	if m.Invalid != nil {
		return nil
	}
	var unknown map[string]bool
	kept := m.Points[:0]
	for _, p := range m.Points {
		if p.ValueText != "" {
			continue
		}
		kind := u.typeOf(p.Unit)
		if kind == "" {
			if m.Report == nil && u.first(p.Topic+"/"+p.Field, m.Received) {
				if unknown == nil {
					unknown = make(map[string]bool)
				}
				unknown[fmt.Sprintf("%s (unit %s)", p.Field, iot.Quote(p.Unit))] = true
			}
			continue
		}
		p.Reading = &iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(p.Topic + "/" + p.Field), Type: kind, Unit: p.Unit},
			Time:   p.Time, Value: p.Value, Quality: p.Quality, Historical: p.Historical,
		}
		kept = append(kept, p)
	}
	m.Points = kept
	if unknown == nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(unknown))
	more := ""
	if len(names) > maxNames {
		names, more = names[:maxNames], fmt.Sprintf(" and %d more", len(names)-maxNames)
	}
	return &source.Message{Topic: m.Topic, Tags: m.Tags, Payload: []byte{}, Received: m.Received, Invalid: iot.Invalid("unit",
		"no device type, or more than one, has the unit of %s%s: the source needs a map with a rule for each that is wanted, such as {field: %s, tags: {node: %s}, device: …, type: …}",
		strings.Join(names, ", "), more, strings.SplitN(names[0], " (unit ", 2)[0], m.Tags["node"])}
}

// first reports whether a metric was not refused lately.
func (u *ByUnit) first(metric string, now time.Time) bool {
	if last, ok := u.refused[metric]; ok && now.Sub(last) < refusedAgain {
		return false
	}
	if len(u.refused) >= maxRefused {
		clear(u.refused)
	}
	u.refused[metric] = now
	return true
}

// typeOf returns the type of values with a unit; "" if no type has it, or several do. The type that has it as its own comes first; "bool" is that
// of booleans without a unit, which are of the type with two states.
func (u *ByUnit) typeOf(unit string) iot.DeviceType {
	if kind, ok := u.types[unit]; ok {
		return kind
	}
	var same, convertible []iot.DeviceType
	for _, spec := range u.catalog.Specs() {
		_, known := iot.ShownIn(unit, spec.Unit)
		switch {
		case unit == "", spec.Unit == "" && len(spec.States) != 2:
		case unit == spec.Unit:
			same = append(same, spec.Name)
		case known:
			convertible = append(convertible, spec.Name)
		}
	}
	kind := iot.DeviceType("")
	switch {
	case len(same) == 1:
		kind = same[0]
	case len(same) == 0 && len(convertible) == 1:
		kind = convertible[0]
	}
	if len(u.types) >= maxUnits {
		clear(u.types)
	}
	u.types[unit] = kind
	return kind
}
