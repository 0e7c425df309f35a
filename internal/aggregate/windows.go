// Package aggregate cuts the readings of one partition into windows of event time. It is pure: time comes from the
// readings and from the caller, and nothing here does I/O or starts a goroutine.
package aggregate

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Outcome is what became of a reading.
type Outcome int

const (
	// Counted means that the reading is in its window's summary.
	Counted Outcome = iota
	// Duplicate means that an earlier reading has the same device and timestamp.
	Duplicate
	// Late means that the window had closed; the reading is in no summary here.
	Late
)

// Windows collects the readings of one partition until their window closes. It is not safe for concurrent use: the
// goroutine of that partition owns it. A window closes once the watermark has reached its end.
type Windows struct {
	lengths   iot.Lengths
	watermark time.Time
	open      map[int64]*window
	// recent is the window the last reading fell into: the next one mostly falls into it too.
	recent *window
	// spare holds the members of closed windows, for those that open: most of them are the same.
	spare []members
}

// members are the devices of a window, or, where they have seen nothing, those of one before it.
type members map[iot.DeviceID]*member

// maxSpare is one for each window that is open at a time, as long as time goes on at its usual pace.
const maxSpare = 2

// window is one open window.
type window struct {
	iot.Window
	startMicros int64
	// first is the offset of the first record that the window was built from.
	first   int64
	types   map[iot.DeviceType]*iot.Summary
	members members
	// laterMembers are the members of the later parts of a window longer than segment, in the order of time.
	laterMembers []members
	changed      bool
}

// segment is how long a part of a window is whose readings are told apart by 32 bits of microseconds: 71 minutes.
const segment = 1 << 32

// Result is a window that will not change any more, with a summary for each type that had a reading in it.
type Result struct {
	iot.Window
	Summaries map[iot.DeviceType]*iot.Summary
}

// New returns Windows of the given lengths, each at most a day. A window that ends at or before watermark counts as closed:
// a restart passes what it had reached, the first start the zero time.
func New(lengths iot.Lengths, watermark time.Time) *Windows {
	return &Windows{lengths: lengths, watermark: watermark, open: make(map[int64]*window)}
}

// SetLengths changes how long windows are. Those that are open must be windows of the new lengths, too.
func (w *Windows) SetLengths(lengths iot.Lengths) { w.lengths = lengths }

// Lengths returns how long windows are; the caller must not change it.
func (w *Windows) Lengths() iot.Lengths { return w.lengths }

// Watermark returns the moment up to which windows have closed.
func (w *Windows) Watermark() time.Time { return w.watermark }

// Add takes in the reading found at offset. It keeps nothing of r but its id and type.
func (w *Windows) Add(r *iot.Reading, offset int64) Outcome {
	win := w.recent
	if win == nil || !win.Contains(r.Time) {
		of := w.lengths.WindowOf(r.Time)
		if !of.End().After(w.watermark) {
			return Late
		}
		win = w.find(of, offset)
		w.recent = win
	}
	return win.add(r)
}

// WindowOf returns the window that t falls into.
func (w *Windows) WindowOf(t time.Time) iot.Window { return w.lengths.WindowOf(t) }

func (w *Windows) find(of iot.Window, offset int64) *window {
	micros := of.Start.UnixMicro()
	win := w.open[micros]
	if win == nil {
		win = &window{
			Window:      of,
			startMicros: micros,
			first:       offset,
			types:       make(map[iot.DeviceType]*iot.Summary),
			members:     w.reuseMembers(),
		}
		w.open[micros] = win
	}
	return win
}

func (w *Windows) reuseMembers() members {
	last := len(w.spare) - 1
	if last < 0 {
		return make(members)
	}
	taken := w.spare[last]
	w.spare = w.spare[:last]
	return taken
}

// recycleMembers forgets who was in no reading of the closed window, and what the others have seen.
func (w *Windows) recycleMembers(kept members) {
	if len(w.spare) == maxSpare {
		return
	}
	for id, m := range kept {
		if len(m.seen) == 0 {
			delete(kept, id)
		} else {
			m.reset()
		}
	}
	w.spare = append(w.spare, kept)
}

func (win *window) add(r *iot.Reading) Outcome {
	m := win.members.of(r.ID)
	micros := r.Time.UnixMicro() - win.startMicros
	seen := m
	if micros >= segment {
		seen = win.segment(int(micros / segment)).of(r.ID)
	}
	if !seen.add(uint32(micros)) {
		return Duplicate
	}
	summary := win.types[r.Type]
	if summary == nil {
		summary = new(iot.Summary)
		win.types[r.Type] = summary
	}
	summary.AddReading(r.Value, r.Quality)
	if r.Quality != iot.Bad && m.addType(r.Type) {
		summary.Devices++
	}
	win.changed = true
	return Counted
}

// segment returns the members of a later part of the window; i counts from 1.
func (win *window) segment(i int) members {
	for len(win.laterMembers) < i {
		win.laterMembers = append(win.laterMembers, make(members))
	}
	return win.laterMembers[i-1]
}

// of returns the member for a device, new if need be.
func (all members) of(id iot.DeviceID) *member {
	m := all[id]
	if m == nil {
		m = new(member)
		all[id] = m
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
	var closed []Result
	for micros, win := range w.open {
		if win.End().After(t) {
			continue
		}
		closed = append(closed, Result{Window: win.Window, Summaries: win.types})
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

// SetBack closes every open window and sets the watermark back to t. What closed in between opens again, without the readings
// that it had: whoever calls this has it recomputed. From here on Add must not be given records from before.
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

// Changed returns the open windows that have changed since the last call, oldest first. The summaries stay the Windows';
// the caller must be done with them before the next Add.
func (w *Windows) Changed() []Result {
	var changed []Result
	for _, win := range w.open {
		if win.changed {
			win.changed = false
			changed = append(changed, Result{Window: win.Window, Summaries: win.types})
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
