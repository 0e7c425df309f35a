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
	Corrected   bool         `json:"corrected,omitempty"`
	Count       int64        `json:"count"`
	Sum         iot.Sum      `json:"sum"`
	Min         float64      `json:"min"`
	Max         float64      `json:"max"`
	Uncertain   int64        `json:"uncertain_count,omitempty"`
	Bad         int64        `json:"bad_count,omitempty"`
	DeviceCount int64        `json:"device_count"`
	Online      int64        `json:"online_devices"`
	Offline     int64        `json:"offline_devices"`
	AlertCount  int64        `json:"alert_count"`
	Alerts      []topicAlert `json:"alerts,omitempty"`
	// Groups divides the numbers above. Versions of iotmon that do not know it read the numbers of the whole.
	Groups []groupSummary `json:"groups,omitempty"`
}

// topicAlert is the JSON on topic alerts: the alert as clients receive it, the tenant of its device, and its position.
type topicAlert struct {
	Alert
	Tenant iot.Tenant `json:"tenant,omitempty"`
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
		Corrected:     s.Corrected,
		Count:         s.Count,
		Sum:           s.Sum,
		Min:           s.Min,
		Max:           s.Max,
		Uncertain:     s.Uncertain,
		Bad:           s.Bad,
		DeviceCount:   s.Devices,
		Online:        s.Online,
		Offline:       s.Offline,
		AlertCount:    s.AlertCount,
	}
	for i := range s.Alerts {
		message.Alerts = append(message.Alerts, toTopic(&s.Alerts[i]))
	}
	if !iot.Ungrouped(s.Groups) {
		message.Groups = toGroups(s.Groups)
	}
	return appendJSON(dst, message)
}

// DecodeWindowSummary decodes what AppendWindowSummary wrote, and returns an error for anything else: other programs may
// write to the topic too.
func DecodeWindowSummary(data []byte) (iot.WindowSummary, error) {
	var m windowSummary
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: %w", err)
	}
	if m.DeviceType == "" && !m.Late { // A late mark may concern all types.
		return iot.WindowSummary{}, errors.New("decode window summary: device_type: missing")
	}
	if err := checkTimes(m.WindowStart); err != nil {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: window_start: %w", err)
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
		// A window that is still open cannot be corrected.
		Corrected: m.Corrected && m.Final,
		Summary: iot.Summary{
			Count: m.Count, Sum: m.Sum, Min: m.Min, Max: m.Max, Uncertain: m.Uncertain, Bad: m.Bad,
			Devices: m.DeviceCount, Online: m.Online, Offline: m.Offline, AlertCount: m.AlertCount,
		},
	}
	for i := range m.Alerts {
		alert, err := fromTopic(&m.Alerts[i])
		if err != nil {
			return iot.WindowSummary{}, fmt.Errorf("decode window summary: alerts[%d]: %w", i, err)
		}
		s.Alerts = append(s.Alerts, alert)
	}
	var err error
	if s.Groups, err = fromGroups(m.Groups, &s); err != nil {
		return iot.WindowSummary{}, fmt.Errorf("decode window summary: %w", err)
	}
	return s, nil
}

// AppendAlert appends the JSON of an alert event.
func AppendAlert(dst []byte, a *iot.Alert) []byte { return appendJSON(dst, toTopic(a)) }

// DecodeAlert decodes what AppendAlert wrote, and returns an error for anything else: other programs may write to the topic
// too.
func DecodeAlert(data []byte) (iot.Alert, error) {
	return new(Decoder).Alert(data)
}

// Alert decodes what AppendAlert wrote; see DecodeAlert.
func (d *Decoder) Alert(data []byte) (iot.Alert, error) {
	sc := scanner{text: data}
	var alert iot.Alert
	if d.alert(&sc, &alert) && sc.end() {
		return alert, nil
	}
	return alertGeneral(data)
}

func alertGeneral(data []byte) (iot.Alert, error) {
	var m topicAlert
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.Alert{}, fmt.Errorf("decode alert: %w", err)
	}
	alert, err := fromTopic(&m)
	if err != nil {
		return iot.Alert{}, fmt.Errorf("decode alert: %w", err)
	}
	return alert, nil
}

func toTopic(a *iot.Alert) topicAlert { return topicAlert{FromAlert(a), a.Tenant, a.Position} }

func fromTopic(m *topicAlert) (iot.Alert, error) {
	switch {
	case m.ID == "":
		return iot.Alert{}, errors.New("id: missing")
	case m.DeviceID == "":
		return iot.Alert{}, errors.New("device_id: missing")
	}
	switch m.State {
	case iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared, iot.Noted:
	default:
		return iot.Alert{}, fmt.Errorf("state: unknown (got %q)", m.State)
	}
	if err := checkTimes(m.Onset, m.Timestamp, m.AcknowledgedAt, m.SuppressedUntil, m.SuppressedAt, m.LatchedAt); err != nil {
		return iot.Alert{}, fmt.Errorf("onset, timestamp, acknowledged_at, suppressed_until, suppressed_at, latched_at: %w", err)
	}
	return iot.Alert{
		ID:         m.ID,
		Rule:       m.AlertType,
		Tenant:     m.Tenant,
		DeviceID:   m.DeviceID,
		DeviceType: m.DeviceType,
		Severity:   m.Severity,
		Transition: m.State,
		Message:    m.Message,
		MessageEN:  m.MessageEN,
		Procedure:  m.Procedure,
		Value:      m.CurrentValue,
		Threshold:  m.Threshold,
		Below:      m.Below,
		Unit:       m.Unit,
		Location:   m.Location,
		Area:       m.Area,
		Onset:      m.Onset.UTC(),
		Time:       m.Timestamp.UTC(),
		Historical: m.Historical,
		Latched:    m.LatchedAt.UTC(),
		Reason:     m.Reason,
		Handling: iot.Handling{
			AckedAt: m.AcknowledgedAt.UTC(), AckedBy: m.AcknowledgedBy,
			Suppressed: m.Suppressed, SuppressedUntil: m.SuppressedUntil.UTC(), SuppressedBy: m.SuppressedBy, SuppressedAt: m.SuppressedAt.UTC(),
			SuppressedReason: m.SuppressedReason, SuppressedActor: m.SuppressedActor,
			Actor: m.Actor, Comment: m.Comment,
		},
		Position: m.Position,
	}, nil
}

// lastYear is the last year that a time on a topic may have: the end of a window that starts in it can still be written.
const lastYear = 9998

// checkTimes refuses times that can be parsed but not formatted in UTC: the year 9999 in a zone behind UTC may be the year
// 10000.
func checkTimes(times ...time.Time) error {
	for _, t := range times {
		if year := t.UTC().Year(); year < 0 || year > lastYear {
			return fmt.Errorf("the year must be from 0 to %d in UTC (got %s)", lastYear, t.Format(time.RFC3339))
		}
	}
	return nil
}

// appendJSON appends what Marshal returns. It panics if v cannot be marshalled. That does not happen: iot.Catalog admits
// only finite numbers, and decoding only times whose year has four digits.
func appendJSON(dst []byte, v any) []byte {
	text, err := Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("wire: %v", err))
	}
	return append(dst, text...)
}
