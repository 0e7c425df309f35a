package notify

import (
	"strings"
	"time"

	"iotmon/internal/iot"
)

// maxText is the maximum length in bytes of a text of an alert in a message.
const maxText = 512

// Alert is what a message says of one alert.
type Alert struct {
	ID         string         `json:"id"`
	Rule       string         `json:"alert_type"`
	Tenant     iot.Tenant     `json:"tenant,omitempty"`
	Device     iot.DeviceID   `json:"device_id"`
	DeviceType iot.DeviceType `json:"device_type"`
	Severity   iot.Severity   `json:"severity"`
	// Text is in Chinese, TextEN in English; empty in an alert that an older version has raised.
	Text      string    `json:"message"`
	TextEN    string    `json:"message_en,omitempty"`
	Procedure string    `json:"procedure,omitempty"`
	Value     float64   `json:"current_value"`
	Threshold float64   `json:"threshold"`
	Unit      string    `json:"unit,omitempty"`
	Area      iot.Area  `json:"area,omitempty"`
	Onset     time.Time `json:"onset"`
	// Acknowledged means that somebody has acknowledged the alert, Suppressed that nobody is to be notified.
	Acknowledged bool `json:"acknowledged,omitempty"`
	Suppressed   bool `json:"suppressed,omitempty"`
	// Over is when the alert cleared; nil while it stands.
	Over *time.Time `json:"cleared,omitempty"`
}

// NewAlert returns what messages say of an alert.
func NewAlert(a *iot.Alert) Alert {
	n := Alert{
		ID: a.ID, Rule: a.Rule, Tenant: a.Tenant, Device: a.DeviceID, DeviceType: a.DeviceType, Severity: a.Severity,
		Text: shorten(a.Message), TextEN: shorten(a.MessageEN), Procedure: shorten(a.Procedure), Value: a.Value, Threshold: a.Threshold, Unit: a.Unit,
		Area: AreaOf(a), Onset: a.Onset, Acknowledged: !a.AckedAt.IsZero(), Suppressed: a.Suppressed != "",
	}
	if !a.Open() {
		over := a.Time
		n.Over = &over
	}
	return n
}

// AreaOf returns the area of an alert's device: that of the registry, else that of its location.
func AreaOf(a *iot.Alert) iot.Area {
	if a.Area != "" {
		return a.Area
	}
	return a.Location.Area()
}

// needsSomebody reports whether the alert stands, and nobody has acknowledged or suppressed it.
func (a *Alert) needsSomebody() bool { return a.Over == nil && !a.Acknowledged && !a.Suppressed }

// shorten cuts a text to maxText.
func shorten(text string) string { return Cut(text, maxText) }

// Cut cuts a text to a number of bytes, at a character, and marks that it did.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
