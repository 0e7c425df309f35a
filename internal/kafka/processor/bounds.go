package processor

import (
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// maxRecordBytes is the largest value that the processor writes. It is well below the 1 MiB that a topic accepts by default. Texts of
// readings and the number of rules are limited at admission, so only data that an older version has admitted can come near it.
const maxRecordBytes = 512 << 10

// maxText is the length to which texts are cut in a record that would be too large.
const maxText = iot.MaxIDLength

// encodeSummary encodes a summary with as many of its alerts as fit, the most urgent first. AlertCount still counts all alerts.
func encodeSummary(s *iot.WindowSummary) []byte {
	value := wire.AppendWindowSummary(nil, s)
	for bounded := *s; len(value) > maxRecordBytes && len(bounded.Alerts) > 0; {
		bounded.Alerts = bounded.Alerts[:len(bounded.Alerts)/2]
		value = wire.AppendWindowSummary(value[:0], &bounded)
	}
	return value
}

// encodeAlert encodes an alert. It cuts the texts of one that would be too large.
func encodeAlert(a *iot.Alert) []byte {
	value := wire.AppendAlert(nil, a)
	if len(value) > maxRecordBytes {
		bounded := shortAlert(a)
		value = wire.AppendAlert(value[:0], &bounded)
	}
	return value
}

// appendState appends an encoded state. It cuts the texts of one that would be too large, and keeps all alerts, and what conditions remember: with the most
// that rules may remember it is larger than maxRecordBytes, and fits into a record all the same.
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
	short.Message, short.MessageEN, short.Unit = shortText(a.Message), shortText(a.MessageEN), shortText(a.Unit)
	if len(short.Procedure) > maxText {
		short.Procedure = "" // Half of an address leads nowhere.
	}
	short.Location = shortLocation(a.Location)
	short.SuppressedReason, short.SuppressedActor = "", "" // After a restore the processor says them once more.
	return short
}

func shortLocation(l iot.Location) iot.Location {
	l.Building, l.Room = shortText(l.Building), shortText(l.Room)
	return l
}

// shortText cuts a text to maxText, between two characters.
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
