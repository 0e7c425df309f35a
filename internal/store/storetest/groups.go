package storetest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// in returns a reading in a building.
func in(building, device string, seconds, value float64) iot.Reading {
	r := reading(device, seconds, value)
	r.Location = iot.Location{Building: building, Floor: 2}
	return r
}

// grouped returns the final summary of readings, divided by area as a processor does.
func (f *feed) grouped(start float64, position int64, readings ...iot.Reading) iot.WindowSummary {
	s := f.final(start, position)
	byArea := make(map[iot.Area][]iot.Reading)
	for _, r := range readings {
		byArea[r.Location.FirstArea()] = append(byArea[r.Location.FirstArea()], r)
		s.AddReading(r.Value, r.Quality)
	}
	s.Devices, s.Online, s.Offline = devices(readings), 0, 0
	for _, area := range slices.Sorted(maps.Keys(byArea)) {
		g := iot.GroupSummary{Group: iot.Group{Area: area, Type: s.Type}}
		for _, r := range byArea[area] {
			g.AddReading(r.Value, r.Quality)
		}
		g.Devices, g.Online, g.Offline = devices(byArea[area]), 2, 3
		s.Online, s.Offline = s.Online+2, s.Offline+3
		s.Groups = append(s.Groups, g)
	}
	return s
}

// devices counts those with a reading that is not bad.
func devices(readings []iot.Reading) int64 {
	ids := make(map[iot.DeviceID]bool)
	for _, r := range readings {
		if r.Quality != iot.Bad {
			ids[r.ID] = true
		}
	}
	return int64(len(ids))
}

// areas describes the windows of a query narrowed to each area: "" is everything.
func areas(t testing.TB, store Store, q api.SummariesQuery, areas ...iot.Area) string {
	t.Helper()
	text := ""
	for _, area := range areas {
		q.Area = area
		for _, s := range windows(t, store, q) {
			text += fmt.Sprintf("%s %d %g %d %d/%d %d; ", area, s.Count, s.Sum.Float64(), s.Devices, s.Online, s.Offline, len(s.Alerts))
		}
	}
	return text
}

func summariesNarrow(t *testing.T, store Store) {
	f, other := newFeed(t, store, 0), newFeed(t, store, 1)
	first := f.grouped(0, 1, in("A", "a", 1, 10), in("A", "b", 2, 20), in("B", "c", 3, 40))
	inside, outside := raised("a", 1, 1), raised("c", 3, 1)
	inside.Location, outside.Location = iot.Location{Building: "A"}, iot.Location{Building: "B"}
	first.Alerts = []iot.Alert{inside, outside}
	f.summaries(first)
	other.summaries(other.grouped(0, 1, in("A", "d", 1, 5)))
	if got, want := areas(t, store, api.SummariesQuery{}, "", "A", "B", "C"), " 4 75 4 6/9 2; A 3 35 3 4/6 1; B 1 40 1 2/3 1; C 0 0 0 0/0 0; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := areas(t, store, api.SummariesQuery{WithoutAlerts: true}, "A"), "A 3 35 3 4/6 0; "; got != want {
		t.Errorf("without alerts: got %s, want %s", got, want)
	}
	for _, s := range windows(t, store, api.SummariesQuery{Area: "A"}) {
		if s.Groups != nil {
			t.Errorf("got groups %+v of a narrowed summary, want none", s.Groups)
		}
	}
}

func groupsGiveWay(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.summaries(f.grouped(0, 5, in("A", "a", 1, 10), in("B", "b", 2, 20)))
	f.summaries(f.final(0, 5, 10, 20)) // The same again, by a version without groups.
	if got, want := areas(t, store, api.SummariesQuery{}, "A"), "A 1 10 1 2/3 0; "; got != want {
		t.Errorf("at the same position: got %s, want %s", got, want)
	}
	f.summaries(f.final(0, 6, 10, 20))
	if got, want := areas(t, store, api.SummariesQuery{}, "", "A"), " 2 30 1 2/3 0; A 0 0 0 0/0 0; "; got != want {
		t.Errorf("at a higher one: got %s, want %s", got, want)
	}
	f.summaries(f.grouped(0, 7, in("A", "a", 1, 10)))
	if got, want := areas(t, store, api.SummariesQuery{}, "", "A"), " 1 10 1 2/3 0; A 1 10 1 2/3 0; "; got != want {
		t.Errorf("with one group: got %s, want %s", got, want)
	}
}

