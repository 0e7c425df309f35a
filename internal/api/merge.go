package api

import (
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// merger adds up consecutive windows to longer ones, which lie on the same grid whatever range is asked for. It is given
// the windows in the order of their start, of several with the same start the shortest first. No moment counts twice: a
// window that overlaps what has been counted of its type, as one of another length may, is left out.
type merger struct {
	step time.Duration
	// after is the last row of the page before: its step's types up to its own are left out.
	after summariesRow
	// window is the step being filled; open holds what has been seen of it, by type.
	window iot.Window
	open   map[iot.DeviceType]*iot.WindowSummary
	// counted is the end of the last window that was added, by type.
	counted map[iot.DeviceType]time.Time
	// done holds the steps that are complete.
	done []iot.WindowSummary
}

func (m *merger) add(w *iot.WindowSummary) {
	if window := iot.WindowOf(w.Window.Start, m.step); window != m.window {
		m.flush()
		m.window = window
	}
	if m.window.Start.Equal(m.after.Start) && w.Type <= m.after.Type {
		return
	}
	if w.Window.Start.Before(m.counted[w.Type]) {
		return
	}
	if m.open == nil {
		m.open = make(map[iot.DeviceType]*iot.WindowSummary)
		m.counted = make(map[iot.DeviceType]time.Time)
	}
	m.counted[w.Type] = w.Window.End()
	merged := m.open[w.Type]
	if merged == nil {
		merged = &iot.WindowSummary{Type: w.Type, Window: m.window, Final: true}
		m.open[w.Type] = merged
	}
	prolong(&merged.Summary, w.Summary)
}

// prolong adds a later window of the same devices. Readings add up; devices do not: of those that spoke the largest
// number stands, and what is told of a window's close is told of the last one's.
func prolong(s *iot.Summary, later iot.Summary) {
	devices := max(s.Devices, later.Devices)
	s.Alerts = nil
	alerts := later.Alerts
	later.Alerts = nil
	s.Merge(later)
	s.Devices, s.Online, s.Offline = devices, later.Online, later.Offline
	s.AlertCount, s.Alerts = later.AlertCount, alerts
}

// flush completes the step being filled.
func (m *merger) flush() {
	for _, deviceType := range slices.Sorted(maps.Keys(m.open)) {
		m.done = append(m.done, *m.open[deviceType])
	}
	clear(m.open)
}
