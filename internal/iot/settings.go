package iot

import (
	"math"
	"reflect"
	"time"
)

// Settings are the operator's choices that must be the same in every partition: the value of a record of KindSettings, which
// every partition gets.
type Settings struct {
	// Revision orders settings: only a revision higher than the one in force takes effect. It is at most MaxVersion.
	Revision int64
	// Window is the length of windows from From on, in event time.
	Window time.Duration
	From   time.Time
	// Limits are what readings are admitted and counted by from the record's offset on; nil leaves those in force.
	Limits *Limits
	// Types are device types that people have decided, which are admitted from the record's offset on; see Limits.Decided. Settings with
	// types have nothing else.
	Types []TypeSpec
}

// The levels of settings; see RecordKind.
const (
	SettingsLevelWindow = 1 // Limits and Types are nil.
	SettingsLevelLimits = 2
	SettingsLevelTypes  = 3
)

// Level returns the level of the record that holds the settings.
func (s *Settings) Level() uint8 {
	switch {
	case s.Types != nil:
		return SettingsLevelTypes
	case s.Limits != nil:
		return SettingsLevelLimits
	}
	return SettingsLevelWindow
}

// Limits are what readings are admitted and counted by; see Admission.
type Limits struct {
	// Lateness is how long a window stays open for readings after its end.
	Lateness time.Duration
	// Skew and Retention are those of an Admission, in whole microseconds.
	Skew, Retention time.Duration
	// MaxText and Earliest, in whole seconds, are those of an Admission. If they are zero, those of each program hold: the limits have
	// neither.
	MaxText  int
	Earliest time.Time
	// Types are the device types of the configuration.
	Types []TypeSpec
	// Decided are those that people have decided while everything runs. A type of the configuration with the same name comes before one
	// of them: so a mistake in it can be corrected.
	Decided []TypeSpec
}

const (
	// MaxTypes is the maximum number of device types in settings, MaxTypeStates that of the states of one of them and
	// MaxTypeLabels that of its labels.
	MaxTypes      = 1000
	MaxTypeStates = 256
	MaxTypeLabels = 16
	// MaxCatalog is the maximum size in bytes of all texts of the device types in settings, each counted with
	// catalogOverhead bytes more than it has. With it the settings fit into one record.
	MaxCatalog      = 256 << 10
	catalogOverhead = 8
	// MaxDecidedTypes is the maximum number of types that people have decided, and maxDecidedCatalog what MaxCatalog is for them.
	MaxDecidedTypes   = 256
	maxDecidedCatalog = 64 << 10
	// maxDecimals is the maximum of TypeSpec.Decimals.
	maxDecimals = 15
	// maxSettingsDuration is the maximum of Lateness and Skew, maxRetention that of Retention.
	maxSettingsDuration = 24 * time.Hour
	maxRetention        = 100 * 366 * 24 * time.Hour
	// maxMaxText is the maximum of MaxText, and maxEarliest that of Earliest, in Unix seconds: the beginning of 2200.
	maxMaxText  = 1024
	maxEarliest = 7_258_118_400
)

// Normalize checks the limits and puts them into canonical form; what is empty becomes nil. It changes the elements of Types.
// The error is an *InvalidError.
func (l *Limits) Normalize() error {
	for _, limit := range []struct {
		field string
		value *time.Duration
		most  time.Duration
	}{{"lateness", &l.Lateness, maxSettingsDuration}, {"skew", &l.Skew, maxSettingsDuration}, {"retention", &l.Retention, maxRetention}} {
		*limit.value = limit.value.Truncate(time.Microsecond)
		if *limit.value < 0 || *limit.value > limit.most {
			return Invalid(limit.field, "must be between 0 and %v (got %v)", limit.most, *limit.value)
		}
	}
	if l.MaxText < 0 || l.MaxText > maxMaxText {
		return Invalid("max_text", "must be between 0 and %d (got %d)", maxMaxText, l.MaxText)
	}
	if l.Earliest.IsZero() {
		l.Earliest = time.Time{} // Without a time zone.
	} else if at := l.Earliest.Unix(); at < 0 || at > maxEarliest {
		return Invalid("earliest", "must be between 1970 and 2200 (got year %d)", l.Earliest.Year())
	} else {
		l.Earliest = time.Unix(at, 0).UTC()
	}
	return l.normalizeTypes()
}

