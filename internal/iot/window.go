package iot

import (
	"slices"
	"time"
)

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

// Lengths is the history of window lengths: an entry's length applies from its From until the From of the next entry, in
// event time. Each From is a boundary of windows of both lengths, so windows never overlap. The first entry also applies to
// all time before it. Lengths is never empty.
type Lengths []LengthFrom

// LengthFrom is a window length and the event time from which it applies; the zero time means from the beginning.
type LengthFrom struct {
	From   time.Time
	Length time.Duration
}

// OneLength returns a history with a single length.
func OneLength(length time.Duration) Lengths { return Lengths{{Length: length}} }

// Newest returns the length after the last change.
func (l Lengths) Newest() time.Duration { return l[len(l)-1].Length }

// At returns the length that applies at t.
func (l Lengths) At(t time.Time) time.Duration {
	i := len(l) - 1
	for i > 0 && t.Before(l[i].From) {
		i--
	}
	return l[i].Length
}

// WindowOf returns the window that holds t.
func (l Lengths) WindowOf(t time.Time) Window { return WindowOf(t, l.At(t)) }

// Boundary returns the first moment, not before t, at which a window ends and one of another length may begin.
func (l Lengths) Boundary(t time.Time, length time.Duration) time.Time {
	for {
		next := boundary(t, l.At(t), length)
		if l.At(next.Add(-time.Microsecond)) == l.At(t) || next.Equal(t) {
			return next
		}
		t = next // Another length applies by then.
	}
}

// maxLengths is the maximum number of entries in a history. The oldest one kept also applies to all time before it.
const maxLengths = 8

// With returns the history with one more entry, which applies from the given time on. That time must be a Boundary. Entries
// that would begin at it or later are removed.
func (l Lengths) With(from time.Time, length time.Duration) Lengths {
	kept := append(l.Before(from), LengthFrom{From: from, Length: length})
	return kept[max(0, len(kept)-maxLengths):]
}

// Before returns the history without the entries that begin at t or later.
func (l Lengths) Before(t time.Time) Lengths {
	kept := slices.Clone(l[:1])
	for _, e := range l[1:] {
		if e.From.Before(t) {
			kept = append(kept, e)
		}
	}
	return kept
}

// boundary returns the first moment, not before t, at which windows of both lengths begin.
func boundary(t time.Time, a, b time.Duration) time.Time {
	common := a / divisor(a, b) * b
	if w := WindowOf(t, common); w.Start.Before(t) {
		return w.End()
	}
	return CutTime(t)
}

// divisor returns the greatest common divisor of two positive durations.
func divisor(a, b time.Duration) time.Duration {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}
