package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// TestTenantsAreOthersDevices compares a log in which two tenants use the ids of devices without a tenant with one in which all ids differ
// and nobody has a tenant: the windows have the same numbers, the devices the same states and alerts, and each tenant a group of its own.
func TestTenantsAreOthersDevices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tenants, plain journal
		for _, rec := range drawJournal(t) {
			if rec.Kind == iot.KindRule || rec.Kind == iot.KindCommand || rec.Kind == iot.KindPoints {
				continue // They name devices and alerts, and without rules nothing depends on points.
			}
			rec.Offset = int64(len(tenants))
			tenants = append(tenants, rec)
			plain = append(plain, withoutTenant(rec))
		}
		got, want := onePass(t, tenants), onePass(t, plain)
		if diff := difference(alertsOf(got), alertsOf(want)); diff != "" {
			t.Fatalf("alerts: %s", diff)
		}
		if diff := difference(statesOf(got), statesOf(want)); diff != "" {
			t.Fatalf("states: %s", diff)
		}
		if diff := difference(numbersOf(got), numbersOf(want)); diff != "" {
			t.Fatalf("windows: %s", diff)
		}
		if len(got.rejects) != len(want.rejects) {
			t.Fatalf("got the rejects %q, want %q", got.rejects, want.rejects)
		}
	})
}

// plainID returns an id without a tenant that no other device of the tests has.
func plainID(device iot.Identity) iot.DeviceID {
	return iot.DeviceID(strings.Join(append(strings.Fields(string(device.Tenant)), string(device.ID)), "/"))
}

// withoutTenant returns a record of a device that has no tenant, instead of one of a tenant's.
func withoutTenant(rec process.Record) process.Record {
	device, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil || device.Tenant == "" {
		return rec
	}
	rec.Key = []byte(plainID(device))
	if e, err := wire.DecodeDeviceEntry(rec.Value); rec.Kind == iot.KindDevice && err == nil && e.Parent != "" {
		e.Parent = plainID(iot.Identity{Tenant: device.Tenant, ID: e.Parent})
		rec.Value = wire.AppendDeviceEntry(nil, &e)
	}
	var r iot.Reading
	if rec.Kind == iot.KindReading && wire.DecodeReading(rec.Value, &r) == nil && r.ID == device.ID {
		r.ID = plainID(device)
		rec.Value = wire.AppendReading(nil, &r)
	}
	return rec
}

func difference(got, want []string) string {
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("got %d, want %d:\n%q\n%q", len(got), len(want), got, want)
}

func alertsOf(r *recorder) (list []string) {
	ids := make(map[string]bool)
	for _, text := range r.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			panic(err)
		}
		ids[a.ID] = true
		list = append(list, fmt.Sprint(plainID(a.Identity()), a.Rule, a.Transition, a.Onset, a.Time, a.Value, a.Historical, a.Area, a.Reason, a.Offset))
	}
	return append(list, fmt.Sprint(len(ids), " ids"))
}

func statesOf(r *recorder) (list []string) {
	for key, text := range r.states {
		if text == nil {
			continue
		}
		s, err := wire.DecodeDeviceState(text)
		if err != nil || s.Latest.Identity().String() != key {
			panic(fmt.Sprintf("%v: the state %s is under the key %q", err, text, key))
		}
		list = append(list, fmt.Sprint(plainID(s.Latest.Identity()), s.Latest.Time, s.Latest.Value, s.Status, s.Since, s.LastSeen, s.Age, s.Area, len(s.Alerts)))
	}
	return list
}

// numbersOf returns the numbers of all windows, and sees that what no tenant has is in the groups of none.
func numbersOf(r *recorder) (list []string) {
	for _, text := range r.finals {
		s, err := wire.DecodeWindowSummary([]byte(text))
		if err != nil {
			panic(err)
		}
		list = append(list, fmt.Sprint(s.Type, s.Window.Start, s.Count, s.Bad, s.Sum.Float64(), s.Min, s.Max, s.Devices, s.Online, s.Offline, s.AlertCount))
		var sum iot.Summary
		for _, tenant := range []iot.Tenant{"", "acme", "zeta"} {
			own, _ := s.OfTenant(tenant)
			sum.Merge(own.Summary)
		}
		if sum.Count != s.Count || sum.Online != s.Online || sum.Offline != s.Offline || sum.AlertCount != s.AlertCount {
			panic(fmt.Sprintf("the tenants of %s add up to %+v", text, sum))
		}
	}
	return list
}

// Two tenants and nobody have a device of the same id: three devices, three alerts, three groups.
func TestTheSameIDOfTwoTenantsIsTwoDevices(t *testing.T) {
	var j journal
	for i, key := range []string{"a", "acme\x1fa", "zeta\x1fa"} {
		j.keyed(float64(i), key, "a")
		j.reading(float64(i)+0.5, "a", float64(i)+0.5, 40+float64(i))
		j[len(j)-1].Key = []byte(key)
	}
	j.tick(36)
	out := onePass(t, j)
	if len(out.states) != 3 || len(out.rejects) != 0 {
		t.Fatalf("got %d states and the rejects %q, want three devices", len(out.states), out.rejects)
	}
	raised := make(map[string]iot.Tenant)
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule == "temperature_critical" && a.Transition == iot.Raised {
			raised[a.ID] = a.Tenant
		}
	}
	if len(raised) != 3 || raised[iot.AlertID("temperature_critical", iot.Identity{Tenant: "acme", ID: "a"}, at(1.5))] != "acme" {
		t.Errorf("got the alerts %v, want one of each", raised)
	}
	s, err := wire.DecodeWindowSummary([]byte(out.finals[0]))
	if err != nil || s.Count != 6 || s.Devices != 3 || len(s.Groups) != 3 {
		t.Fatalf("got %+v, %v, want six readings of three devices in three groups", s, err)
	}
	for i, tenant := range []iot.Tenant{"", "acme", "zeta"} {
		if own, any := s.OfTenant(tenant); !any || own.Count != 2 || own.Max != 40+float64(i) || own.Devices != 1 || own.AlertCount == 0 {
			t.Errorf("tenant %q: got %+v, %v, want its own device", tenant, own, any)
		}
	}
	j.forget(37, "acme\x1fa")
	if out = onePass(t, j); out.states["acme\x1fa"] != nil || out.states["a"] == nil || out.states["zeta\x1fa"] == nil {
		t.Errorf("got %d states after acme's device was forgotten, want the other two", len(out.states))
	}
}
