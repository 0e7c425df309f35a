package iot_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// A device belongs at each moment to the area of the last entry that holds from then or earlier, whatever entries follow. Only of the
// oldest of more than MaxAreaHistory this is forgotten, and of none that an open window needs: a later area is delayed instead.
func TestAReadingsAreaDoesNotChangeWithLaterEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1706610600, 0).UTC()
		e := new(iot.EntryInForce)
		var decided iot.Areas // With the oldest first: what holds, as each answer has said.
		now, open := start, start
		moments := func(visit func(time.Time)) {
			for at := open; at.Before(now.Add(2 * time.Hour)); at = at.Add(15 * time.Second) {
				visit(at)
			}
		}
		for version := range rapid.Int64Range(1, 40).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "windows")) * 30 * time.Second)
			if passed := now.Add(-time.Duration(rapid.IntRange(1, 20).Draw(t, "behind")) * 30 * time.Second); passed.After(open) {
				open = passed
			}
			if moved := e.Move(now, open); moved != nil {
				e = moved
				decided = append(decided, iot.AreaFrom{From: now, Area: e.Area})
			}
			next := iot.DeviceEntry{Version: version + 1, Area: rapid.SampledFrom([]iot.Area{"", "a", "a/b", "c"}).Draw(t, "area")}
			e = e.Follow(&next, now, open)
			if e.Follow(&next, now.Add(time.Hour), open) != nil {
				t.Fatal("an entry came into force twice")
			}
			if until, delayed := e.DelayedUntil(); !delayed {
				decided = append(decided, iot.AreaFrom{From: now, Area: next.Area})
			} else if !until.After(open) {
				t.Fatalf("delayed until %v, want a time after %v", until, open)
			}
			if err := e.Normalize(); err != nil {
				t.Fatal(err)
			}
			moments(func(at time.Time) {
				var want iot.Area
				for _, d := range decided {
					if !d.From.After(at) {
						want = d.Area
					}
				}
				if got := e.Areas.At(at); got != want {
					t.Fatalf("at %v: got area %q, want %q of %v", at, got, want, decided)
				}
			})
		}
	})
}

func TestTheLastAreasAreKept(t *testing.T) {
	var e *iot.EntryInForce
	start := time.Unix(1706610600, 0).UTC()
	for i := range 3 * iot.MaxAreaHistory {
		from := start.Add(time.Duration(i) * time.Minute)
		e = e.Follow(&iot.DeviceEntry{Version: int64(i + 1), Area: iot.Area(rune('a' + i))}, from, from)
	}
	if len(e.Areas) != iot.MaxAreaHistory || e.Areas[0].Area != "q" || e.Areas.At(start) != "q" || e.Areas.At(start.Add(time.Hour)) != "x" {
		t.Errorf("got %v, want the last %d, of which the oldest holds for all time before", e.Areas, iot.MaxAreaHistory)
	}
	if next := e.StartBy(start.Add(20 * time.Minute)); next == nil || next.Areas.At(start.Add(20*time.Minute)) != "x" || next.Areas.At(start.Add(19*time.Minute)) != "t" {
		t.Errorf("got %+v, want the last area from the earlier moment on", next)
	}
	if next := e.StartBy(start.Add(time.Hour)); next != nil {
		t.Errorf("got %+v, want nothing changed", next)
	}
}
