package api

import (
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// merger merges consecutive windows to steps, which are aligned to the epoch whatever the requested range. Windows must be
// added in the order of their start, then their length. No time counts twice: a window that overlaps one already counted of
// its type, as a window of another length may, is left out.
type merger struct {
	step time.Duration
	// after is the last row of the previous page: of its step, the types up to its own are left out.
	after summariesRow
	// window is the current step; open holds its summaries so far, by type.
	window iot.Window
	open   map[iot.DeviceType]*iot.WindowSummary
	// counted is the end of the last window that was added, by type.
	counted map[iot.DeviceType]time.Time
	// done holds the steps that are complete.
	done []iot.WindowSummary
}

// pass begins the step of a window, unless it is the current one.
func (m *merger) pass(w *iot.WindowSummary) {
	if window := iot.WindowOf(w.Window.Start, m.step); window != m.window {
		m.flush()
		m.window = window
	}
}

func (m *merger) add(w *iot.WindowSummary) {
	m.pass(w)
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
	mergeLater(&merged.Summary, w.Summary)
}

// mergeLater adds a later window of the same devices to s. Readings are added up. The number of devices is the maximum of
// both, and the values of the window's close, such as online devices and alerts, are those of the later window.
func mergeLater(s *iot.Summary, later iot.Summary) {
	devices := max(s.Devices, later.Devices)
	s.Alerts = nil
	alerts := later.Alerts
	later.Alerts = nil
	s.Merge(later)
	s.Devices, s.Online, s.Offline = devices, later.Online, later.Offline
	s.AlertCount, s.Alerts = later.AlertCount, alerts
}

// flush completes the current step.
func (m *merger) flush() {
	for _, deviceType := range slices.Sorted(maps.Keys(m.open)) {
		m.done = append(m.done, *m.open[deviceType])
	}
	clear(m.open)
}
