package view

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// windows holds the newest windows, each with the summaries of its partitions. Window.Merge adds the partitions up.
type windows struct {
	keep int
	// sorted holds at most keep windows, oldest first.
	sorted []*Window
	// groups is how many groups the windows hold, at most maxGroups. undivided counts the windows that have lost theirs for that.
	groups, maxGroups int
	undivided         int64
}

// maxGroups is the maximum number of groups that the windows of a view hold in all: some 20 MB. A plant with very many areas, types and
// partitions keeps the groups of its newest windows only.
const maxGroups = 100_000

// Window holds the summaries of one window, one for each partition and device type.
type Window struct {
	Start  time.Time
	Length time.Duration
	parts  map[part]iot.WindowSummary
	// undivided means that the groups of the window were removed. The archive still has the numbers of its areas.
	undivided bool
}

// part is the key of one partition's summary of one type.
type part struct {
	Type      iot.DeviceType
	Partition int32
}

func newWindows(keep int) windows { return windows{keep: keep, maxGroups: maxGroups} }

// apply applies a summary. It reports whether the window changed, and how many new readings it counts. A summary of a window that
// is older than those kept, or has another length than the kept one, changes nothing.
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
	// A summary has up to fifty alerts. Nobody reads them here, and for many partitions and windows they would need more memory
	// than all the rest.
	kept.Alerts = nil
	if window.undivided {
		kept.Groups = nil
	}
	window.parts[key] = kept
	w.groups += len(kept.Groups) - len(old.Groups)
	w.limitGroups()
	if s.Corrected {
		return 0, true // Its readings are not new: some may be days old.
	}
	// After the log has begun anew, a window counts from 0 again.
	return max(0, s.Count-old.Count), true
}

// has reports whether a summary of the same partition, type and window has been applied.
func (w *windows) has(s *iot.WindowSummary) bool {
	window := w.get(s.Window.Start)
	if window == nil {
		return false
	}
	_, known := window.parts[part{s.Type, s.Partition}]
	return known
}

// limitGroups removes the groups of the oldest windows while there are too many.
func (w *windows) limitGroups() {
	for i := 0; w.groups > w.maxGroups; i++ {
		window := w.sorted[i]
		removed := window.countGroups()
		if removed == 0 {
			continue
		}
		for key, summary := range window.parts {
			summary.Groups = nil
			window.parts[key] = summary
		}
		window.undivided = true
		w.groups -= removed
		w.undivided++
	}
}

func (w *Window) countGroups() (groups int) {
	for _, summary := range w.parts {
		groups += len(summary.Groups)
	}
	return groups
}

// replaces reports whether a summary is newer than another of the same partition, type and window. The one at the higher position
// is newer; at equal positions, the corrected one, then the final one. Of two corrections at the same position, the newer one has
// more readings.
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

// holds reports whether a window is kept or would be: it is not older than the oldest kept one, and no window of another length
// has the same start.
func (w *windows) holds(of iot.Window) bool {
	if len(w.sorted) == 0 || of.Start.Before(w.sorted[0].Start) {
		return false
	}
	window := w.get(of.Start)
	return window == nil || window.Length == of.Length
}

// at returns the kept window with the same start. If there is none, it makes one, or returns nil if that would be older than all
// keep kept ones. A processor never makes windows of two lengths with the same start; a log of an older version of iotmon may
// contain such windows, so the caller compares the lengths.
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
		w.groups -= w.sorted[0].countGroups()
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

// Corrected reports whether any summary of the window is a correction.
func (w *Window) Corrected() bool {
	for _, summary := range w.parts {
		if summary.Corrected {
			return true
		}
	}
	return false
}

// Merge adds up the summaries of the partitions, by type. If areas is not nil, only the devices in these areas count, and types
// without devices there are left out; of a window that is not divided any more, all. The result is final if all the summaries are.
func (w *Window) Merge(areas map[iot.Area]struct{}) (byType map[iot.DeviceType]iot.Summary, final bool) {
	byType = make(map[iot.DeviceType]iot.Summary)
	final = true
	for key, summary := range w.parts {
		final = final && summary.Final
		if areas == nil {
			mergeInto(byType, key.Type, &summary.Summary)
			continue
		}
		if w.undivided {
			continue
		}
		for area := range areas {
			if part, any := summary.InArea(area); any {
				mergeInto(byType, key.Type, &part)
			}
		}
	}
	return byType, final
}

func mergeInto(byType map[iot.DeviceType]iot.Summary, t iot.DeviceType, part *iot.Summary) {
	sum := byType[t]
	if sum.Count == 0 {
		sum.Sum = iot.Sum{}
	}
	sum.Merge(*part)
	byType[t] = sum
}
