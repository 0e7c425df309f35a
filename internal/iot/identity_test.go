package iot_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// A ByDevice does what a map by the identity does.
func TestByDeviceIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got iot.ByDevice[int]
		want := make(map[iot.Identity]int)
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			device := iot.Identity{
				Tenant: rapid.SampledFrom([]iot.Tenant{"", "", "t", "u"}).Draw(t, "tenant"),
				ID:     rapid.SampledFrom([]iot.DeviceID{"a", "b", "t"}).Draw(t, "id"),
			}
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				got.Clear()
				clear(want)
			case 1, 2, 3:
				got.Delete(device)
				delete(want, device)
			default:
				got.Set(device, i+1)
				want[device] = i + 1
			}
			if v, found := got.Find(device); v != want[device] || found != (v != 0) || got.Get(device.Tenant, device.ID) != v {
				t.Fatalf("%v: got %d and %v, want %d", device, v, found, want[device])
			}
			if all := maps.Collect(got.All()); !maps.Equal(all, want) || got.Len() != len(want) {
				t.Fatalf("got %d devices %v, want %v", got.Len(), all, want)
			}
		}
	})
}

// No two devices have the same String, so that it can be a key.
func TestDevicesHaveDifferentStrings(t *testing.T) {
	name := rapid.StringMatching(`[a-b\x{ff}/]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		var devices [2]iot.Identity
		for i := range devices {
			devices[i] = iot.Identity{Tenant: iot.Tenant(name.Draw(t, "tenant")), ID: iot.DeviceID(name.Draw(t, "id"))}
		}
		a, b := devices[0], devices[1]
		if (a.String() == b.String()) != (a == b) || (a.Compare(b) == 0) != (a == b) || a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%q and %q: got %q, %q and the order %d", a, b, a, b, a.Compare(b))
		}
	})
}
