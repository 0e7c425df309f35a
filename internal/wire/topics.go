package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
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

// DecodeWindowSummary reads what AppendWindowSummary wrote.
func DecodeWindowSummary(data []byte) (iot.WindowSummary, error) {
	var m windowSummary
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: %w", err)
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

// DecodeAlert reads what AppendAlert wrote.
func DecodeAlert(data []byte) (iot.Alert, error) {
	var m topicAlert
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.Alert{}, fmt.Errorf("decode alert: %w", err)
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
		Unit:       m.Unit,
		Location:   m.Location,
		Onset:      m.Onset.UTC(),
		Time:       m.Timestamp.UTC(),
		Historical: m.Historical,
		Position:   m.Position,
	}
}

// deviceState is the JSON on topic device-state, as far as it is read back.
type deviceState struct {
	Reading json.RawMessage `json:"reading"`
	Status  iot.Status      `json:"status"`
	Since   time.Time       `json:"since"`
	Heard   time.Time       `json:"heard"`
	Alerts  []alertState    `json:"alerts"`
	iot.Position
}

// alertState is one rule's state on a device.
type alertState struct {
	Rule   string      `json:"rule"`
	Onset  time.Time   `json:"onset,omitzero"`
	Safe   time.Time   `json:"safe,omitzero"`
	Raised *topicAlert `json:"raised,omitempty"`
}

// AppendDeviceState appends the JSON of a device's state. It is written for every device that speaks, so it takes the
// short way where there are no alerts.
func AppendDeviceState(dst []byte, s *iot.DeviceState) []byte {
	dst = AppendReading(append(dst, `{"reading":`...), &s.Latest)
	dst = appendField(dst, `,"status":`, string(s.Status))
	dst = appendTime(append(dst, `,"since":`...), s.Since)
	dst = appendTime(append(dst, `,"heard":`...), s.Heard)
	if len(s.Alerts) > 0 {
		dst = appendJSON(append(dst, `,"alerts":`...), toAlertStates(s.Alerts))
	}
	dst = strconv.AppendInt(append(dst, `,"partition":`...), int64(s.Partition), 10)
	dst = strconv.AppendInt(append(dst, `,"epoch":`...), int64(s.Epoch), 10)
	dst = strconv.AppendInt(append(dst, `,"position":`...), s.Offset, 10)
	return append(dst, '}')
}

// DecodeDeviceState reads what AppendDeviceState wrote.
func DecodeDeviceState(data []byte) (iot.DeviceState, error) {
	var m deviceState
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: %w", err)
	}
	s := iot.DeviceState{Status: m.Status, Since: m.Since.UTC(), Heard: m.Heard.UTC(), Position: m.Position}
	if err := DecodeReading(m.Reading, &s.Latest); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: reading: %w", err)
	}
	for i := range m.Alerts {
		state := &m.Alerts[i]
		restored := iot.AlertState{Rule: state.Rule, Onset: state.Onset.UTC(), Safe: state.Safe.UTC()}
		if state.Raised != nil {
			raised := fromTopic(state.Raised)
			restored.Raised = &raised
		}
		s.Alerts = append(s.Alerts, restored)
	}
	return s, nil
}

func toAlertStates(states []iot.AlertState) []alertState {
	messages := make([]alertState, len(states))
	for i := range states {
		messages[i] = alertState{Rule: states[i].Rule, Onset: states[i].Onset, Safe: states[i].Safe}
		if states[i].Raised != nil {
			raised := toTopic(states[i].Raised)
			messages[i].Raised = &raised
		}
	}
	return messages
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
