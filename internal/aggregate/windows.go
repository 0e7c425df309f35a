// Package aggregate collects the readings of one partition in windows of event time. It is pure: time comes from the
// readings and from the caller, and nothing here does I/O or starts a goroutine.
package aggregate

import (
	"math"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Outcome is the result of adding a reading.
type Outcome int

const (
	// Counted means that the reading is in its window's summary.
	Counted Outcome = iota
	// Duplicate means that an earlier reading has the same device and timestamp.
	Duplicate
	// Late means that the window had closed; the reading is in no summary.
	Late
)

// Windows collects the readings of one partition until their window closes. It is not safe for concurrent use: the
// goroutine of that partition owns it. A window closes once the watermark has reached its end.
type Windows struct {
	lengths   iot.Lengths
	watermark time.Time
	open      map[int64]*window
	// nextEnd is the earliest end of an open window, in microseconds since 1970; none ends before noEnd.
	nextEnd int64
	// recent is the window of the last reading, in which the next one usually falls too.
	recent *window
	// spare holds the members of closed windows for reuse: the next window usually has the same devices.
	spare []*members
}

// members are the devices of a window. Members without readings are left from an earlier window.
type members struct{ iot.ByDevice[*member] }

// maxSpare is the number of windows that are usually open at a time.
const maxSpare = 2

// window is one open window.
type window struct {
	iot.Window
	startMicros int64
	// first is the offset of the window's first record.
	first   int64
	groups  groups
	members *members
	// laterMembers are the members of the later segments of a window that is longer than one segment, oldest first.
	laterMembers []*members
	changed      bool
}

// noEnd is nextEnd while no window is open.
const noEnd = math.MaxInt64

// segment is the longest part of a window in microseconds whose times fit into 32 bits: 71 minutes.
const segment = 1 << 32

// New returns Windows of the given lengths, each at most a day. A window that ends at or before watermark counts as closed:
// pass the restored watermark after a restart, else the zero time.
func New(lengths iot.Lengths, watermark time.Time) *Windows {
	return &Windows{lengths: lengths, watermark: watermark, open: make(map[int64]*window), nextEnd: noEnd}
}

// SetLengths replaces the history of window lengths, which must be unchanged for the open windows.
func (w *Windows) SetLengths(lengths iot.Lengths) { w.lengths = lengths }

// Lengths returns the history of window lengths; the caller must not change it.
func (w *Windows) Lengths() iot.Lengths { return w.lengths }

// Watermark returns the moment up to which windows have closed.
func (w *Windows) Watermark() time.Time { return w.watermark }

// Add counts the reading in its window, which it opens if necessary. It does not count a reading whose window has closed, or one
// with the device and timestamp of an earlier reading; see Outcome. offset is the reading's offset in the log: a window remembers
// that of its first reading, from which a restart has to read. area is the first level of the area to which the device belongs at the
// time of the reading, empty if that is the location in the reading. Add keeps only the identity and the type of r.
func (w *Windows) Add(r *iot.Reading, area iot.Area, offset int64) Outcome {
	win := w.recent
	if win == nil || !win.Contains(r.Time) {
		of := w.lengths.WindowOf(r.Time)
		if !of.End().After(w.watermark) {
			return Late
		}
		win = w.find(of, offset)
		w.recent = win
	}
	return win.add(r, area)
}

// WindowOf returns the window of t.
func (w *Windows) WindowOf(t time.Time) iot.Window { return w.lengths.WindowOf(t) }

func (w *Windows) find(of iot.Window, offset int64) *window {
	micros := of.Start.UnixMicro()
	win := w.open[micros]
	if win == nil {
		win = &window{
			Window:      of,
			startMicros: micros,
			first:       offset,
			groups:      newGroups(),
			members:     w.reuseMembers(),
		}
		w.open[micros] = win
		w.nextEnd = min(w.nextEnd, of.End().UnixMicro())
	}
	return win
}

func (w *Windows) reuseMembers() *members {
	last := len(w.spare) - 1
	if last < 0 {
		return new(members)
	}
	reused := w.spare[last]
	w.spare = w.spare[:last]
	return reused
}

// recycleMembers keeps the members of a closed window for reuse, without the devices that had no reading in it.
func (w *Windows) recycleMembers(kept *members) {
	if len(w.spare) == maxSpare {
		return
	}
	for id, m := range kept.All() {
		if len(m.seen) == 0 {
			kept.Delete(id)
		} else {
			m.reset()
		}
	}
	w.spare = append(w.spare, kept)
}

func (win *window) add(r *iot.Reading, area iot.Area) Outcome {
	m := win.members.of(r)
	micros := r.Time.UnixMicro() - win.startMicros
	seen := m
	if micros >= segment {
		seen = win.segment(int(micros / segment)).of(r)
	}
	if !seen.add(uint32(micros)) {
		return Duplicate
	}
	g := m.last
	if g == nil || !g.holds(r, area) {
		if g = win.groups.of(r, area); g != m.last {
			m.moveTo(g)
		}
	}
	g.AddReading(r.Value, r.Quality)
	if !m.counted && r.Quality != iot.Bad {
		m.count()
	}
	win.changed = true
	return Counted
}

// segment returns the members of a later part of the window; i counts from 1.
func (win *window) segment(i int) *members {
	for len(win.laterMembers) < i {
		win.laterMembers = append(win.laterMembers, new(members))
	}
	return win.laterMembers[i-1]
}

// of returns the member of a reading's device, a new one if there is none.
func (all *members) of(r *iot.Reading) *member {
	m := all.Get(r.Tenant, r.ID)
	if m == nil {
		m = new(member)
		all.Set(r.Identity(), m)
	}
	return m
}

// Advance moves the watermark up to t and returns the windows that this closes, oldest first. A t in the past changes
// nothing: the watermark never goes back.
func (w *Windows) Advance(t time.Time) []Result {
	if !t.After(w.watermark) {
		return nil
	}
	w.watermark = t
	if t.UnixMicro() < w.nextEnd {
		return nil // Nearly every reading.
	}
	var closed []Result
	w.nextEnd = noEnd
	for micros, win := range w.open {
		if win.End().After(t) {
			w.nextEnd = min(w.nextEnd, win.End().UnixMicro())
			continue
		}
		closed = append(closed, win.result())
		delete(w.open, micros)
		w.recycleMembers(win.members)
		if w.recent == win {
			w.recent = nil
		}
	}
	if len(closed) > 1 {
		slices.SortFunc(closed, func(a, b Result) int { return a.Start.Compare(b.Start) })
	}
	return closed
}

// SetBack closes every open window and sets the watermark back to t. Windows after t then open again without their earlier
// readings, so the caller has them recomputed. Do not call Add with earlier records afterwards.
func (w *Windows) SetBack(t time.Time) []Result {
	var newest time.Time
	for _, win := range w.open {
		if win.End().After(newest) {
			newest = win.End()
		}
	}
	closed := w.Advance(newest)
	w.watermark = t
	return closed
}

// Changed returns the open windows that have changed since the last call, oldest first. The summaries belong to the Windows
// and are valid until the next Add.
func (w *Windows) Changed() []Result {
	var changed []Result
	for _, win := range w.open {
		if win.changed {
			win.changed = false
			changed = append(changed, win.result())
		}
	}
	slices.SortFunc(changed, func(a, b Result) int { return a.Start.Compare(b.Start) })
	return changed
}

// Len returns the number of open windows.
func (w *Windows) Len() int { return len(w.open) }

// RebuildFrom returns the first offset that an open window still needs to be rebuilt, or next when none is open.
func (w *Windows) RebuildFrom(next int64) int64 {
	for _, win := range w.open {
		next = min(next, win.first)
	}
	return next
}
