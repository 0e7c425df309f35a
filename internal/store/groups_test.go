package store_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// drawDivided draws a summary that is divided into groups.
func drawDivided(t *rapid.T) iot.WindowSummary {
	s := iot.WindowSummary{Type: iot.Temperature}
	n := rapid.IntRange(1, 5).Draw(t, "groups")
	for i := range n {
		g := iot.GroupSummary{Group: iot.Group{
			Tenant: rapid.SampledFrom([]iot.Tenant{"", "acme"}).Draw(t, "tenant"), Area: iot.Area(rune('A' + i)), Type: s.Type,
		}}
		for _, v := range rapid.SliceOfN(rapid.Float64Range(-1e300, 1e300), 0, 4).Draw(t, "values") {
			g.AddReading(v, rapid.SampledFrom([]iot.Quality{iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality"))
		}
		g.Devices, g.Online, g.Offline, g.AlertCount = rapid.Int64Range(0, 3).Draw(t, "devices"), rapid.Int64Range(0, 300).Draw(t, "online"), 2, 1
		s.Groups = append(s.Groups, g)
		s.Merge(g.Summary)
	}
	return s
}

func TestGroupsSurviveTheStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawDivided(t)
		blob := store.EncodeGroups(&want)
		got := store.DecodeGroups(blob, &want)
		if len(got) != len(want.Groups) {
			t.Fatalf("got %d groups, want %d", len(got), len(want.Groups))
		}
		for i := range got {
			if got[i].Sum.Float64() != want.Groups[i].Sum.Float64() {
				t.Fatalf("group %d: got sum %v, want %v", i, got[i].Sum.Float64(), want.Groups[i].Sum.Float64())
			}
			got[i].Sum, want.Groups[i].Sum = iot.Sum{}, iot.Sum{}
		}
		if !reflect.DeepEqual(got, want.Groups) {
			t.Fatalf("got %+v, want %+v", got, want.Groups)
		}
		// Another version of iotmon has replaced the numbers and not the groups.
		if want.AddReading(1, iot.Good); store.DecodeGroups(blob, &want) != nil {
			t.Fatalf("got groups beside numbers that are not theirs, want none")
		}
	})
}

func TestNothingIsStoredWithoutAreas(t *testing.T) {
	whole := iot.WindowSummary{Groups: []iot.GroupSummary{{Summary: iot.Summary{Online: 1}}}}
	for _, s := range []iot.WindowSummary{{}, whole} {
		if got := store.EncodeGroups(&s); got != nil {
			t.Errorf("got %x for %+v, want nothing", got, s)
		}
	}
}

func FuzzDecodeGroups(f *testing.F) {
	part := func(area iot.Area) iot.GroupSummary {
		return iot.GroupSummary{Group: iot.Group{Area: area}, Summary: iot.Summary{Count: 1, Sum: iot.SumOf(2), Min: 2, Max: 2}}
	}
	one := iot.WindowSummary{Summary: iot.Summary{Count: 1}, Groups: []iot.GroupSummary{part("A")}}
	two := iot.WindowSummary{Groups: []iot.GroupSummary{part("A"), part("B")}}
	f.Add(store.EncodeGroups(&one), int64(1))
	f.Add(store.EncodeGroups(&two), int64(2))
	f.Fuzz(func(_ *testing.T, blob []byte, count int64) {
		whole := iot.WindowSummary{Summary: iot.Summary{Count: count}}
		whole.Groups = store.DecodeGroups(blob, &whole)
		store.EncodeGroups(&whole)
	})
}

func TestFlagsHoldEveryArea(t *testing.T) {
	r := archive.Reading{Status: iot.Offline, Quality: iot.Bad, Historical: true}
	for _, area := range []int64{0, 1, store.LastArea, store.OtherArea} {
		bits := store.Flags(&r, area)
		if int64(int16(bits)) != bits || store.Quality(bits) != iot.Bad {
			t.Errorf("area %d: got flags %d of quality %q, want them to fit into 16 bits", area, bits, store.Quality(bits))
		}
		found := store.Recount{Areas: store.Areas{Names: map[int64]iot.Area{area: "A"}}}
		found.Add(1, time.Time{}, 2, bits)
		if got := found.Divide(iot.Temperature, new(iot.WindowSummary)); len(got) != 1 || got[0].Area != "A" || found.Whole.Bad != 1 {
			t.Errorf("area %d: got %+v back", area, got)
		}
	}
}