// Whatever comes late, the groups are as if everything had been in time, also of devices that move within the window.
func recomputedGroups(t *testing.T, store Store) {
	f, start := newFeed(t, store, 0), 0.0
	rapid.Check(t, func(t *rapid.T) {
		start += 30
		var readings []iot.Reading
		for i, v := range exact().Draw(t, "values") {
			r := in(rapid.SampledFrom([]string{"", "A", "B", "C/1"}).Draw(t, "building"), fmt.Sprint("device ", i%3), start+float64(i), v)
			if r.Location.Building == "" {
				r.Location = iot.Location{}
			}
			r.Quality = rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality")
			readings = append(readings, r)
		}
		inTime := rapid.IntRange(0, len(readings)).Draw(t, "in time")
		f.readings(readings[:inTime]...)
		if inTime > 0 {
			f.summaries(f.grouped(start, f.next.Next, readings[:inTime]...))
		}
		f.readings(readings[inTime:]...)
		f.summaries(f.mark(start, f.next.Next))
		want := f.grouped(start, 0, readings...)
		q := api.SummariesQuery{From: at(start), To: at(start + 30)}
		compareNumbers(t, "everything", windows(f.t, store, q)[0].Summary, want.Summary)
		found := corrections(f.t, store, 1000)
		for _, g := range want.Groups {
			q.Area = g.Area
			if g.Area != "" {
				compareNumbers(t, string(g.Area), windows(f.t, store, q)[0].Summary, g.Summary)
			}
			published, _ := found[len(found)-1].Summary.InArea(g.Area)
			compareNumbers(t, "published "+string(g.Area), published, g.Summary)
		}
		published(f.t, store, found)
	})
}

func compareNumbers(t *rapid.T, what string, got, want iot.Summary) {
	if got.Count != want.Count || got.Uncertain != want.Uncertain || got.Bad != want.Bad || got.Devices != want.Devices ||
		math.Float64bits(got.Sum.Float64()) != math.Float64bits(want.Sum.Float64()) || got.Count > 0 && (got.Min != want.Min || got.Max != want.Max) {
		t.Fatalf("%s: got %+v, want %+v bit for bit", what, got, want)
	}
}

