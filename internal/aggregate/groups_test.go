package aggregate_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/aggregate"
	"iotmon/internal/iot"
)

// placed is a reading with a location.
func placed(device string, after time.Duration, value float64, at iot.Location) iot.Reading {
	r := reading(device, after, value)
	r.Location = at
	return r
}

func drawPlaced(t *rapid.T) iot.Reading {
	r := drawReading(t)
	r.Location = rapid.SampledFrom([]iot.Location{
		{}, {Building: "A"}, {Building: "A", Floor: 1}, {Building: "B/1"}, {Floor: 1}, {Room: "A"}, {Room: "7"},
	}).Draw(t, "location")
	r.Quality = rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality")
	return r
}

// compareParts compares a summary with what its groups add up to. Only the devices may be more there.
func compareParts(t *rapid.T, whole *iot.Summary, groups []iot.GroupSummary) {
	var sum iot.Summary
	for i := range groups {
		sum.Merge(groups[i].Summary)
	}
	if sum.Count != whole.Count || sum.Uncertain != whole.Uncertain || sum.Bad != whole.Bad || sum.Min != whole.Min || sum.Max != whole.Max ||
		math.Float64bits(sum.Sum.Float64()) != math.Float64bits(whole.Sum.Float64()) {
		t.Fatalf("the groups add up to %+v, want %+v bit for bit", sum, whole)
	}
	if sum.Devices < whole.Devices {
		t.Fatalf("got %d devices in the groups, want at least %d", sum.Devices, whole.Devices)
	}
	if !slices.IsSortedFunc(groups, func(a, b iot.GroupSummary) int { return a.Compare(b.Group) }) {
		t.Fatalf("got groups %+v, want them in order", groups)
	}
}

// TestGroupsAddUp compares, for readings in any order and any split over partitions, the groups with the summaries of their types and
// with what is counted one reading after the other.
func TestGroupsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		readings := rapid.SliceOfN(rapid.Custom(drawPlaced), 1, 150).Draw(t, "readings")
		partitions := rapid.IntRange(1, 4).Draw(t, "partitions")
		parts := make([]*aggregate.Windows, partitions)
		for i := range parts {
			parts[i] = aggregate.New(iot.OneLength(length), time.Time{})
		}
		type key struct {
			iot.Group
			start time.Time
		}
		want, got := make(map[key]*iot.Summary), make(map[key]*iot.Summary)
		at := func(all map[key]*iot.Summary, g iot.Group, start time.Time) *iot.Summary {
			k := key{g, start}
			if all[k] == nil {
				all[k] = new(iot.Summary)
			}
			return all[k]
		}
		for i, r := range readings {
			if parts[int(r.ID[1])%partitions].Add(&r, "", int64(i)) == aggregate.Counted {
				group := iot.Group{Area: r.Location.Area().First(), Type: r.Type}
				at(want, group, iot.WindowOf(r.Time, length).Start).AddReading(r.Value, r.Quality)
			}
		}
		for _, part := range parts {
			for _, closed := range part.Advance(epoch.Add(time.Hour)) {
				for kind, whole := range closed.Summaries {
					compareParts(t, whole, closed.Groups[kind])
					for _, g := range closed.Groups[kind] {
						at(got, g.Group, closed.Start).Merge(g.Summary)
					}
				}
			}
		}
		if len(got) != len(want) {
			t.Fatalf("got %d groups, want %d", len(got), len(want))
		}
		for k, w := range want {
			if g := got[k]; g == nil || g.Count != w.Count || g.Bad != w.Bad || g.Sum.Float64() != w.Sum.Float64() {
				t.Fatalf("%+v: got %+v, want %+v", k, g, w)
			}
		}
	})
}

func TestADeviceThatMovesIsCountedOnceInTheWhole(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	for i, building := range []string{"A", "B", "A", ""} {
		r := placed("a", time.Duration(i)*time.Second, 1, iot.Location{Building: building})
		w.Add(&r, "", int64(i))
	}
	closed := w.Advance(epoch.Add(length))
	if got := closed[0].Summaries[iot.Temperature]; got.Count != 4 || got.Devices != 1 {
		t.Errorf("got %d readings of %d devices, want 4 of one", got.Count, got.Devices)
	}
	for i, want := range []string{" 1 1", "A 2 1", "B 1 1"} {
		g := closed[0].Groups[iot.Temperature][i]
		if got := fmt.Sprint(g.Area, " ", g.Count, " ", g.Devices); got != want {
			t.Errorf("group %d: got %q, want %q", i, got, want)
		}
	}
}

// The first areas have groups of their own, whatever their type; the others share one. The whole is not concerned.
func TestAreasBeyondTheLimitShareAGroup(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	const areas = iot.MaxAreas + 20
	for round := range 2 {
		for i := range areas {
			r := placed(fmt.Sprint("d", i), time.Duration(round)*time.Second, 1, iot.Location{Building: fmt.Sprint("b", i)})
			if i%2 == 1 {
				r.Type = iot.Humidity
			}
			w.Add(&r, "", int64(i))
		}
	}
	closed := w.Advance(epoch.Add(length))[0]
	own, counted := 0, int64(0)
	for kind, groups := range closed.Groups {
		for _, g := range groups {
			counted += g.Count
			if g.Area == iot.OtherAreas {
				if g.Count != 20 || g.Devices != 10 {
					t.Errorf("%s: got %d readings of %d devices in other areas, want 20 of 10", kind, g.Count, g.Devices)
				}
				continue
			}
			own++
			var number int
			if _, err := fmt.Sscanf(string(g.Area), "b%d", &number); err != nil || number >= iot.MaxAreas {
				t.Errorf("got a group of %q, want only those of the first areas", g.Area)
			}
		}
	}
	if own != iot.MaxAreas || counted != 2*areas || len(closed.Areas) != iot.MaxAreas {
		t.Errorf("got %d areas with %d readings, want %d with %d", own, counted, iot.MaxAreas, 2*areas)
	}
}

func BenchmarkAddGroups(b *testing.B) {
	for name, location := range map[string]func(i int) iot.Location{
		"without areas": func(int) iot.Location { return iot.Location{} },
		"three areas":   func(i int) iot.Location { return iot.Location{Building: string(rune('A' + i%3))} },
		"200 areas":     func(i int) iot.Location { return iot.Location{Building: fmt.Sprint("building ", i%200)} },
	} {
		b.Run(name, func(b *testing.B) {
			const devices = 10_000
			readings := make([]iot.Reading, devices)
			for i := range readings {
				readings[i] = placed(fmt.Sprintf("device_%03d", i), 0, 20+float64(i%100)/10, location(i))
			}
			w := aggregate.New(iot.OneLength(length), time.Time{})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r := &readings[i%devices]
				r.Time = r.Time.Add(10 * time.Millisecond)
				w.Add(r, "", int64(i))
				if i%devices == 0 {
					w.Advance(r.Time.Add(-5 * time.Second))
				}
			}
		})
	}
}
