package fleet_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

const timeout = 15 * time.Second

var options = fleet.Options{OfflineAfter: timeout, Disorder: 5 * time.Second}

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

func send(f *fleet.Fleet, r *iot.Reading, appended, now time.Time) fleet.Observed {
	return f.Observe(f.Device(r.Identity()), r, appended, now)
}

// observe has a device send a reading stamped with the time at which it is appended.
func observe(f *fleet.Fleet, id string, seconds float64) (d *fleet.Device, newer bool) {
	o := send(f, &iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(id), Type: iot.Temperature},
		Time:   at(seconds),
		Status: iot.Online,
	}, at(seconds), at(seconds))
	return o.Device, o.Kind == fleet.Newest
}

func silentAt(f *fleet.Fleet, seconds float64) []string {
	var ids []string
	for _, due := range f.Advance(at(seconds)) {
		if due.Event == fleet.FellSilent {
			ids = append(ids, string(due.Latest.ID))
		}
	}
	return ids
}

func TestASilentDeviceGoesOfflineOnce(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	observe(f, "b", 2)
	observe(f, "a", 4)

	for _, step := range []struct {
		at   float64
		want []string
	}{{16.9, nil}, {17, []string{"b"}}, {18, nil}, {19, []string{"a"}}, {100, nil}} {
		if got := silentAt(f, step.at); !slices.Equal(got, step.want) {
			t.Errorf("at %v s: got %v, want %v", step.at, got, step.want)
		}
	}
	if got := f.Device(iot.Identity{ID: "b"}); got.Status != iot.Offline || !got.Since.Equal(at(17)) {
		t.Errorf("got %v since %v, want offline since the timeout ran out", got.Status, got.Since)
	}
	if got := f.Count(iot.Temperature); got != (fleet.Counts{Offline: 2}) {
		t.Errorf("got %+v, want two offline", got)
	}
}

func TestADeviceComesBackWithItsNextReading(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	silentAt(f, 20)
	d, newer := observe(f, "a", 21)
	if !newer || d.Status != iot.Online || !d.Since.Equal(at(21)) {
		t.Errorf("got newer %v, %v since %v, want online since the reading", newer, d.Status, d.Since)
	}
	if got := silentAt(f, 36); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want the device missed again", got)
	}
}

func TestAnOlderReadingChangesNothing(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 10)
	f.Publish(func(*fleet.Device) {}, func(iot.Identity, iot.Position) {})
	for _, seconds := range []float64{10, 6} {
		if d, newer := observe(f, "a", seconds); newer || !d.Latest.Time.Equal(at(10)) {
			t.Errorf("reading at %v s: got newer %v, latest %v, want the one at 10 s to stay", seconds, newer, d.Latest.Time)
		}
	}
	if f.Dirty() != 0 {
		t.Errorf("got %d changed devices, want none", f.Dirty())
	}
}

// A device whose clock is slow is not silent: silence goes by the log's time.
func TestAWrongClockIsNotSilence(t *testing.T) {
	f := fleet.New(options, time.Time{})
	for i := range 20 {
		r := iot.Reading{Device: iot.Device{ID: "slow", Type: iot.Temperature}, Time: at(float64(5*i) - 40), Status: iot.Online}
		send(f, &r, at(float64(5*i)), at(float64(5*i)))
		if got := silentAt(f, float64(5*i)+4); got != nil {
			t.Fatalf("at %d s: got %v offline, want none", 5*i, got)
		}
	}
}

func TestAStandstillOfTheLogIsForgiven(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	f.RestartSilence(at(3600))
	if got := silentAt(f, 3614); got != nil {
		t.Errorf("got %v offline, want a fresh start for everybody", got)
	}
	if got := silentAt(f, 3615); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want the device missed after its timeout", got)
	}
}

func TestADeviceMaySayItIsOffline(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	send(f, &iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: at(1), Status: iot.Offline}, at(1), at(1))
	if f.Watching() {
		t.Error("got devices watched, want none")
	}
	if got := silentAt(f, 100); got != nil {
		t.Errorf("got %v, want no second offline", got)
	}
}

func TestRestoreGoesOnWhereTheFleetWas(t *testing.T) {
	before := fleet.New(options, at(-100))
	observe(before, "a", 0)
	observe(before, "b", 3)
	silentAt(before, 15)

	after := fleet.New(options, before.SilenceStart())
	for _, id := range []iot.DeviceID{"b", "a"} {
		after.Restore(before.Device(iot.Identity{ID: id}).DeviceState)
	}
	if got, want := after.Count(iot.Temperature), before.Count(iot.Temperature); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := silentAt(after, 18); !slices.Equal(got, []string{"b"}) {
		t.Errorf("got %v, want only the device that had not been missed before", got)
	}
}

func TestPublishVisitsEachChangedDeviceOnce(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "b", 0)
	observe(f, "a", 1)
	observe(f, "b", 2)
	var got []iot.DeviceID
	f.Publish(func(d *fleet.Device) { got = append(got, d.Latest.ID) }, func(iot.Identity, iot.Position) {})
	if want := []iot.DeviceID{"b", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	f.Publish(func(d *fleet.Device) { t.Errorf("published %s again without a change", d.Latest.ID) }, func(iot.Identity, iot.Position) {})
}

func BenchmarkObserve(b *testing.B) {
	const devices = 10_000
	f := fleet.New(options, time.Time{})
	readings := make([]iot.Reading, devices)
	for i := range readings {
		readings[i] = iot.Reading{Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%05d", i)), Type: iot.Temperature}, Status: iot.Online}
	}
	b.ReportAllocs()
	for i := range b.N {
		r := &readings[i%devices]
		r.Time = epoch.Add(time.Duration(i) * 500 * time.Microsecond)
		send(f, r, r.Time, r.Time)
		f.Advance(r.Time)
		if f.Dirty() >= 1000 {
			f.Publish(func(*fleet.Device) {}, func(iot.Identity, iot.Position) {})
		}
	}
}

func TestDevicesAreCountedByArea(t *testing.T) {
	f := fleet.New(options, time.Time{})
	say := func(id, building string, seconds float64) {
		send(f, &iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(id), Type: iot.Temperature, Location: iot.Location{Building: building, Floor: 1}},
			Time:   at(seconds), Status: iot.Online,
		}, at(seconds), at(seconds))
	}
	counts := func() string {
		text := ""
		areas := f.CountAreas(iot.Temperature)
		for _, area := range slices.SortedFunc(maps.Keys(areas), iot.TenantArea.Compare) {
			text += fmt.Sprintf("%s:%d/%d ", area.Area, areas[area].Online, areas[area].Offline)
		}
		return text
	}
	say("a", "A", 0)
	say("b", "A", 0)
	say("c", "B", 0)
	if got, want := counts(), "A:2/0 B:1/0 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	say("c", "A", 1) // It moves.
	say("a", "", 1)
	if got, want := counts(), "1:1/0 A:2/0 "; got != want {
		t.Errorf("after two moved: got %s, want %s", got, want)
	}
	silentAt(f, 15)
	f.Forget(iot.Identity{ID: "a"}, iot.Position{})
	if got, want := counts(), "A:1/1 "; got != want {
		t.Errorf("after one was silent and one forgotten: got %s, want %s", got, want)
	}
	if got := f.CountAreas(iot.Humidity); len(got) != 0 {
		t.Errorf("got %v of a type without devices, want none", got)
	}
}
