package processor

import (
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// maxRecordBytes bounds what the processor writes, well below the 1 MiB that a topic takes by default. What readings say is
// bounded at the door, and so is the number of rules, so nothing comes near it but what an older version has admitted.
const maxRecordBytes = 512 << 10

// maxText is what is left of a text where that is needed to keep the bound.
const maxText = iot.MaxIDLength

// encodeSummary lists as many of the alerts as fit, the most urgent first; AlertCount tells of all.
func encodeSummary(s *iot.WindowSummary) []byte {
	value := wire.AppendWindowSummary(nil, s)
	for bounded := *s; len(value) > maxRecordBytes && len(bounded.Alerts) > 0; {
		bounded.Alerts = bounded.Alerts[:len(bounded.Alerts)/2]
		value = wire.AppendWindowSummary(value[:0], &bounded)
	}
	return value
}

// encodeAlert shortens what the alert says in words rather than leave it unsaid.
func encodeAlert(a *iot.Alert) []byte {
	value := wire.AppendAlert(nil, a)
	if len(value) > maxRecordBytes {
		bounded := shortAlert(a)
		value = wire.AppendAlert(value[:0], &bounded)
	}
	return value
}

// appendState shortens texts rather than leave out an alert.
func appendState(dst []byte, s *iot.DeviceState) []byte {
	start := len(dst)
	if dst = wire.AppendDeviceState(dst, s); len(dst)-start <= maxRecordBytes {
		return dst
	}
	bounded := *s
	bounded.Latest.Location, bounded.Latest.Metadata = shortLocation(s.Latest.Location), iot.Metadata{BatteryLevel: s.Latest.Metadata.BatteryLevel}
	bounded.Alerts = shortStates(s.Alerts)
	if s.Past != nil {
		past := *s.Past
		past.Alerts = shortStates(past.Alerts)
		bounded.Past = &past
	}
	return wire.AppendDeviceState(dst[:start], &bounded)
}

func shortStates(states []iot.AlertState) []iot.AlertState {
	short := make([]iot.AlertState, len(states))
	for i, state := range states {
		if state.Raised != nil {
			raised := shortAlert(state.Raised)
			state.Raised = &raised
		}
		short[i] = state
	}
	return short
}

func shortAlert(a *iot.Alert) iot.Alert {
	short := *a
	short.Message, short.Unit = shortText(a.Message), shortText(a.Unit)
	short.Location = shortLocation(a.Location)
	return short
}

func shortLocation(l iot.Location) iot.Location {
	l.Building, l.Room = shortText(l.Building), shortText(l.Room)
	return l
}

// shortText cuts a text between two characters.
func shortText(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
