package iot_test

import (
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func drawLocation(t *rapid.T, label string) iot.Location {
	text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"A", "A/1", "B"}), rapid.StringMatching(`[A/é栋]{0,200}`))
	return iot.Location{
		Building: text.Draw(t, label+" building"), Floor: rapid.IntRange(-1, 1).Draw(t, label+" floor"), Room: text.Draw(t, label+" room"),
	}
}

func TestTheFirstAreaOfALocation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawLocation(t, "one"), drawLocation(t, "other")
		if got, want := a.FirstArea(), a.Area().First(); got != want {
			t.Fatalf("%+v: got %q, want %q, the first level of its area", a, got, want)
		}
		if a.SameFirstArea(&b) && a.FirstArea() != b.FirstArea() {
			t.Fatalf("%+v and %+v: got the same first area, want %q and %q", a, b, a.FirstArea(), b.FirstArea())
		}
		if again := a; !again.SameFirstArea(&a) {
			t.Fatalf("%+v: got another first area than its own", a)
		}
		if a.FirstArea() == iot.OtherAreas {
			t.Fatalf("%+v is in the area that others share", a)
		}
	})
	broken := iot.Location{Building: string(make([]byte, 200)) + "\xff"}
	for i := range []byte(broken.Building) {
		broken.Building = broken.Building[:i] + "\x80" + broken.Building[i+1:]
	}
	if got := broken.FirstArea(); len(got) > iot.MaxAreaName {
		t.Errorf("got %d bytes of a text that is no UTF-8, want at most %d", len(got), iot.MaxAreaName)
	}
}

func TestASummaryNarrowsToAnArea(t *testing.T) {
	part := func(tenant, area string, values ...float64) iot.GroupSummary {
		g := iot.GroupSummary{Group: iot.Group{Tenant: iot.Tenant(tenant), Area: iot.Area(area), Type: iot.Temperature}}
		for _, v := range values {
			g.Add(v)
		}
		g.Online = 1
		return g
	}
	s := iot.WindowSummary{Type: iot.Temperature, Groups: []iot.GroupSummary{part("", "A", 1), part("", "B", 2, 3), part("t", "B", 4)}}
	for i := range s.Groups {
		s.Merge(s.Groups[i].Summary)
	}
	s.Alerts = []iot.Alert{{ID: "1", Location: iot.Location{Building: "A"}}, {ID: "2", Location: iot.Location{Building: "B", Floor: 2}}}
	if got, any := s.InArea("B"); !any || got.Count != 3 || got.Sum.Float64() != 9 || got.Online != 2 || len(got.Alerts) != 1 || got.Alerts[0].ID != "2" {
		t.Errorf("got %+v, %v, want B's three readings of both tenants, and its alert", got, any)
	}
	if got, any := s.InArea(""); any || !got.Empty() {
		t.Errorf("got %+v, %v of the unknown area, want nothing", got, any)
	}
	if got, _ := s.InArea("A"); s.Count != 4 || got.Count != 1 {
		t.Errorf("got %d readings in A of %d, want 1 of 4", got.Count, s.Count)
	}
	s.Groups = nil
	if got, any := s.InArea(""); !any || got.Count != 4 {
		t.Errorf("got %+v, %v of a summary without groups, want all of it in the unknown area", got, any)
	}
	if _, any := s.InArea("A"); any {
		t.Error("got a part of a summary without groups, want none")
	}
}

func TestASummaryNarrowsToATenant(t *testing.T) {
	part := func(tenant, area string, value float64) iot.GroupSummary {
		g := iot.GroupSummary{Group: iot.Group{Tenant: iot.Tenant(tenant), Area: iot.Area(area), Type: iot.Temperature}}
		g.Add(value)
		g.Devices, g.Online, g.AlertCount = 1, 1, 1
		return g
	}
	s := iot.WindowSummary{Type: iot.Temperature, Groups: []iot.GroupSummary{part("", "A", 1), part("t", "", 2), part("u", "A", 3), part("u", "B", 4)}}
	for i := range s.Groups {
		s.Merge(s.Groups[i].Summary)
	}
	s.Alerts = []iot.Alert{{ID: "1"}, {ID: "2", Tenant: "t"}, {ID: "3", Tenant: "u"}}
	for _, test := range []struct {
		tenant          iot.Tenant
		count, sum, max float64
		groups          int
		alert           string
	}{{"", 1, 1, 1, 1, "1"}, {"t", 1, 2, 2, 1, "2"}, {"u", 2, 7, 4, 2, "3"}} {
		got, any := s.OfTenant(test.tenant)
		if !any || float64(got.Count) != test.count || got.Sum.Float64() != test.sum || got.Max != test.max || float64(got.Online) != test.count ||
			float64(got.AlertCount) != test.count || len(got.Groups) != test.groups || len(got.Alerts) != 1 || got.Alerts[0].ID != test.alert {
			t.Errorf("tenant %q: got %+v, %v", test.tenant, got, any)
		}
	}
	if got, any := s.OfTenant("v"); any || !got.Empty() || len(got.Groups)+len(got.Alerts) != 0 {
		t.Errorf("a tenant without devices: got %+v, %v, want nothing", got, any)
	}
	if s.Count != 4 || s.Sum.Float64() != 10 || len(s.Alerts) != 3 {
		t.Errorf("the summary became %+v", s)
	}
	s.Groups = nil
	if got, any := s.OfTenant(""); !any || got.Count != 4 {
		t.Errorf("without groups: got %+v, %v, want all of it, of no tenant", got, any)
	}
	if got, any := s.OfTenant("t"); any || !got.Empty() {
		t.Errorf("without groups: got %+v, %v of a tenant, want nothing", got, any)
	}
}
