package bench

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"iotmon/internal/iot"
)

// Truth is the expected content of the windows, computed from the readings sent.
type Truth struct {
	window  time.Duration
	mu      sync.Mutex
	windows map[window]*iot.Summary
	// registered counts those of registered devices.
	registered map[window]int64
}

// window is the key of a window of a device type.
type window struct {
	Type  iot.DeviceType
	Start int64 // Unix microseconds.
}

// NewTruth returns an empty Truth for windows of that length.
func NewTruth(length time.Duration) *Truth {
	return &Truth{window: length, windows: make(map[window]*iot.Summary), registered: make(map[window]int64)}
}

func (t *Truth) add(readings []iot.Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range readings {
		r := &readings[i]
		key := window{r.Type, iot.WindowOf(r.Time, t.window).Start.UnixMicro()}
		summary := t.windows[key]
		if summary == nil {
			summary = new(iot.Summary)
			t.windows[key] = summary
		}
		summary.Add(r.Value)
	}
}

// addRegistered adds to the count of readings of registered devices. registered reports whether the device of a reading is one.
func (t *Truth) addRegistered(readings []iot.Reading, registered func(i int) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range readings {
		if registered(i) {
			t.registered[window{readings[i].Type, iot.WindowOf(readings[i].Time, t.window).Start.UnixMicro()}]++
		}
	}
}

// Ledger holds the newest published summary of each window and partition.
type Ledger struct {
	mu    sync.Mutex
	parts map[part]iot.WindowSummary
}

// part is the key of a partition's summary of a window.
type part struct {
	window
	partition int32
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger { return &Ledger{parts: make(map[part]iot.WindowSummary)} }

// Add stores the summaries of windows, in any order. Of several summaries of the same window, type and partition it keeps the
// final one, and among those the one with the highest position. It ignores announcements of late readings.
func (l *Ledger) Add(summaries []iot.WindowSummary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range summaries {
		s := &summaries[i]
		key := part{window{s.Type, s.Window.Start.UnixMicro()}, s.Partition}
		old, known := l.parts[key]
		if s.Late || known && (old.Final && !s.Final || s.Position.Compare(old.Position) < 0) {
			continue
		}
		l.parts[key] = *s
	}
}

// Verify returns the differences between ledger and truth, one a line: counts, extremes, or sums to the last digit. It
// returns nothing if every reading is in exactly one window, and those of registered devices in the areas of the registry.
func (l *Ledger) Verify(t *Truth) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	found, registered := make(map[window]*iot.Summary), make(map[window]int64)
	for key, s := range l.parts {
		for i := range s.Groups {
			if strings.HasPrefix(string(s.Groups[i].Area), registeredAreas) {
				registered[key.window] += s.Groups[i].Count
			}
		}
		merged := found[key.window]
		if merged == nil {
			merged = new(iot.Summary)
			found[key.window] = merged
		}
		merged.Merge(s.Summary)
	}
	var wrong []string
	for key, want := range t.windows {
		got := found[key]
		if got == nil {
			got = new(iot.Summary)
		}
		if got.Count != want.Count || got.Min != want.Min || got.Max != want.Max || got.Sum.Float64() != want.Sum.Float64() {
			wrong = append(wrong, fmt.Sprintf("%s at %s: count %d, sum %v, min %v, max %v; sent were %d, %v, %v, %v",
				key.Type, time.UnixMicro(key.Start).UTC().Format(time.TimeOnly), got.Count, got.Sum.Float64(), got.Min, got.Max,
				want.Count, want.Sum.Float64(), want.Min, want.Max))
		}
		if got, want := registered[key], t.registered[key]; got != want {
			wrong = append(wrong, fmt.Sprintf("%s at %s: count %d in the areas of the registry; sent were %d",
				key.Type, time.UnixMicro(key.Start).UTC().Format(time.TimeOnly), got, want))
		}
		delete(found, key)
	}
	for key, got := range found {
		if got.Count > 0 {
			wrong = append(wrong, fmt.Sprintf("%s at %s: count %d, of which none was sent", key.Type,
				time.UnixMicro(key.Start).UTC().Format(time.TimeOnly), got.Count))
		}
	}
	return wrong
}

// Windows returns how many windows have been closed, partitions together.
func (l *Ledger) Windows() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	closed := make(map[window]bool)
	for key, s := range l.parts {
		if s.Final {
			closed[key.window] = true
		}
	}
	return len(closed)
}