// A recomputation gives no area a group of its own that had none when the window closed.
func recomputedOthers(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(in("A", "a", 1, 1), in("B", "b", 2, 2), in("C", "c", 3, 4))
	s := f.grouped(0, 3, in("A", "a", 1, 1), in(string(iot.OtherAreas), "b", 2, 2), in(string(iot.OtherAreas), "c", 3, 4))
	for i := range s.Groups {
		if s.Groups[i].Area != "A" {
			s.Groups[i].Area = iot.OtherAreas
		}
	}
	slices.SortFunc(s.Groups, func(a, b iot.GroupSummary) int { return a.Compare(b.Group) })
	f.summaries(s)
	f.readings(in("A", "a", 4, 8), in("B", "b", 5, 16))
	f.summaries(f.mark(0, 5))
	if got, want := areas(t, store, api.SummariesQuery{}, "", "A", iot.OtherAreas, "B"), " 5 31 3 4/6 0; A 2 9 1 2/3 0; /other 3 22 2 2/3 0; B 0 0 0 0/0 0; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// More areas than a window has groups, and more than there are ids: readings and windows are complete all the same.
func manyAreas(t *testing.T, store Store) {
	const areas = 2100
	f := newFeed(t, store, 0)
	var readings []iot.Reading
	for i := range areas {
		readings = append(readings, in(fmt.Sprintf("b%04d", i), fmt.Sprint("device ", i), float64(i%30), 1))
	}
	for chunk := range slices.Chunk(readings, 700) {
		f.readings(chunk...)
	}
	f.summaries(f.mark(0, f.next.Next))
	f.readings(in("b2099", "another", 40, 1), in("b0000", "another", 41, 1))
	f.summaries(f.mark(30, f.next.Next))
	total, named := windows(t, store, api.SummariesQuery{From: at(0), To: at(30)})[0], int64(0)
	for i := range areas {
		if i < 110 || i > areas-10 {
			q := api.SummariesQuery{From: at(0), To: at(30), Area: iot.Area(fmt.Sprintf("b%04d", i))}
			named += windows(t, store, q)[0].Count
		}
	}
	others := windows(t, store, api.SummariesQuery{From: at(0), To: at(30), Area: iot.OtherAreas})[0].Count
	if total.Count != areas || named != iot.MaxAreas || others != areas-iot.MaxAreas {
		t.Errorf("got %d readings, %d in named areas, %d in others, want %d, %d and the rest", total.Count, named, others, areas, iot.MaxAreas)
	}
	second := api.SummariesQuery{From: at(30), To: at(60), Area: "b0000"}
	if got := windows(t, store, second)[0].Count; got != 1 {
		t.Errorf("got %d readings of an area with an id, want 1", got)
	}
	second.Area = iot.OtherAreas
	if got := windows(t, store, second)[0].Count; got != 1 {
		t.Errorf("got %d readings of an area without an id, want 1 in other areas", got)
	}
}

// registered returns the announcement of a device's areas, from a time on each.
func (f *feed) registered(device iot.DeviceID, position int64, areas ...iot.AreaFrom) iot.DeviceAreas {
	return iot.DeviceAreas{
		Identity: iot.Identity{ID: device}, Areas: areas, Position: iot.Position{Partition: f.partition, Offset: position},
	}
}

// Sequence: a device is registered in an area, and a reading of a window from before comes late, then one of a window from after. Each
// counts where the device belonged at the time of the reading, as with the processor, though both say the same location. The device has
// no row yet when its areas are announced.
func registeredAreas(t *testing.T, store Store) {
	f, other := newFeed(t, store, 0), newFeed(t, store, 1)
	north := f.registered("a", 5, iot.AreaFrom{}, iot.AreaFrom{From: at(30), Area: "north/hall 2"})
	if err := store.Write(t.Context(), &archive.Batch{Areas: []iot.DeviceAreas{north}}); err != nil {
		t.Fatal(err)
	}
	other.readings(in("A", "c", 40, 32))
	f.readings(in("A", "a", 1, 1), in("A", "a", 31, 2), in("A", "b", 32, 4), in("A", "a", 33, 8))
	f.summaries(f.mark(0, f.next.Next), f.mark(30, f.next.Next))
	other.summaries(other.mark(30, other.next.Next))
	first, second := api.SummariesQuery{From: at(0), To: at(30)}, api.SummariesQuery{From: at(30), To: at(60)}
	if got, want := areas(t, store, first, "", "A", "north"), " 1 1 1 0/0 0; A 1 1 1 0/0 0; north 0 0 0 0/0 0; "; got != want {
		t.Errorf("before: got %s, want %s", got, want)
	}
	if got, want := areas(t, store, second, "", "A", "north"), " 4 46 3 0/0 0; A 2 36 2 0/0 0; north 2 10 1 0/0 0; "; got != want {
		t.Errorf("after: got %s, want %s", got, want)
	}
	// What is announced again, or late, changes nothing; what is announced later does.
	old, moved := f.registered("a", 4, iot.AreaFrom{Area: "west"}), f.registered("a", 6, iot.AreaFrom{From: at(30), Area: "east"})
	if err := store.Write(t.Context(), &archive.Batch{Areas: []iot.DeviceAreas{old, north, moved, north}}); err != nil {
		t.Fatal(err)
	}
	f.readings(in("A", "a", 34, 16))
	f.summaries(f.mark(30, f.next.Next))
	if got, want := areas(t, store, second, "", "A", "north", "east", "west"), " 5 62 3 0/0 0; A 2 36 2 0/0 0; north 0 0 0 0/0 0; east 3 26 1 0/0 0; west 0 0 0 0/0 0; "; got != want {
		t.Errorf("moved: got %s, want %s", got, want)
	}
}

// Sequence: a device moves more often than an announcement has areas, and then a reading of a window from before the first of them comes
// late. It counts where the device belonged then.
func longAgoRegisteredAreas(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	all := []iot.AreaFrom{{}}
	for i := range 3 * iot.MaxAreaHistory {
		all = append(all, iot.AreaFrom{From: at(float64(30 * (i + 1))), Area: iot.Area(fmt.Sprint("area ", i+1))})
		last := f.registered("a", int64(i), all[max(0, len(all)-iot.MaxAreaHistory):]...)
		batch := &archive.Batch{Areas: []iot.DeviceAreas{last}}
		if i%3 == 0 {
			batch.Areas = append(batch.Areas, last) // It comes twice.
		}
		if err := store.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	f.readings(in("A", "a", 1, 1), in("A", "a", 61, 2))
	f.summaries(f.mark(0, f.next.Next), f.mark(60, f.next.Next))
	for _, window := range []struct {
		from float64
		area iot.Area
	}{{0, "A"}, {60, "area 2"}} {
		q := api.SummariesQuery{From: at(window.from), To: at(window.from + 30), Area: window.area}
		if got := windows(t, store, q); len(got) != 1 || got[0].Count != 1 {
			t.Errorf("window at %v s: got %+v of %s, want 1 reading", window.from, got, window.area)
		}
	}
}
