package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/iot"
)

// windowSummary is the JSON on topic aggregates.
type windowSummary struct {
	DeviceType    iot.DeviceType `json:"device_type"`
	WindowStart   time.Time      `json:"window_start"`
	WindowSeconds float64        `json:"window_seconds"`
	iot.Position
	Final       bool         `json:"final"`
	Late        bool         `json:"late,omitempty"`
	Count       int64        `json:"count"`
	Sum         iot.Sum      `json:"sum"`
	Min         float64      `json:"min"`
	Max         float64      `json:"max"`
	DeviceCount int64        `json:"device_count"`
	Online      int64        `json:"online_devices"`
	Offline     int64        `json:"offline_devices"`
	AlertCount  int64        `json:"alert_count"`
	Alerts      []topicAlert `json:"alerts,omitempty"`
}

// topicAlert is the JSON on topic alerts: what clients get, and where it came from.
type topicAlert struct {
	Alert
	iot.Position
}

// AppendWindowSummary appends the JSON of one partition's summary of a window.
func AppendWindowSummary(dst []byte, s *iot.WindowSummary) []byte {
	message := windowSummary{
		DeviceType:    s.Type,
		WindowStart:   s.Window.Start,
		WindowSeconds: s.Window.Length.Seconds(),
		Position:      s.Position,
		Final:         s.Final,
		Late:          s.Late,
		Count:         s.Count,
		Sum:           s.Sum,
		Min:           s.Min,
		Max:           s.Max,
		DeviceCount:   s.Devices,
		Online:        s.Online,
		Offline:       s.Offline,
		AlertCount:    s.AlertCount,
	}
	for i := range s.Alerts {
		message.Alerts = append(message.Alerts, toTopic(&s.Alerts[i]))
	}
	return appendJSON(dst, message)
}

// DecodeWindowSummary reads what AppendWindowSummary wrote. Whatever cannot be that is an error, for others may write to
// the topic as well.
func DecodeWindowSummary(data []byte) (iot.WindowSummary, error) {
	var m windowSummary
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: %w", err)
	}
	if m.DeviceType == "" {
		return iot.WindowSummary{}, errors.New("decode window summary: device_type: missing")
	}
	if !(m.WindowSeconds > 0 && m.WindowSeconds <= 1e6) {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: window_seconds: must be positive (got %v)", m.WindowSeconds)
	}
	s := iot.WindowSummary{
		Type:     m.DeviceType,
		Window:   iot.Window{Start: m.WindowStart.UTC(), Length: time.Duration(m.WindowSeconds * float64(time.Second))},
		Position: m.Position,
		Final:    m.Final,
		Late:     m.Late,
		Summary: iot.Summary{
			Count: m.Count, Sum: m.Sum, Min: m.Min, Max: m.Max,
			Devices: m.DeviceCount, Online: m.Online, Offline: m.Offline, AlertCount: m.AlertCount,
		},
	}
	for i := range m.Alerts {
		s.Alerts = append(s.Alerts, fromTopic(&m.Alerts[i]))
	}
	return s, nil
}

// AppendAlert appends the JSON of an alert event.
func AppendAlert(dst []byte, a *iot.Alert) []byte { return appendJSON(dst, toTopic(a)) }

// DecodeAlert reads what AppendAlert wrote. Whatever cannot be that is an error, for others may write to the topic as well.
func DecodeAlert(data []byte) (iot.Alert, error) {
	var m topicAlert
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.Alert{}, fmt.Errorf("decode alert: %w", err)
	}
	switch {
	case m.ID == "":
		return iot.Alert{}, errors.New("decode alert: id: missing")
	case m.DeviceID == "":
		return iot.Alert{}, errors.New("decode alert: device_id: missing")
	}
	switch m.State {
	case iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared:
	default:
		return iot.Alert{}, fmt.Errorf("decode alert: state: unknown (got %q)", m.State)
	}
	return fromTopic(&m), nil
}

func toTopic(a *iot.Alert) topicAlert { return topicAlert{FromAlert(a), a.Position} }

func fromTopic(m *topicAlert) iot.Alert {
	return iot.Alert{
		ID:         m.ID,
		Rule:       m.AlertType,
		DeviceID:   m.DeviceID,
		DeviceType: m.DeviceType,
		Severity:   m.Severity,
		Transition: m.State,
		Message:    m.Message,
		Value:      m.CurrentValue,
		Threshold:  m.Threshold,
		Below:      m.Below,
		Unit:       m.Unit,
		Location:   m.Location,
		Onset:      m.Onset.UTC(),
		Time:       m.Timestamp.UTC(),
		Historical: m.Historical,
		Position:   m.Position,
	}
}

// appendJSON appends v as encoding/json writes it. The types here always marshal, as long as their numbers are finite,
// which iot.Catalog sees to.
func appendJSON(dst []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("wire: %v", err))
	}
	return append(dst, text...)
}
