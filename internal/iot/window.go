package iot

import "time"

// Window is the half-open interval [Start, Start+Length) of event time, aligned to the Unix epoch in UTC.
type Window struct {
	Start  time.Time
	Length time.Duration
}

// WindowOf returns the window of the given length that holds t.
func WindowOf(t time.Time, length time.Duration) Window {
	size := length.Microseconds()
	start := t.UnixMicro()
	rest := start % size
	if rest < 0 {
		rest += size
	}
	return Window{Start: time.UnixMicro(start - rest).UTC(), Length: length}
}

// End returns the first moment after the window.
func (w Window) End() time.Time { return w.Start.Add(w.Length) }

// Next returns the window that follows.
func (w Window) Next() Window { return Window{Start: w.End(), Length: w.Length} }

// Contains reports whether t lies in the window.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End()) }
