package iot_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// TestAlertIDsStay pins the ids: they are stored for ever, and a new version must know an old alert again.
func TestAlertIDsStay(t *testing.T) {
	onset := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	if got, want := iot.AlertID("temperature_high", iot.Identity{ID: "device_001"}, onset), "116d8f62ab62f8e60e8ba0e6"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := iot.HistoricalAlertID("temperature_high", iot.Identity{ID: "device_001"}, onset), "85a8f0f6c3ab881e4bba135b"; got != want {
		t.Errorf("historical: got %s, want %s", got, want)
	}
	if got, want := iot.AlertID("device_offline", iot.Identity{ID: "温度计"}, onset.Add(time.Microsecond)), "cf160e89fd49a6c04c39437a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAlertIDsDifferWhereTheirContentDoes(t *testing.T) {
	type content struct {
		rule   string
		device iot.Identity
		onset  int64
	}
	contents := rapid.Custom(func(t *rapid.T) content {
		return content{
			rule: rapid.StringMatching(`[a-b_]{0,3}`).Draw(t, "rule"),
			device: iot.Identity{
				Tenant: rapid.SampledFrom([]iot.Tenant{"", "a", "b"}).Draw(t, "tenant"),
				ID:     iot.DeviceID(rapid.StringMatching(`[a-b0-1]{0,3}`).Draw(t, "device")),
			},
			onset: rapid.Int64Range(0, 11).Draw(t, "onset"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := contents.Draw(t, "a"), contents.Draw(t, "b")
		first := iot.AlertID(a.rule, a.device, time.UnixMicro(a.onset))
		if second := iot.AlertID(b.rule, b.device, time.UnixMicro(b.onset)); (first == second) != (a == b) {
			t.Fatalf("%+v has %s, %+v has %s", a, first, b, second)
		}
		if historical := iot.HistoricalAlertID(b.rule, b.device, time.UnixMicro(b.onset)); first == historical {
			t.Fatalf("%+v and the historical %+v both have %s", a, b, first)
		}
	})
}

func TestRulesBetweenViolatedAndSafe(t *testing.T) {
	above := iot.Rule{Condition: iot.Condition{Threshold: 28, Hysteresis: 1}}
	below := iot.Rule{Condition: iot.Condition{Threshold: 28, Hysteresis: 1, Below: true}}
	for _, test := range []struct {
		rule           iot.Rule
		value          float64
		violated, safe bool
	}{
		{above, 28.1, true, false}, {above, 28, false, false}, {above, 27.1, false, false}, {above, 27, false, true},
		{below, 27.9, true, false}, {below, 28, false, false}, {below, 28.9, false, false}, {below, 29, false, true},
	} {
		if violated, safe := test.rule.Violated(test.value), test.rule.Safe(test.value); violated != test.violated || safe != test.safe {
			t.Errorf("%+v at %v: got violated %v, safe %v, want %v, %v", test.rule, test.value, violated, safe, test.violated, test.safe)
		}
	}
}

func TestPositionsCompareByEpochFirst(t *testing.T) {
	ordered := []iot.Position{{Epoch: 0, Offset: 0}, {Epoch: 0, Offset: 9}, {Epoch: 1, Offset: 0}, {Epoch: 1, Offset: 1}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%+v against %+v: got %d", a, b, got)
			}
		}
	}
}
