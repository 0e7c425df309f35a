package view

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// windows holds the newest windows by partition. The numbers of the partitions are added up when they are asked for.
type windows struct {
	keep int
	// sorted holds the windows oldest first; there are never more than keep.
	sorted []*Window
}

// Window is what the partitions have reported of one window.
type Window struct {
	Start  time.Time
	Length time.Duration
	parts  map[part]iot.WindowSummary
}

// part names one partition's summary of one type.
type part struct {
	Type      iot.DeviceType
	Partition int32
}

func newWindows(keep int) windows { return windows{keep: keep} }

// apply applies a summary, and reports whether it changed its window and by how many readings that grew.
func (w *windows) apply(s *iot.WindowSummary) (added int64, changed bool) {
	window := w.at(s.Window)
	if window == nil || window.Length != s.Window.Length {
		return 0, false
	}
	key := part{s.Type, s.Partition}
	old, known := window.parts[key]
	if known && !replaces(s, &old) {
		return 0, false
	}
	kept := *s
	// Fifty alerts in each of many partitions and windows would outweigh all else, and nobody reads them here.
	kept.Alerts = nil
	window.parts[key] = kept
	if s.Corrected {
		return 0, true // What it counts was read before, some of it days ago.
	}
	// A log that began anew counts from 0 again.
	return max(0, s.Count-old.Count), true
}

// replaces reports whether a summary tells more than an old one of the same window: that of the higher position does, at equal
// positions the corrected one, then the final one. A window that is corrected again has readings added to it.
func replaces(s, old *iot.WindowSummary) bool {
	switch c := s.Position.Compare(old.Position); {
	case c != 0:
		return c > 0
	case s.Corrected && old.Corrected:
		return s.Count+s.Bad > old.Count+old.Bad
	case s.Corrected != old.Corrected:
		return s.Corrected
	default:
		return s.Final && !old.Final
	}
}

// holds reports whether a window is among those that are kept, or between them.
func (w *windows) holds(of iot.Window) bool {
	if len(w.sorted) == 0 || of.Start.Before(w.sorted[0].Start) {
		return false
	}
	window := w.get(of.Start)
	return window == nil || window.Length == of.Length
}

// at returns the window that starts with another, new if need be, or nil when it is older than those kept. Windows of two
// lengths never start together; what an older version has left of them is not added up.
func (w *windows) at(of iot.Window) *Window {
	i, found := w.find(of.Start)
	if found {
		return w.sorted[i]
	}
	if i == 0 && len(w.sorted) == w.keep {
		return nil
	}
	window := &Window{Start: of.Start, Length: of.Length, parts: make(map[part]iot.WindowSummary)}
	w.sorted = slices.Insert(w.sorted, i, window)
	if len(w.sorted) > w.keep {
		w.sorted = slices.Delete(w.sorted, 0, 1)
	}
	return window
}

// get returns the window that starts at start, or nil.
func (w *windows) get(start time.Time) *Window {
	if i, found := w.find(start); found {
		return w.sorted[i]
	}
	return nil
}

func (w *windows) find(start time.Time) (int, bool) {
	return slices.BinarySearchFunc(w.sorted, start, func(window *Window, start time.Time) int {
		return window.Start.Compare(start)
	})
}

// Corrected reports whether any of what is known of the window is a correction.
func (w *Window) Corrected() bool {
	for _, summary := range w.parts {
		if summary.Corrected {
			return true
		}
	}
	return false
}

// Merge adds up the partitions by type. The window is final when all that has been reported of it is.
func (w *Window) Merge() (byType map[iot.DeviceType]iot.Summary, final bool) {
	byType = make(map[iot.DeviceType]iot.Summary)
	final = true
	for key, summary := range w.parts {
		sum := byType[key.Type]
		if sum.Count == 0 {
			sum.Sum = iot.Sum{}
		}
		sum.Merge(summary.Summary)
		byType[key.Type] = sum
		final = final && summary.Final
	}
	return byType, final
}
