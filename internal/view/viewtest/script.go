// Package viewtest makes records as a log may contain them, for tests of the view and of the packages that read the view.
package viewtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Noon is the time of the first record, WindowLength the length of all windows.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const WindowLength = 30 * time.Second

// Script makes records of one partition, each at the next position. The zero value is ready for use.
type Script struct{ Offset int64 }

// Position returns the next position.
func (s *Script) Position() iot.Position {
	s.Offset++
	return iot.Position{Offset: s.Offset}
}

// Says returns the state of a device after a new reading.
func (s *Script) Says(id string, t iot.DeviceType, building string, value float64) iot.DeviceState {
	position := s.Position()
	return iot.DeviceState{
		Latest: iot.Reading{
			Device: iot.Device{
				ID:       iot.DeviceID(id),
				Type:     t,
				Unit:     map[iot.DeviceType]string{iot.Temperature: "°C", iot.Humidity: "%"}[t],
				Location: iot.Location{Building: building, Floor: 1, Room: "101"},
			},
			Time:   Noon.Add(time.Duration(position.Offset) * time.Millisecond),
			Value:  value,
			Status: iot.Online,
		},
		Status:   iot.Online,
		Since:    Noon,
		Position: position,
	}
}

// Sums returns a summary of the values in the n-th window from noon on.
func (s *Script) Sums(n int, t iot.DeviceType, final bool, values ...float64) iot.WindowSummary {
	summary := iot.WindowSummary{
		Type:     t,
		Window:   iot.Window{Start: Noon.Add(time.Duration(n) * WindowLength), Length: WindowLength},
		Position: s.Position(),
		Final:    final,
	}
	for _, v := range values {
		summary.Add(v)
	}
	summary.Devices, summary.Online = int64(len(values)), int64(len(values))
	return summary
}

// Divide divides a summary by area, into the values of each.
func Divide(s *iot.WindowSummary, values map[iot.Area][]float64) {
	s.Groups = nil
	for _, area := range slices.Sorted(maps.Keys(values)) {
		g := iot.GroupSummary{Group: iot.Group{Area: area, Type: s.Type}}
		for _, v := range values[area] {
			g.Add(v)
		}
		g.Devices, g.Online = g.Count, g.Count
		s.Groups = append(s.Groups, g)
	}
}

// Corrects returns the correction that the archive publishes after it has recomputed the n-th window.
func (s *Script) Corrects(n int, t iot.DeviceType, values ...float64) iot.WindowSummary {
	summary := s.Sums(n, t, true, values...)
	summary.Corrected = true
	return summary
}

// Alarm returns an event of the alert of the n-th device, whose onset is n seconds after noon.
func (s *Script) Alarm(n int, t iot.DeviceType, building string, severity iot.Severity, transition iot.Transition) iot.Alert {
	device := iot.DeviceID(fmt.Sprintf("device_%03d", n))
	onset := Noon.Add(time.Duration(n) * time.Second)
	after := map[iot.Transition]time.Duration{iot.Raised: time.Second, iot.Cleared: 3 * time.Second}[transition]
	if after == 0 {
		after = 2 * time.Second
	}
	return iot.Alert{
		ID:         iot.AlertID("too_high", iot.Identity{ID: device}, onset),
		Rule:       "too_high",
		DeviceID:   device,
		DeviceType: t,
		Severity:   severity,
		Transition: transition,
		Message:    "温度超过阈值",
		Value:      28.1,
		Threshold:  28,
		Location:   iot.Location{Building: building},
		Onset:      onset,
		Time:       onset.Add(after),
		Position:   s.Position(),
	}
}
