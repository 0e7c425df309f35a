package view

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// dividedSummary is of one reading in each of some areas.
func dividedSummary(window int, partition int32, position int64, areas int) iot.WindowSummary {
	s := iot.WindowSummary{
		Type: iot.Temperature, Window: iot.Window{Start: time.Unix(int64(30*window), 0).UTC(), Length: 30 * time.Second},
		Position: iot.Position{Partition: partition, Offset: position}, Final: true,
	}
	for i := range areas {
		g := iot.GroupSummary{Group: iot.Group{Area: iot.Area(fmt.Sprintf("a%03d", i)), Type: s.Type}}
		g.Add(1)
		s.Groups = append(s.Groups, g)
		s.Merge(g.Summary)
	}
	return s
}

// A plant with very many groups keeps those of its newest windows. The numbers of an older window are then those of no area, also if one of
// its partitions comes again, and never only of some partitions.
func TestGroupsAreBounded(t *testing.T) {
	v := New(Options{KeepWindows: 10})
	v.windows.maxGroups = 250
	inArea := func(window int) (count int64, any bool) {
		held := v.Hold()
		defer held.Release()
		w := held.Window(time.Unix(int64(30*window), 0))
		byType, _ := w.Merge(map[iot.Area]struct{}{"a007": {}})
		part, any := byType[iot.Temperature]
		return part.Count, any
	}
	for window := range 5 {
		for partition := range int32(2) {
			v.Apply(Batch{Summaries: []iot.WindowSummary{dividedSummary(window, partition, 1, 40)}})
		}
		if v.windows.groups > 250 {
			t.Fatalf("after window %d: got %d groups, want at most 250", window, v.windows.groups)
		}
	}
	v.Apply(Batch{Summaries: []iot.WindowSummary{dividedSummary(0, 1, 2, 41)}})
	for window := range 5 {
		want := int64(2)
		if window < 2 {
			want = 0
		}
		if got, any := inArea(window); got != want || any != (want > 0) {
			t.Errorf("window %d: got %d readings in an area, %t, want %d", window, got, any, want)
		}
	}
	held := v.Hold()
	whole, _ := held.Window(time.Unix(0, 0)).Merge(nil)
	held.Release()
	if got := whole[iot.Temperature].Count; got != 81 || v.Undivided() != 2 {
		t.Errorf("got %d readings in all and %d windows without areas, want 81 and 2", got, v.Undivided())
	}
	for window := range 20 {
		v.Apply(Batch{Summaries: []iot.WindowSummary{dividedSummary(window+5, 0, 1, 10)}})
	}
	if v.windows.groups != 100 {
		t.Errorf("got %d groups of ten windows of ten, want 100", v.windows.groups)
	}
}
