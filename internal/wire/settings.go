package wire

import (
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

// limits is the JSON of iot.Limits; durations are in microseconds.
type limits struct {
	Lateness  int64      `json:"lateness_us"`
	Skew      int64      `json:"skew_us"`
	Retention int64      `json:"retention_us"`
	MaxText   int        `json:"max_text_bytes,omitempty"`
	Earliest  time.Time  `json:"earliest,omitzero"`
	Types     []typeSpec `json:"types"`
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
func AppendSettings(dst []byte, s *iot.Settings) []byte { return appendJSON(dst, toSettings(s)) }

func toSettings(s *iot.Settings) settings {
	m := settings{Revision: s.Revision, WindowSeconds: int64(s.Window / time.Second), From: s.From}
	if s.Limits != nil {
		m.Limits = &limits{
			Lateness: s.Limits.Lateness.Microseconds(), Skew: s.Limits.Skew.Microseconds(), Retention: s.Limits.Retention.Microseconds(),
			MaxText: s.Limits.MaxText, Earliest: s.Limits.Earliest,
		}
		for _, t := range s.Limits.Types {
			m.Limits.Types = append(m.Limits.Types, typeSpec(t))
		}
	}
	return m
}

// DecodeSettings decodes what AppendSettings wrote. The error is an *iot.InvalidError: other programs may write to the
// topic too.
func DecodeSettings(data []byte) (iot.Settings, error) {
	var m settings
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.Settings{}, err
	}
	return m.settings()
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
	for _, t := range m.Types {
		l.Types = append(l.Types, iot.TypeSpec(t))
	}
	if err := l.Normalize(); err != nil {
		return nil, err
	}
	return &l, nil
}

// maxWindowSeconds is a day.
const maxWindowSeconds = 86_400
