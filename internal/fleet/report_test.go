package fleet_test

import (
	"slices"
	"testing"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

func report(status iot.Reported, seconds float64, session int64) *iot.StatusReport {
	return &iot.StatusReport{Status: status, Reason: "last will", Time: at(seconds), Session: session}
}

func TestAReportTurnsADevice(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	d, turned := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOffline, 3, 1), at(4))
	if !turned || d.Status != iot.Offline || !d.Since.Equal(at(3)) || d.Report.Reason != "last will" || d.Session != 1 {
		t.Errorf("got %+v, turned %v, want it offline since the report", d, turned)
	}
	if got := f.Count(iot.Temperature); got != (fleet.Counts{Offline: 1}) {
		t.Errorf("got %+v, want one offline", got)
	}
	if got := silentAt(f, 100); got != nil {
		t.Errorf("got %v silent, want none: the device is offline already", got)
	}
	if _, turned := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOffline, 101, 1), at(101)); turned {
		t.Error("the device turned twice")
	}
	if d, turned = f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOnline, 110, 2), at(110)); !turned || d.Status != iot.Online {
		t.Errorf("got %+v, turned %v, want it online again", d, turned)
	}
	if got := f.Count(iot.Temperature); got != (fleet.Counts{Online: 1}) {
		t.Errorf("got %+v, want one online", got)
	}
}

// A report ends a silence: the next is counted from there.
func TestADeviceIsSilentAfterAReport(t *testing.T) {
	for _, status := range []iot.Reported{iot.ReportedOnline, iot.ReportedBad} {
		f := fleet.New(options, time.Time{})
		observe(f, "a", 0)
		f.Report(iot.Identity{ID: "a"}, report(status, 10, 0), at(10))
		for _, step := range []struct {
			at   float64
			want []string
		}{{24.9, nil}, {25, []string{"a"}}} {
			if got := silentAt(f, step.at); !slices.Equal(got, step.want) {
				t.Errorf("%s: at %v s: got %v, want %v", status, step.at, got, step.want)
			}
		}
		if d := f.Device(iot.Identity{ID: "a"}); d.Report != nil {
			t.Errorf("%s: got report %+v, want none: silence has decided since", status, d.Report)
		}
	}
}

// The gateway was disconnected and is connected again before its last will of the first session arrives.
func TestAReportOfAnEarlierSessionIsIgnored(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOnline, 1, 2), at(1))
	if d, _ := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOffline, 2, 1), at(2)); d != nil || f.Device(iot.Identity{ID: "a"}).Status != iot.Online {
		t.Errorf("got %+v, want the report ignored", d)
	}
	if d, _ := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOffline, 3, 0), at(3)); d == nil || d.Status != iot.Offline || d.Session != 2 {
		t.Errorf("got %+v, want it offline by a source without sessions", d)
	}
	if d, _ := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOnline, 4, 1), at(4)); d != nil {
		t.Errorf("got %+v, want the report of session 1 still ignored", d)
	}
}

func TestAReportOfThePastOrOfAnUnknownDeviceIsIgnored(t *testing.T) {
	f := fleet.New(options, time.Time{})
	if d, _ := f.Report(iot.Identity{ID: "a"}, report(iot.ReportedOnline, 0, 0), at(0)); d != nil || f.Len() != 0 {
		t.Errorf("got %+v, want no device: it has never sent a reading", d)
	}
	observe(f, "a", 0)
	past := report(iot.ReportedOffline, 1, 0)
	past.Historical = true
	if d, _ := f.Report(iot.Identity{ID: "a"}, past, at(1)); d != nil || f.Device(iot.Identity{ID: "a"}).Status != iot.Online {
		t.Errorf("got %+v, want the report ignored", d)
	}
}

func TestAReadingEndsAReport(t *testing.T) {
	for _, status := range []iot.Reported{iot.ReportedOffline, iot.ReportedBad} {
		f := fleet.New(options, time.Time{})
		observe(f, "a", 0)
		f.Report(iot.Identity{ID: "a"}, report(status, 1, 7), at(1))
		if d, _ := observe(f, "a", 2); d.Status != iot.Online || d.Report != nil || d.Session != 7 {
			t.Errorf("%s: got %+v, want it online by its reading, and the session kept", status, d.DeviceState)
		}
	}
}

// The id of an alert derives from its onset.
func TestADeviceNeverTurnsTwiceAtTheSameTime(t *testing.T) {
	f := fleet.New(options, time.Time{})
	observe(f, "a", 10)
	last := f.Device(iot.Identity{ID: "a"}).Since
	for i, status := range []iot.Reported{iot.ReportedOffline, iot.ReportedOnline, iot.ReportedOffline, iot.ReportedBad, iot.ReportedOffline} {
		d, turned := f.Report(iot.Identity{ID: "a"}, report(status, 5, 0), at(10))
		if !turned || !d.Since.After(last) {
			t.Errorf("report %d: got turned %v at %v, want it after %v", i, turned, d.Since, last)
		}
		last = d.Since
	}
}

// A device that sends every minute is not offline in between. What people have decided counts more, and a short interval changes nothing.
func TestASourceSaysHowOftenADeviceSends(t *testing.T) {
	id := iot.Identity{ID: "a"}
	f := fleet.New(options, time.Time{})
	observe(f, "a", 0)
	interval := func(d time.Duration, seconds float64, historical bool) (*fleet.Device, bool) {
		return f.Report(id, &iot.StatusReport{Interval: d, Time: at(seconds), Historical: historical}, at(seconds))
	}
	if d, turned := interval(time.Minute, 1, true); turned || d.Report != nil || d.Interval != time.Minute {
		t.Fatalf("got %+v, turned %v", d, turned)
	}
	for _, step := range []struct {
		at   float64
		want []string
	}{{179.9, nil}, {180, []string{"a"}}} {
		if got := silentAt(f, step.at); !slices.Equal(got, step.want) {
			t.Errorf("at %v s: got %v, want %v", step.at, got, step.want)
		}
	}
	if d, turned := interval(2*time.Minute, 200, false); !turned || d.Status != iot.Online || !d.Since.Equal(at(200)) {
		t.Errorf("got %+v, turned %v, want it online: it has not been silent for too long", d.DeviceState, turned)
	}
	if d, turned := interval(time.Second, 210, false); turned || d.Status != iot.Online {
		t.Errorf("got %+v, turned %v", d.DeviceState, turned)
	}
	if got := silentAt(f, 210); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want it offline after the silence that holds for all", got)
	}
	f.Register(id, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Interval: 10 * time.Minute}}, at(220))
	if d, turned := interval(time.Minute, 230, false); turned || d.Status != iot.Online {
		t.Errorf("got %+v, turned %v, want the registry's interval in force", d.DeviceState, turned)
	}
	if d, turned := f.Report(iot.Identity{ID: "unknown"}, &iot.StatusReport{Interval: time.Minute, Time: at(231)}, at(231)); d != nil || turned {
		t.Errorf("got %+v of a device that has never sent", d)
	}
}
