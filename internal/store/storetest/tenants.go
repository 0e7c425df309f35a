package storetest

import (
	"fmt"
	"slices"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// tenants are those of the tests below. The first is where nobody has configured tenants.
var tenants = []iot.Tenant{"", "acme", "zeta"}

func ofTenant(tenant iot.Tenant, r iot.Reading) iot.Reading {
	r.Tenant = tenant
	return r
}

// tenantsApart has devices of the same id, alerts of the same rule and onset, and windows with readings of several tenants. A query of one
// tenant returns nothing of the others.
func tenantsApart(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	for i, tenant := range tenants[:2] {
		moved := ofTenant(tenant, reading("a", 2, float64(20+i)))
		moved.Metadata.Model = fmt.Sprint("model ", i)
		f.readings(ofTenant(tenant, reading("a", 1, float64(10+i))), moved)
	}
	f.write(0, archive.Batch{Alerts: []iot.Alert{alertOf("acme", 0, 1)}})
	within := alertOf("", 5, 2) // In the time of acme's alert, which is open.
	within.Historical, within.Transition, within.ID = true, iot.Cleared, iot.HistoricalAlertID(within.Rule, within.Identity(), within.Onset)
	f.write(0, archive.Batch{Alerts: []iot.Alert{alertOf("", 10, 3), within}})
	for i, tenant := range tenants {
		var values []float64
		for _, p := range points(t, store, api.ReadingsQuery{Tenant: tenant, Device: "a"}) {
			values = append(values, p.Value)
		}
		want := []float64{float64(10 + i), float64(20 + i)}
		if i == 2 {
			want = nil
		}
		if !slices.Equal(values, want) {
			t.Errorf("tenant %q: got readings %v, want %v", tenant, values, want)
		}
		found := alerts(t, store, api.AlertsQuery{Tenant: tenant, Device: "a"})
		if len(found) != []int{2, 1, 0}[i] {
			t.Errorf("tenant %q: got %d alerts, want its own", tenant, len(found))
		}
		for j := range found {
			if found[j].Tenant != tenant || found[j].ID == within.ID && !found[j].Historical {
				t.Errorf("tenant %q: got the alert %+v", tenant, found[j].Alert)
			}
		}
	}
}

func alertOf(tenant iot.Tenant, onset float64, position int64) iot.Alert {
	a := raised("a", onset, position)
	a.Tenant, a.ID = tenant, iot.AlertID(a.Rule, iot.Identity{Tenant: tenant, ID: "a"}, a.Onset)
	return a
}

// perTenant describes the windows of each tenant: count, sum and alerts, or nothing.
func perTenant(t testing.TB, store Store, q api.SummariesQuery) (text string) {
	t.Helper()
	for _, tenant := range tenants {
		q.Tenant = tenant
		text += string(tenant) + ":"
		for _, s := range windows(t, store, q) {
			if !s.Empty() {
				text += fmt.Sprintf(" %d %g %d", s.Count, s.Sum.Float64(), len(s.Alerts))
			}
			if s.Groups != nil {
				t.Errorf("tenant %q: got groups %+v of a narrowed summary, want none", tenant, s.Groups)
			}
		}
		text += "; "
	}
	return text
}

// summariesOfTenants narrows summaries, those of a processor and recomputed ones, to each tenant.
func summariesOfTenants(t *testing.T, store Store) {
	f, other := newFeed(t, store, 0), newFeed(t, store, 1)
	readings := []iot.Reading{reading("a", 1, 1), ofTenant("acme", reading("a", 1, 10)), ofTenant("acme", reading("b", 2, 20))}
	s := f.final(0, 3, 1, 10, 20)
	s.Devices, s.Online, s.Offline = 3, 0, 0
	for _, g := range [][]iot.Reading{readings[:1], readings[1:]} {
		part := iot.GroupSummary{Group: iot.Group{Tenant: g[0].Tenant, Area: "A栋", Type: s.Type}}
		for i := range g {
			part.AddReading(g[i].Value, "")
		}
		part.Devices = int64(len(g))
		s.Groups = append(s.Groups, part)
	}
	s.Alerts = []iot.Alert{alertOf("", 1, 1), alertOf("acme", 1, 2)}
	f.readings(readings...)
	f.summaries(s)
	other.summaries(other.final(0, 1, 100)) // Of a partition where nobody has a tenant.
	want := ": 2 101 1; acme: 2 30 1; zeta:; "
	for _, area := range []iot.Area{"", "A栋"} {
		if area != "" {
			want = ": 1 1 1; acme: 2 30 1; zeta:; "
		}
		if got := perTenant(t, store, api.SummariesQuery{Area: area}); got != want {
			t.Errorf("area %q: got %s, want %s", area, got, want)
		}
	}
	// One alone in its window.
	alone := ofTenant("acme", reading("a", 31, 5))
	f.readings(alone)
	only := f.final(30, 4, 5)
	only.Devices, only.Online, only.Offline = 1, 0, 0
	part := iot.GroupSummary{Group: iot.Group{Tenant: "acme", Area: "A栋", Type: only.Type}, Summary: only.Summary}
	only.Groups = []iot.GroupSummary{part}
	f.summaries(only)
	if got, want := perTenant(t, store, api.SummariesQuery{From: at(30), To: at(60)}), ":; acme: 1 5 0; zeta:; "; got != want {
		t.Errorf("alone: got %s, want %s", got, want)
	}
	// Late readings of all.
	f.readings(ofTenant("zeta", reading("a", 3, 1000)), reading("a", 4, 2), ofTenant("acme", reading("a", 5, 30)))
	f.summaries(f.mark(0, 7))
	if got, want := perTenant(t, store, api.SummariesQuery{To: at(30), From: at(0), WithoutAlerts: true}), ": 3 103 0; acme: 3 60 0; zeta: 1 1000 0; "; got != want {
		t.Errorf("recomputed: got %s, want %s", got, want)
	}
}
