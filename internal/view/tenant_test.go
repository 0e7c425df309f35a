package view

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/view/viewtest"
)

// Two tenants have devices of the same ids. The view of each shows its own, and has nothing of the other.
func TestAViewShowsItsTenantAlone(t *testing.T) {
	var p viewtest.Script
	views := map[iot.Tenant]*View{"": New(Options{}), "acme": New(Options{Tenant: "acme"}), "empty": New(Options{Tenant: "empty"})}
	of := func(tenant iot.Tenant, s iot.DeviceState) iot.DeviceState {
		s.Latest.Tenant = tenant
		return s
	}
	alarm := func(tenant iot.Tenant) iot.Alert {
		a := p.Alarm(1, iot.Temperature, "A", iot.Critical, iot.Raised)
		a.Tenant, a.ID = tenant, iot.AlertID(a.Rule, iot.Identity{Tenant: tenant, ID: a.DeviceID}, a.Onset)
		return a
	}
	sums := p.Sums(0, iot.Temperature, true, 1, 2, 30)
	for _, g := range []struct {
		tenant iot.Tenant
		values []float64
	}{{"", []float64{1, 2}}, {"acme", []float64{30}}} {
		part := iot.WindowSummary{Type: iot.Temperature}
		viewtest.Divide(&part, map[iot.Area][]float64{"A": g.values})
		part.Groups[0].Tenant = g.tenant
		sums.Groups = append(sums.Groups, part.Groups[0])
	}
	batch := Batch{
		States: []iot.DeviceState{
			of("", p.Says("device_001", iot.Temperature, "A", 1)), of("acme", p.Says("device_001", iot.Temperature, "A", 30)),
			of("", p.Says("device_002", iot.Temperature, "A", 2)),
		},
		Summaries: []iot.WindowSummary{sums},
		Alerts:    []iot.Alert{alarm(""), alarm("acme")},
	}
	for tenant, want := range map[iot.Tenant]struct {
		devices int64
		value   float64
		max     float64
	}{"": {2, 1, 2}, "acme": {1, 30, 30}, "empty": {}} {
		v := views[tenant]
		changes := v.Apply(batch)
		if got := v.Counts(); got.Total != want.devices {
			t.Errorf("tenant %q: got %d devices, want %d", tenant, got.Total, want.devices)
		}
		state, known := v.Device("device_001")
		if known != (want.devices > 0) || state.Latest.Value != want.value || state.Latest.Tenant != tenant && known {
			t.Errorf("tenant %q: got %v, %+v, want its own device", tenant, known, state.Latest)
		}
		held := v.Hold()
		alerts, window := held.AlertsFrom(0), held.Window(viewtest.Noon)
		if len(alerts) != min(int(want.devices), 1) || len(alerts) > 0 && alerts[0].Last.Tenant != tenant || len(changes.Alerts) != len(alerts) {
			t.Errorf("tenant %q: got %d alerts and %d events, want its own", tenant, len(alerts), len(changes.Alerts))
		}
		if want.devices == 0 {
			if window != nil {
				t.Errorf("tenant %q: got a window of others", tenant)
			}
		} else if byType, _ := window.Merge(nil); byType[iot.Temperature].Count != want.devices || byType[iot.Temperature].Max != want.max {
			t.Errorf("tenant %q: got %+v, want its own readings", tenant, byType)
		}
		held.Release()
	}
	// One forgets its device.
	forgotten := Batch{Forgotten: []Forgotten{{Identity: iot.Identity{Tenant: "acme", ID: "device_001"}, Position: p.Position()}}}
	for tenant, v := range views {
		v.Apply(forgotten)
		if known := v.Known("device_001"); known != (tenant == "") {
			t.Errorf("tenant %q: got the device %v after acme's was forgotten", tenant, known)
		}
	}
}
