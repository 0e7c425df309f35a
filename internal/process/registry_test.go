package process_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func entryInForce(t *testing.T, out *recorder, key string) iot.EntryInForce {
	t.Helper()
	device, err := wire.DecodeDeviceKey([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := wire.DecodeEntryInForce(out.inForce[string(wire.AppendInForceKey(nil, wire.EntryInForce, device))])
	if err != nil {
		t.Fatalf("entry of %s: %v", key, err)
	}
	return entry
}

// Sequence: control appends version 3 and, after an outage, version 2 again from its outbox.
func TestAnEntryAppliesIfItsVersionIsHigher(t *testing.T) {
	var j journal
	j.entry(1, "a", iot.DeviceEntry{Version: 3, Name: "Oven"}) // Before its first reading.
	j.entry(2, "a", iot.DeviceEntry{Version: 2, Name: "Kiln", Retired: true})
	j.entry(3, "a", iot.DeviceEntry{Version: 3, Name: "Kiln"})
	j.entry(4, "acme\x1fa", iot.DeviceEntry{Version: 1, Retired: true}) // Another device.
	out := onePass(t, j)
	if got := entryInForce(t, out, "a"); got.Name != "Oven" || got.Version != 3 {
		t.Errorf("got %+v, want version 3", got)
	}
	if len(out.states) != 0 || len(out.alerts) != 0 {
		t.Errorf("got states %v and alerts %q, want none: the device has never sent a reading", out.states, out.alerts)
	}
	j.every5("a", 5, 20, 0, 40)
	if events := eventsOf(t, onePass(t, j)); count(events, "temperature_critical raised") != 1 {
		t.Errorf("got %q, want the device watched", events)
	}
	j.entry(21, "a", iot.DeviceEntry{Version: 4, Name: "Kiln"})
	if got := entryInForce(t, onePass(t, j), "a"); got.Name != "Kiln" {
		t.Errorf("got %+v, want version 4", got)
	}
}

// Sequence: topic partition-state is created anew while processors run. Control finds nothing in force there and appends what was
// decided. If the processors, which have it in force already, ignored that, nobody would see it in force until they start again, and
// control would append it again and again.
func TestWhatComesAgainIsPublishedAgain(t *testing.T) {
	var j journal
	j.entry(1, "a", iot.DeviceEntry{Version: 3, Name: "Oven"})
	j.rule(1, threshold("limit", 5, 25))
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	want := out.finalInForce()
	clear(out.inForce)
	j.entry(2, "a", iot.DeviceEntry{Version: 3, Name: "Oven"})
	j.rule(2, threshold("limit", 5, 25))
	if err := p.Process(j[p.Next():], out); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(out)
	got := out.finalInForce()
	for _, key := range []string{"device\x1fa", "rule\x1flimit"} {
		if got[key] == "" || got[key] != want[key] {
			t.Errorf("%q: got %q, want %q again", key, got[key], want[key])
		}
	}
}

func TestForeignEntriesAreRejected(t *testing.T) {
	var j journal
	j.entry(1, "a", iot.DeviceEntry{Version: 0})
	j.decide(2, iot.KindDevice, "a", []byte("{"))
	j.entry(3, " a", iot.DeviceEntry{Version: 1})
	j.entry(4, "a", iot.DeviceEntry{Version: 1, Limits: map[string]float64{"": 1}})
	if out := onePass(t, j); len(out.rejects) != 4 || out.inForce[string(wire.AppendInForceKey(nil, wire.EntryInForce, iot.Identity{ID: "a"}))] != nil {
		t.Errorf("got rejects %q and %v in force, want four and nothing of the device", out.rejects, out.inForce)
	}
}

// Sequence: another program, or a database of another plant, writes entries of the highest version there is, again and again. If one were in
// force, nobody could change the device, the rule or the settings any more.
func TestNoForeignVersionIsTheLast(t *testing.T) {
	var j journal
	last := int64(iot.MaxVersion)
	j.entry(1, "a", iot.DeviceEntry{Version: 1, Name: "Oven"})
	for range 60 {
		j.decide(2, iot.KindDevice, "a", []byte(`{"version":9223372036854775807,"name":"foreign"}`))
		j.entry(2, "a", iot.DeviceEntry{Version: last, Name: "foreign"})
		j.entry(2, "a", iot.DeviceEntry{Version: last / 2, Name: "foreign"}) // In force, once.
		foreign := threshold("limit", 5, 25)
		foreign.Version = last
		j.rule(2, foreign)
		j.settings(2, iot.Settings{Revision: last, Window: time.Minute, From: at(600)})
	}
	j.entry(3, "a", iot.DeviceEntry{Version: last/2 + 1, Name: "Kiln"})
	j.rule(3, threshold("limit", 6, 26))
	out := onePass(t, j)
	if got := entryInForce(t, out, "a"); got.Name != "Kiln" {
		t.Errorf("got %+v, want what was decided in the end", got)
	}
	if got := string(out.inForce[string(wire.AppendRuleKey(nil, "limit"))]); !strings.Contains(got, `"version":6`) {
		t.Errorf("got rule %s, want version 6", got)
	}
	if want := "1 version must be at least 1 and at most 9007199254740991 (got 9223372036854775807)"; len(out.rejects) != 4*60 || out.rejects[0] != want {
		t.Errorf("got %d rejects, the first %s, want 240, the first %s", len(out.rejects), out.rejects[0], want)
	}
}

func TestOwnLimitsReplaceThoseOfTheType(t *testing.T) {
	var j journal
	j.entry(0, "a", iot.DeviceEntry{Version: 1, Limits: map[string]float64{"temperature_critical": 50}})
	j.every5("a", 1, 10, 0, 40)
	j.every5("b", 1, 10, 0, 40)
	j.entry(11, "a", iot.DeviceEntry{Version: 2, Limits: map[string]float64{"temperature_critical": 30}})
	j.every5("a", 12, 20, 0, 40)
	var raised []float64
	for _, text := range onePass(t, j).alerts {
		if a, err := wire.DecodeAlert([]byte(text)); err == nil && a.Rule == "temperature_critical" && a.Transition == iot.Raised {
			raised = append(raised, a.Threshold)
		}
	}
	if want := []float64{35, 30}; !slices.Equal(raised, want) {
		t.Errorf("got alerts of the thresholds %v, want %v", raised, want)
	}
}

// Sequence: a device has alerts and is retired. It never sends again, so no reading would clear them, and somebody would see them for ever.
func TestARetiredDeviceIsMuteAndItsReadingsCount(t *testing.T) {
	var j journal
	j.every5("a", 0, 10, 0, 40)
	j.every5("b", 0, 40, 0, 20)
	j.entry(40, "a", iot.DeviceEntry{Version: 1, Retired: true})
	out := onePass(t, j)
	var cleared []string
	for _, text := range out.alerts {
		if a, err := wire.DecodeAlert([]byte(text)); err == nil && a.Reason == iot.NotSelected && a.Time.Equal(at(40)) {
			cleared = append(cleared, a.Rule)
		}
	}
	if want := []string{"temperature_critical", "temperature_high", iot.RuleOffline}; !slices.Equal(cleared, want) {
		t.Errorf("got %v cleared by the entry, want %v", cleared, want)
	}
	of := func(out *recorder, device string) (alerts []string) {
		for _, text := range out.alerts {
			if strings.Contains(text, `"device_id":"`+device+`"`) {
				alerts = append(alerts, text)
			}
		}
		return alerts
	}
	before := len(of(out, "a"))
	j.every5("a", 41, 60, 0, 40)
	j.write(61, iot.Reading{Device: iot.Device{ID: "a"}, Time: at(61), Value: 40, Status: iot.Offline})
	j.every5("b", 62, 100, 0, 20)
	j.status(101, "a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(101)})
	out = onePass(t, j)
	if got := of(out, "a"); len(got) != before {
		t.Errorf("got %q, want no alert of a retired device", got[before:])
	}
	if s, err := wire.DecodeWindowSummary([]byte(out.finals[1])); err != nil || s.Max != 40 || s.Devices != 2 {
		t.Errorf("got %+v, %v, want its readings counted", s, err)
	}
	if got := stateOf(t, out, "a"); got.Status != iot.Offline {
		t.Errorf("got %s, want the retired device offline", got.Status)
	}
	// Back in use, it is missed from now on: not since it fell silent, when nobody missed it.
	j.entry(102, "a", iot.DeviceEntry{Version: 2})
	events := transitions(t, onePass(t, j))
	if want := "raised " + at(102).Format("05.000"); len(events) == 0 || events[len(events)-1] != want {
		t.Errorf("got %q, want %s last", events, want)
	}
}

// Sequence: the step with a changed interval is lost, and the processor starts again from the states before it.
func TestAChangedIntervalReschedulesSilence(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.entry(1, "a", iot.DeviceEntry{Version: 1, Interval: time.Minute})
	for second := 2.0; second < 100; second++ {
		j.tick(second)
	}
	j.entry(100, "a", iot.DeviceEntry{Version: 2, Interval: time.Second})
	out := onePass(t, j)
	if got, want := transitions(t, out), []string{"raised " + at(100).Format("05.000")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: silent by the new interval, but not before it was known", got, want)
	}
	if diff := killedAt(t, options(t), j, 50).difference(out); diff != "" {
		t.Error(diff)
	}
}

// Sequence: a device falls silent, somebody sees the alert and enters that it sends once an hour. It does not send for most of an hour,
// which nobody should be alarmed by; then it stays away.
func TestALongerIntervalClearsTheOfflineAlert(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 1.0; second < 30; second++ {
		j.tick(second)
	}
	j.entry(30, "a", iot.DeviceEntry{Version: 1, Interval: time.Hour})
	j.tick(31)
	out := onePass(t, j)
	if got, want := transitions(t, out), []string{"raised " + at(15).Format("05.000"), "cleared " + at(30).Format("05.000")}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if last := out.alerts[len(out.alerts)-1]; !strings.Contains(last, string(iot.RuleChanged)) {
		t.Errorf("got %s, want the reason", last)
	}
	if got := stateOf(t, out, "a"); got.Status != iot.Online || len(got.Alerts) != 0 {
		t.Errorf("got %s with %d alerts, want online without", got.Status, len(got.Alerts))
	}
	split, lost := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
	split.Process(j[:31], lost)
	split.PublishStates(lost)
	split = restore(t, options(t), split.Checkpoint(), lost)
	split.Process(j[split.Next():], lost)
	split.PublishStates(lost)
	if diff := lost.difference(out); diff != "" {
		t.Error(diff)
	}
	for second := 35.0; second <= 3*3600; second += 5 {
		j.tick(second)
	}
	if got := transitions(t, onePass(t, j)); len(got) != 3 || got[2] != "raised "+at(3*3600).Format("05.000") {
		t.Errorf("got %q, want it missed after three hours", got)
	}
}

// Sequence: a device is moved to another area while its window is open, and the processor is killed. The readings that are counted again
// must fall into the area in which they were counted before, and a late one of that window as well.
func TestAnAreaHoldsFromAWindowThatHasNotBegun(t *testing.T) {
	var j journal
	j.every5("a", 0, 20, 0, 20)
	j.entry(20, "a", iot.DeviceEntry{Version: 1, Area: "north/hall 2"})
	j.reading(30, "a", 39.9, 20) // As far ahead as admission allows.
	j.entry(31, "a", iot.DeviceEntry{Version: 2, Area: "south"})
	got := entryInForce(t, onePass(t, j), "a")
	if want := []iot.AreaFrom{{}, {From: at(60), Area: "south"}}; !slices.Equal(got.Areas, want) {
		t.Errorf("got areas %v, want %v", got.Areas, want)
	}
	forgotten := slices.Clone(j)
	forgotten.entry(32, "a", iot.DeviceEntry{Version: 3, Forget: true})
	if got := entryInForce(t, onePass(t, forgotten), "a"); !got.Forget || !slices.Equal(got.Areas, []iot.AreaFrom{{}}) {
		t.Errorf("got %+v, want a forgotten device that never belonged to an area", got)
	}
	j.every5("a", 60, 80, 0, 20)
	j.entry(95, "a", iot.DeviceEntry{Version: 4, Area: "east"})
	got = entryInForce(t, onePass(t, j), "a")
	if want := []iot.AreaFrom{{}, {From: at(60), Area: "south"}, {From: at(120), Area: "east"}}; !slices.Equal(got.Areas, want) {
		t.Errorf("got areas %v, want %v", got.Areas, want)
	}
	if got.Areas.At(at(59.999)) != "" || got.Areas.At(at(60)) != "south" || got.Areas.At(at(1000)) != "east" {
		t.Errorf("got %q, %q and %q", got.Areas.At(at(59.999)), got.Areas.At(at(60)), got.Areas.At(at(1000)))
	}
}

// Sequence: the log's clock runs ahead by an hour while a device is moved, and is set back. Its area would hold an hour too late.
func TestAnAreaOfAClockThatRanAheadHoldsSoon(t *testing.T) {
	var j journal
	j.tick(3600)
	j.entry(3600, "a", iot.DeviceEntry{Version: 1, Area: "north"})
	for second := 0.0; second <= 35; second++ {
		j.tick(second)
	}
	got := entryInForce(t, onePass(t, j), "a")
	if want := []iot.AreaFrom{{}, {From: at(60), Area: "north"}}; !slices.Equal(got.Areas, want) {
		t.Errorf("got areas %v, want %v", got.Areas, want)
	}
}

// Sequence: a device is forgotten, and an older entry arrives late.
func TestAForgottenEntryStaysForgotten(t *testing.T) {
	var j journal
	j.entry(0, "a", iot.DeviceEntry{Version: 1, Name: "Oven"})
	j.every5("a", 1, 10, 0, 40)
	j.entry(11, "a", iot.DeviceEntry{Version: 3, Forget: true})
	j.entry(12, "a", iot.DeviceEntry{Version: 2, Name: "Kiln"})
	out := onePass(t, j)
	if out.states["a"] != nil {
		t.Errorf("got state %s, want the device forgotten", out.states["a"])
	}
	if events := eventsOf(t, out); count(events, "temperature_critical cleared") != 1 {
		t.Errorf("got %q, want its alert cleared", events)
	}
	if got := entryInForce(t, out, "a"); !got.Forget || got.Version != 3 || got.Name != "" {
		t.Errorf("got %+v, want nothing but the version", got)
	}
	for key, value := range out.inForce {
		of, _, _ := wire.SplitInForceKey([]byte(key))
		if known := []wire.InForce{wire.EntryInForce, wire.RuleInForce, wire.SettingsInForce, wire.LimitsInForce, wire.LevelInForce}; value != nil && !slices.Contains(known, of) {
			t.Errorf("got %s in force under %q, want nothing else of the device", value, key)
		}
	}
}

func TestARegisteredDeviceDoesNotExpire(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.reading(0, "b", 0, 20)
	j.entry(1, "a", iot.DeviceEntry{Version: 1})
	j.every5("c", 0, 400, 0, 20)
	out := onePass(t, j)
	if out.states["a"] == nil || out.states["b"] != nil {
		t.Errorf("got states of %d devices, want a kept and b expired", len(out.states))
	}
}
