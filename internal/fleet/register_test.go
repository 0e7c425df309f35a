package fleet_test

import (
	"slices"
	"testing"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

func entry(interval time.Duration) *iot.EntryInForce {
	return &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Interval: interval}}
}

func TestTheExpectedIntervalDecidesSilence(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		want     float64
	}{
		{"unknown", 0, 15},
		{"a minute", time.Minute, 180},
		{"five seconds", 5 * time.Second, 15},
		{"so short that every jitter would be a silence", time.Second, 10},
	} {
		f := fleet.New(options, time.Time{})
		observe(f, "a", 0)
		f.Register(iot.Identity{ID: "a"}, entry(test.interval), at(1))
		if got := silentAt(f, test.want-0.001); got != nil {
			t.Errorf("%s: got %v before %v s, want none", test.name, got, test.want)
		}
		if got := silentAt(f, test.want); !slices.Equal(got, []string{"a"}) || !f.Device(iot.Identity{ID: "a"}).Since.Equal(at(test.want)) {
			t.Errorf("%s: got %v since %v, want a silent since %v s", test.name, got, f.Device(iot.Identity{ID: "a"}).Since, test.want)
		}
	}
}

// Sequence: a device that sends every hour is registered as one that sends every ten seconds. By the new interval it has been silent for
// most of an hour: counted from its last reading, the silence would have begun before anybody expected a reading.
func TestAShorterIntervalMakesNoSilenceOfThePast(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	f.Register(iot.Identity{ID: "a"}, entry(time.Hour), at(1))
	if got := silentAt(f, 3000); got != nil {
		t.Fatalf("got %v, want none within the interval", got)
	}
	d, _ := f.Register(iot.Identity{ID: "a"}, entry(10*time.Second), at(3000))
	if got := silentAt(f, 3000); !slices.Equal(got, []string{"a"}) || !d.Since.Equal(at(3000)) {
		t.Errorf("got %v since %v, want a silent from the change on", got, d.Since)
	}
	observe(f, "a", 3001)
	f.Register(iot.Identity{ID: "a"}, entry(time.Hour), at(3002))
	f.Register(iot.Identity{ID: "a"}, entry(10*time.Second), at(3010))
	if got := silentAt(f, 3030.9); got != nil {
		t.Errorf("got %v, want none: the silence is counted from the last reading", got)
	}
	if got := silentAt(f, 3031); !slices.Equal(got, []string{"a"}) || !d.Since.Equal(at(3031)) {
		t.Errorf("got %v since %v, want a silent 30 s after its last reading", got, d.Since)
	}
}

// Sequence: a device that sends every minute falls silent after the 15 s of all others, and somebody enters its interval.
func TestALongerIntervalEndsASilence(t *testing.T) {
	for _, test := range []struct {
		name     string
		before   func(*fleet.Fleet)
		interval time.Duration
		want     bool
	}{
		{"not silent for too long by the new interval", func(*fleet.Fleet) {}, time.Minute, true},
		{"silent for too long all the same", func(*fleet.Fleet) {}, 6 * time.Second, false},
		{"reported offline", func(f *fleet.Fleet) { f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOffline, 16, 0), at(16)) }, time.Minute, false},
		{"a backlog has arrived since", func(f *fleet.Fleet) {
			f.Observe(f.Device(iot.Identity{ID: "a"}), &iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: at(1), Status: iot.Online, Historical: true}, at(17), at(17))
		}, time.Minute, false},
	} {
		f := fleet.New(options, time.Time{})
		observe(f, "a", 0)
		silentAt(f, 15)
		test.before(f)
		d, returned := f.Register(iot.Identity{ID: "a"}, entry(test.interval), at(20))
		if returned != test.want || (d.Status == iot.Online) != test.want {
			t.Errorf("%s: got returned %t and %s, want %t", test.name, returned, d.Status, test.want)
		}
		if !test.want {
			continue
		}
		if got := f.Count(iot.Temperature); got != (fleet.Counts{Online: 1}) || !d.Since.Equal(at(20)) {
			t.Errorf("%s: got %+v since %v, want one online since the change", test.name, got, d.Since)
		}
		if got := silentAt(f, 179.9); got != nil {
			t.Errorf("%s: got %v, want none before three minutes", test.name, got)
		}
		if got := silentAt(f, 180); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%s: got %v, want a silent again after three minutes", test.name, got)
		}
	}
	f := fleet.New(options, time.Time{})
	f.Observe(f.Device(iot.Identity{ID: "a"}), &iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: at(-100), Status: iot.Online, Historical: true}, at(0), at(0))
	if d, returned := f.Register(iot.Identity{ID: "a"}, entry(time.Hour), at(1)); returned || d.Status != iot.Offline {
		t.Errorf("a device that was never live: got %s, want offline", d.Status)
	}
}

// Sequence: the log's clock runs ahead, an interval changes under it, and the clock is set back. The device would be watched only once the
// right time has come to where the wrong clock was.
func TestAClockThatIsSetBackDoesNotDelaySilence(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	f.Register(iot.Identity{ID: "a"}, entry(time.Minute), at(5000))
	f.SetBack(at(10))
	if got := silentAt(f, 181); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want a silent", got)
	}
}

func TestOnlyUnregisteredDevicesExpire(t *testing.T) {
	o := options
	o.ForgetAfter = time.Hour
	known := map[iot.Identity]*iot.EntryInForce{{ID: "before"}: entry(0)}
	o.Entry = func(id iot.Identity) *iot.EntryInForce { return known[id] }
	f := fleet.New(o, time.Time{})
	for _, id := range []string{"before", "after", "never"} {
		observe(f, id, 0)
	}
	if d, _ := f.Register(iot.Identity{ID: "unseen"}, entry(0), at(1)); d != nil {
		t.Error("got a device that has never sent a reading")
	}
	f.Register(iot.Identity{ID: "after"}, entry(0), at(1))
	var expired []iot.DeviceID
	for _, seconds := range []float64{20, 3600, 100_000} {
		for _, due := range f.Advance(at(seconds)) {
			if due.Event == fleet.Expired {
				expired = append(expired, due.Latest.ID)
			}
		}
	}
	if !slices.Equal(expired, []iot.DeviceID{"never"}) {
		t.Errorf("got %v, want the device that nobody has registered", expired)
	}
}
