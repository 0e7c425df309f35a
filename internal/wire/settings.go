package wire

import (
	"bytes"
	"time"

	"iotmon/internal/iot"
)

// SettingsHeader is the header that marks a record of the readings' log as settings of level 1. Its value is what
// AppendSettings writes; every partition gets such a record.
const SettingsHeader = "iotmon-settings"

// settings is the JSON of a settings record. Limits make it one of level 2.
type settings struct {
	Revision      int64     `json:"revision"`
	WindowSeconds int64     `json:"window_seconds"`
	From          time.Time `json:"from"`
	Limits        *limits   `json:"limits,omitempty"`
}

// settingsTypes is the JSON of a settings record of level 3.
type settingsTypes struct {
	Types []typeSpec `json:"types"`
}

// anySettings is either.
type anySettings struct {
	settings
	settingsTypes
}

// limits is the JSON of iot.Limits; durations are in microseconds.
type limits struct {
	Lateness  int64      `json:"lateness_us"`
	Skew      int64      `json:"skew_us"`
	Retention int64      `json:"retention_us"`
	MaxText   int        `json:"max_text_bytes,omitempty"`
	Earliest  time.Time  `json:"earliest,omitzero"`
	Types     []typeSpec `json:"types"`
	Decided   []typeSpec `json:"decided,omitempty"`
}

// typeSpec is the JSON of an iot.TypeSpec.
type typeSpec struct {
	Name     iot.DeviceType    `json:"name"`
	Unit     string            `json:"unit,omitempty"`
	Decimals int               `json:"decimals,omitempty"`
	Min      float64           `json:"min"`
	Max      float64           `json:"max"`
	Labels   map[string]string `json:"labels,omitempty"`
	States   []string          `json:"states,omitempty"`
}

// AppendSettings appends the JSON of settings.
func AppendSettings(dst []byte, s *iot.Settings) []byte {
	if s.Types != nil {
		return appendJSON(dst, settingsTypes{toTypeSpecs(s.Types)})
	}
	return appendJSON(dst, toSettings(s))
}

func toTypeSpecs(types []iot.TypeSpec) (specs []typeSpec) {
	for _, t := range types {
		specs = append(specs, typeSpec(t))
	}
	return specs
}

func fromTypeSpecs(specs []typeSpec) (types []iot.TypeSpec) {
	for _, t := range specs {
		types = append(types, iot.TypeSpec(t))
	}
	return types
}

func toSettings(s *iot.Settings) settings {
	m := settings{Revision: s.Revision, WindowSeconds: int64(s.Window / time.Second), From: s.From}
	if s.Limits != nil {
		m.Limits = &limits{
			Lateness: s.Limits.Lateness.Microseconds(), Skew: s.Limits.Skew.Microseconds(), Retention: s.Limits.Retention.Microseconds(),
			MaxText: s.Limits.MaxText, Earliest: s.Limits.Earliest, Types: toTypeSpecs(s.Limits.Types), Decided: toTypeSpecs(s.Limits.Decided),
		}
	}
	return m
}

// DecodeSettings decodes what AppendSettings wrote. The error is an *iot.InvalidError: other programs may write to the
// topic too.
func DecodeSettings(data []byte) (iot.Settings, error) {
	var m anySettings
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.Settings{}, err
	}
	if m.Types == nil {
		return m.settings.settings()
	}
	if m.settings != (settings{}) || len(m.Types) == 0 {
		return iot.Settings{}, iot.Invalid("types", "must be given alone")
	}
	types := fromTypeSpecs(m.Types)
	if err := iot.NormalizeDecided(types); err != nil {
		return iot.Settings{}, err
	}
	return iot.Settings{Types: types}, nil
}

func (m *settings) settings() (iot.Settings, error) {
	if m.Revision > iot.MaxVersion {
		return iot.Settings{}, iot.Invalid("revision", "must be at most %d (got %d)", int64(iot.MaxVersion), m.Revision)
	}
	if m.WindowSeconds < 1 || m.WindowSeconds > maxWindowSeconds {
		return iot.Settings{}, iot.Invalid("window_seconds", "must be between 1 and %d (got %d)", maxWindowSeconds, m.WindowSeconds)
	}
	if err := checkTimes(m.From); err != nil {
		return iot.Settings{}, iot.Invalid("from", "%v", err)
	}
	s := iot.Settings{
		Revision: m.Revision,
		Window:   time.Duration(m.WindowSeconds) * time.Second,
		From:     iot.CutTime(m.From),
	}
	if m.Limits != nil {
		var err error
		if s.Limits, err = m.Limits.limits(); err != nil {
			return iot.Settings{}, err
		}
	}
	return s, nil
}

func (m *limits) limits() (*iot.Limits, error) {
	l := iot.Limits{MaxText: m.MaxText, Earliest: m.Earliest}
	for _, limit := range []struct {
		field string
		count int64
		dst   *time.Duration
	}{{"lateness", m.Lateness, &l.Lateness}, {"skew", m.Skew, &l.Skew}, {"retention", m.Retention, &l.Retention}} {
		var err error
		if *limit.dst, err = microseconds(limit.field, limit.count); err != nil {
			return nil, err
		}
	}
	l.Types, l.Decided = fromTypeSpecs(m.Types), fromTypeSpecs(m.Decided)
	if err := l.Normalize(); err != nil {
		return nil, err
	}
	return &l, nil
}

// maxWindowSeconds is a day.
const maxWindowSeconds = 86_400

// typeKey begins the key of a device type in the topic of the maps of sources. No name of a source has a slash.
const typeKey = "type/"

// AppendTypeKey appends the key of a device type in the topic of the maps of sources. Its value is that of settings with this type.
func AppendTypeKey(dst []byte, name iot.DeviceType) []byte {
	return append(append(dst, typeKey...), name...)
}

// IsTypeKey reports whether a key in the topic of the maps of sources is that of a device type.
func IsTypeKey(key []byte) bool { return bytes.HasPrefix(key, []byte(typeKey)) }

// DecodeType decodes a device type in the topic of the maps of sources. The error is an *iot.InvalidError.
func DecodeType(key, value []byte) (iot.TypeSpec, error) {
	s, err := DecodeSettings(value)
	if err != nil {
		return iot.TypeSpec{}, err
	}
	if len(s.Types) != 1 || !bytes.Equal(AppendTypeKey(nil, s.Types[0].Name), key) {
		return iot.TypeSpec{}, iot.Invalid("types", "not the one of the key")
	}
	return s.Types[0], nil
}