func (l *Limits) normalizeTypes() error {
	if len(l.Types) == 0 {
		return Invalid("types", "must be between 1 and %d (got 0)", MaxTypes)
	}
	if len(l.Decided) == 0 {
		l.Decided = nil
	}
	if err := normalizeTypes("types", l.Types, MaxTypes, MaxCatalog); err != nil {
		return err
	}
	return NormalizeDecided(l.Decided)
}

// NormalizeDecided checks types that people have decided and puts them into canonical form. It changes them. The error is an *InvalidError.
func NormalizeDecided(types []TypeSpec) error {
	return normalizeTypes("decided", types, MaxDecidedTypes, maxDecidedCatalog)
}

// normalizeTypes checks a list of types, of which no two may have the same name. Their texts may have maxSize bytes together.
func normalizeTypes(field string, types []TypeSpec, most, maxSize int) error {
	if len(types) > most {
		return Invalid(field, "must be at most %d (got %d)", most, len(types))
	}
	names := make(map[DeviceType]bool, len(types))
	total := 0
	for i := range types {
		t := &types[i]
		size, err := t.normalize()
		if err != nil {
			return err
		}
		if names[t.Name] {
			return Invalid("types.name", "given twice (got %s)", Quote(string(t.Name)))
		}
		names[t.Name] = true
		total += size
	}
	if total > maxSize {
		return Invalid(field, "their texts are longer than %d bytes (got %d)", maxSize, total)
	}
	return nil
}

// Normalize checks the type and puts it into canonical form. The error is an *InvalidError.
func (t *TypeSpec) Normalize() error {
	_, err := t.normalize()
	return err
}

// Equal reports whether two types in canonical form are the same.
func (t *TypeSpec) Equal(other *TypeSpec) bool { return reflect.DeepEqual(t, other) }

// normalize checks the type and returns the size of its texts, as MaxCatalog counts it.
func (t *TypeSpec) normalize() (size int, err error) {
	if err := normalizeKey("types.name", (*string)(&t.Name), DefaultMaxText); err != nil {
		return 0, err
	}
	if err := normalizeText("types.unit", &t.Unit, DefaultMaxText); err != nil {
		return 0, err
	}
	if t.Decimals < 0 || t.Decimals > maxDecimals {
		return 0, Invalid("types.decimals", "must be between 0 and %d (got %d)", maxDecimals, t.Decimals)
	}
	if !(t.Min < t.Max) || math.IsInf(t.Min, 0) || math.IsInf(t.Max, 0) {
		return 0, Invalid("types.min", "the range is empty or infinite (got %v to %v)", t.Min, t.Max)
	}
	unsignZero(&t.Min)
	unsignZero(&t.Max)
	if len(t.Labels) > MaxTypeLabels {
		return 0, Invalid("types.labels", "more than %d (got %d)", MaxTypeLabels, len(t.Labels))
	}
	if err := normalizeMap("types.labels", &t.Labels, MaxLabelName, func(field string, label *string) error {
		return normalizeText(field, label, DefaultMaxText)
	}); err != nil {
		return 0, err
	}
	if err := t.normalizeStates(); err != nil {
		return 0, err
	}
	size = len(t.Name) + len(t.Unit) + 2*catalogOverhead
	for language, label := range t.Labels {
		size += len(language) + len(label) + 2*catalogOverhead
	}
	for _, state := range t.States {
		size += len(state) + catalogOverhead
	}
	return size, nil
}

func (t *TypeSpec) normalizeStates() error {
	if len(t.States) == 0 {
		t.States = nil
	}
	if len(t.States) > MaxTypeStates {
		return Invalid("types.states", "more than %d (got %d)", MaxTypeStates, len(t.States))
	}
	for i := range t.States {
		if err := normalizeKey("types.states", &t.States[i], DefaultMaxText); err != nil {
			return err
		}
	}
	return nil
}
