package iot_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func TestAreasAreRefusedForWhatTheyHold(t *testing.T) {
	for name, test := range map[string]struct{ area, reason string }{
		"no name between":     {"a//b", "level 2 has no name"},
		"a slash before":      {"/a", "level 1 has no name"},
		"a slash behind":      {"a/", "level 2 has no name"},
		"a blank as a name":   {"a/ /b", "level 2 has no name"},
		"nine levels":         {"1/2/3/4/5/6/7/8/9", "more than 8 levels (got 9)"},
		"a long name":         {strings.Repeat("x", 129), "longer than 128 bytes"},
		"a long path":         {strings.Repeat(strings.Repeat("x", 127)+"/", 4) + "x", "longer than 512 bytes (got 513)"},
		"a much longer path":  {strings.Repeat("x/", 1<<20), "longer than 1024 bytes"},
		"a separator of keys": {"a\x1fb", "control character, U+001F"},
		"no UTF-8":            {"a/\xff", "UTF-8"},
	} {
		area := iot.Area(test.area)
		mustRefuse(t, name, area.Normalize(), "area", test.reason)
	}
}

func TestAreasArePutIntoCanonicalForm(t *testing.T) {
	for from, want := range map[iot.Area]iot.Area{
		"":                    "",
		"A栋":                  "A栋",
		" site /line 1/press": "site/line 1/press",
		"Cafe\u0301/1":        "Café/1",
		"1/2/3/4/5/6/7/8":     "1/2/3/4/5/6/7/8",
	} {
		area := from
		if err := area.Normalize(); err != nil || area != want {
			t.Errorf("%q: got %q, %v, want %q", from, area, err, want)
		}
		if got := from.Canonical(); got != want {
			t.Errorf("%q: got canonical %q, want %q", from, got, want)
		}
	}
	if got := iot.Area("/a// b/").Canonical(); got != "a/b" {
		t.Errorf("got %q, want the path as somebody types it to be found", got)
	}
}

func TestAreasLieWithinOneAnother(t *testing.T) {
	for _, test := range []struct {
		inner, outer iot.Area
		want         bool
	}{
		{"a/b/c", "a/b/c", true}, {"a/b/c", "a", true}, {"a/b/c", "", true}, {"", "", true},
		{"a", "a/b", false}, {"ab", "a", false}, {"", "a", false},
	} {
		if got := test.inner.Within(test.outer); got != test.want {
			t.Errorf("%q within %q: got %v, want %v", test.inner, test.outer, got, test.want)
		}
	}
	for area, want := range map[iot.Area]iot.Area{"": "", "a": "a", "a/b/c": "a"} {
		if got := area.First(); got != want {
			t.Errorf("first level of %q: got %q, want %q", area, got, want)
		}
	}
}

// Whatever an admitted reading says about its place is a valid area.
func TestALocationAmountsToAnArea(t *testing.T) {
	if got, want := (iot.Location{Building: "A/B", Floor: -2, Room: "301"}).Area(), iot.Area("A\u2215B/-2/301"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	catalog := builtin(t)
	rapid.Check(t, func(t *rapid.T) {
		r := validReading()
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A/. é栋]{0,300}`))
		r.Location = iot.Location{Building: text.Draw(t, "building"), Floor: rapid.Int().Draw(t, "floor"), Room: text.Draw(t, "room")}
		admission := iot.Admission{Catalog: catalog, MaxText: 1024}
		if admission.Admit(&r, r.Time) != nil {
			return
		}
		area := r.Location.Area()
		again := area
		if err := again.Normalize(); err != nil || again != area {
			t.Fatalf("%+v: got area %q, which becomes %q, %v", r.Location, area, again, err)
		}
	})
}

func TestAnIdentityNeverHoldsTheSeparatorOfKeys(t *testing.T) {
	for name, test := range map[string]struct {
		identity      iot.Identity
		field, reason string
	}{
		"in the id":       {iot.Identity{ID: "a\x1fb"}, "device_id", "control character"},
		"in the tenant":   {iot.Identity{Tenant: "a\x1fb", ID: "d"}, "tenant", "control character"},
		"no id":           {iot.Identity{Tenant: "t"}, "device_id", "missing"},
		"a long tenant":   {iot.Identity{Tenant: iot.Tenant(strings.Repeat("x", 65)), ID: "d"}, "tenant", "longer than 64"},
		"a blank, behind": {iot.Identity{Tenant: "t ", ID: "d"}, "tenant", "white space"},
	} {
		mustRefuse(t, name, test.identity.Normalize(), test.field, test.reason)
	}
	for _, want := range []iot.Identity{{ID: "d"}, {Tenant: "Müller", ID: "d"}} {
		got := want
		if err := got.Normalize(); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}
