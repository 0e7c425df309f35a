package wire

import (
	"encoding/json"
	"time"

	"iotmon/internal/iot"
)

// SettingsHeader is the header that marks a record of the readings' log as settings. Its value is what AppendSettings
// writes; every partition gets such a record.
const SettingsHeader = "iotmon-settings"

// settings is the JSON of a settings record.
type settings struct {
	Revision      int64     `json:"revision"`
	WindowSeconds int64     `json:"window_seconds"`
	From          time.Time `json:"from"`
}

// AppendSettings appends the JSON of settings.
func AppendSettings(dst []byte, s *iot.Settings) []byte {
	return appendJSON(dst, settings{Revision: s.Revision, WindowSeconds: int64(s.Window / time.Second), From: s.From})
}

// DecodeSettings decodes what AppendSettings wrote. The error is an *iot.InvalidError: other programs may write to the
// topic too.
func DecodeSettings(data []byte) (iot.Settings, error) {
	var m settings
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.Settings{}, iot.Invalid("", "not settings: %v", err)
	}
	if m.WindowSeconds < 1 || m.WindowSeconds > maxWindowSeconds {
		return iot.Settings{}, iot.Invalid("window_seconds", "must be between 1 and %d (got %d)", maxWindowSeconds, m.WindowSeconds)
	}
	if err := checkTimes(m.From); err != nil {
		return iot.Settings{}, iot.Invalid("from", "%v", err)
	}
	return iot.Settings{
		Revision: m.Revision,
		Window:   time.Duration(m.WindowSeconds) * time.Second,
		From:     iot.CutTime(m.From),
	}, nil
}

// maxWindowSeconds is a day.
const maxWindowSeconds = 86_400
