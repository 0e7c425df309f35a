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

// Lengths tells how long windows are at each event time: the length of an entry holds from its From on, up to that of the
// next. From is a boundary of windows of both lengths, so windows never overlap. The first entry holds for all time before
// it, too. There is always one.
type Lengths []LengthFrom

// LengthFrom is a length of windows, and the event time from which it holds; the zero time means from the beginning.
type LengthFrom struct {
	From   time.Time
	Length time.Duration
}

// OneLength returns the lengths of windows that have always had the same one.
func OneLength(length time.Duration) Lengths { return Lengths{{Length: length}} }

// Newest returns the length that holds from the last change on.
func (l Lengths) Newest() time.Duration { return l[len(l)-1].Length }

// At returns the length that holds at t.
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
		t = next // Another length holds by then.
	}
}

// maxLengths bounds how many lengths are remembered. Readings from before the oldest are counted by it.
const maxLengths = 8

// With returns the lengths with one more, which holds from the given time on, a Boundary. What was to hold later than that is
// replaced.
func (l Lengths) With(from time.Time, length time.Duration) Lengths {
	kept := append(l.Before(from), LengthFrom{From: from, Length: length})
	return kept[max(0, len(kept)-maxLengths):]
}

// Before returns the lengths without those that begin at t or later.
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
