package iot

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Limits of a registry entry.
const (
	// MaxLabels is the maximum number of labels of a device, MaxLabelName that of the bytes of a label's name.
	MaxLabels    = 32
	MaxLabelName = 64
	// MaxInterval is the maximum of DeviceEntry.Interval.
	MaxInterval = 31 * 24 * time.Hour
	// MaxUnit is the maximum length of DeviceEntry.Unit in bytes.
	MaxUnit = 32
	// MaxRuleName is the maximum length of a rule's name in bytes.
	MaxRuleName = 128
	// MaxParents is the maximum number of devices above a device: its parent, the parent of that, and so on.
	MaxParents = 8
)

// DeviceEntry is a device in the registry: what people have decided about it. It is the value of a record of KindDevice,
// whose key is the device, and always whole.
type DeviceEntry struct {
	// Version orders the entries of a device, from 1 to MaxVersion: an entry is in force until one with a higher version follows.
	Version int64
	// Forget means that the device is to be forgotten; everything else is zero then.
	Forget bool
	// Name is what people call the device, empty if they use its id.
	Name string
	// Area is empty if the locations in the device's readings apply.
	Area   Area
	Labels map[string]string
	// Limits holds the device's own thresholds by the name of the rule whose threshold they replace.
	Limits map[string]float64
	// Unit is the unit in which people want to see the device's values; empty for its type's unit, in which values are everywhere else.
	// See ShownIn.
	Unit string
	// Interval is how often the device is expected to send; 0 if unknown.
	Interval time.Duration
	// Retired means that the device raises no alerts. Its readings still count.
	Retired bool
	// Parent is the device through which this one sends, such as a gateway, of the same tenant; empty for none. While Parent is silent, the
	// silence of this device is suppressed: see Outage.
	Parent DeviceID
}

// The levels of registry entries; see RecordKind.
const (
	EntryLevelPlain = 1
	// EntryLevelParent adds Parent.
	EntryLevelParent = 2
)

// Level returns the level of the record that holds the entry.
func (e *DeviceEntry) Level() uint8 {
	if e.Parent != "" {
		return EntryLevelParent
	}
	return EntryLevelPlain
}

// Normalize checks the entry and puts it into canonical form; empty maps become nil. The error is an *InvalidError.
func (e *DeviceEntry) Normalize() error {
	if err := normalizeVersion(e.Version); err != nil {
		return err
	}
	if err := normalizeText("name", &e.Name, DefaultMaxText); err != nil {
		return err
	}
	if err := e.Area.normalize("area"); err != nil {
		return err
	}
	if err := normalizeLabels(&e.Labels); err != nil {
		return err
	}
	if err := normalizeLimits(&e.Limits); err != nil {
		return err
	}
	if err := normalizeText("unit", &e.Unit, MaxUnit); err != nil {
		return err
	}
	e.Interval = e.Interval.Truncate(time.Microsecond)
	if e.Interval < 0 || e.Interval > MaxInterval {
		return Invalid("interval", "must be between 0 and %v (got %v)", Lasting(MaxInterval), Lasting(e.Interval))
	}
	if e.Parent != "" {
		if err := normalizeKey("parent", (*string)(&e.Parent), MaxIDLength); err != nil {
			return err
		}
	}
	if e.Forget && (e.Name != "" || e.Area != "" || e.Labels != nil || e.Limits != nil || e.Unit != "" || e.Interval != 0 || e.Retired || e.Parent != "") {
		return Invalid("forget", "must be alone")
	}
	return nil
}

func normalizeLabels(labels *map[string]string) error {
	if len(*labels) > MaxLabels {
		return Invalid("labels", "more than %d (got %d)", MaxLabels, len(*labels))
	}
	return normalizeMap("labels", labels, MaxLabelName, func(field string, value *string) error {
		return normalizeText(field, value, DefaultMaxText)
	})
}

func normalizeLimits(limits *map[string]float64) error {
	if len(*limits) > MaxRules {
		return Invalid("limits", "more than %d (got %d)", MaxRules, len(*limits))
	}
	return normalizeMap("limits", limits, MaxRuleName, func(field string, value *float64) error {
		if math.IsNaN(*value) || math.IsInf(*value, 0) {
			return Invalid(field, "not a finite number (got %v)", *value)
		}
		unsignZero(value)
		return nil
	})
}

// normalizeMap puts the keys of a map into canonical form, and its values by normalize. An empty map becomes nil.
func normalizeMap[V comparable](field string, m *map[string]V, maxKey int, normalize func(field string, value *V) error) error {
	if len(*m) == 0 {
		*m = nil
		return nil
	}
	if canonicalMap(field, *m, maxKey, normalize) {
		return nil // Nearly always.
	}
	clean := make(map[string]V, len(*m))
	for _, key := range slices.Sorted(maps.Keys(*m)) { // Sorted, so that the same error is returned each time.
		name, value := key, (*m)[key]
		if err := normalizeKey(field, &name, maxKey); err != nil {
			return err
		}
		if _, twice := clean[name]; twice {
			return Invalid(field, "two names that look the same (got %s)", Quote(name))
		}
		if err := normalize(field, &value); err != nil {
			return err
		}
		clean[name] = value
	}
	*m = clean
	return nil
}

// canonicalMap reports whether a map is valid and in canonical form.
func canonicalMap[V comparable](field string, m map[string]V, maxKey int, normalize func(field string, value *V) error) bool {
	for key, value := range m {
		name, clean := key, value
		if normalizeKey(field, &name, maxKey) != nil || name != key || normalize(name, &clean) != nil || !identical(clean, value) {
			return false
		}
	}
	return true
}

// identical reports whether two values are equal and, if they are numbers, have the same sign: -0 is not 0.
func identical[V comparable](a, b V) bool {
	if x, ok := any(a).(float64); ok {
		return math.Float64bits(x) == math.Float64bits(any(b).(float64))
	}
	return a == b
}

// unsignZero turns -0 into 0, so that equal numbers are the same JSON.
func unsignZero(value *float64) {
	if *value == 0 {
		*value = 0
	}
}

// normalizeMoment checks a time that must be given, and cuts it to the microsecond. Earliest is in Unix seconds.
func normalizeMoment(field string, t *time.Time, earliest int64) error {
	if t.IsZero() {
		return Invalid(field, "missing")
	}
	if err := checkTime(field, *t, earliest); err != nil {
		return err
	}
	*t = CutTime(*t)
	return nil
}
