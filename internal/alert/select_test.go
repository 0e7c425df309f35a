package alert_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

func TestARuleWatchesTheDevicesItSelects(t *testing.T) {
	entry := &iot.DeviceEntry{Version: 1, Area: "north/hall 2/line 1", Labels: map[string]string{"owner": "amy", "line": "1"}}
	for _, test := range []struct {
		name     string
		selector iot.Selector
		entry    *iot.DeviceEntry
		want     bool
		except   []iot.Selector
	}{
		{"the type alone", iot.Selector{}, nil, true, nil},
		{"its area", iot.Selector{Area: "north/hall 2/line 1"}, entry, true, nil},
		{"an area above", iot.Selector{Area: "north"}, entry, true, nil},
		{"another area", iot.Selector{Area: "north/hall"}, entry, false, nil},
		{"the place in the reading", iot.Selector{Area: "A栋/3"}, nil, true, nil},
		{"the entry before the place in the reading", iot.Selector{Area: "A栋/3"}, entry, false, nil},
		{"a label", iot.Selector{Labels: map[string]string{"owner": "amy"}}, entry, true, nil},
		{"all labels", iot.Selector{Labels: map[string]string{"owner": "amy", "line": "2"}}, entry, false, nil},
		{"a label that nobody gave", iot.Selector{Labels: map[string]string{"owner": ""}}, nil, false, nil},
		{"the device", iot.Selector{Devices: []iot.DeviceID{"x", "device_042"}}, nil, true, nil},
		{"another device", iot.Selector{Devices: []iot.DeviceID{"x"}}, nil, false, nil},
		{"its tenant", iot.Selector{Tenant: "acme"}, nil, true, nil},
		{"another tenant", iot.Selector{Tenant: "other"}, nil, false, nil},
		{"retired", iot.Selector{}, &iot.DeviceEntry{Version: 1, Retired: true}, false, nil},
		{"an exception by area", iot.Selector{}, entry, false, []iot.Selector{{Devices: []iot.DeviceID{"x"}}, {Area: "north/hall 2"}}},
		{"an exception by the place in the reading", iot.Selector{}, nil, false, []iot.Selector{{Area: "A栋"}}},
		{"an exception by id", iot.Selector{}, nil, false, []iot.Selector{{Devices: []iot.DeviceID{"device_042"}}}},
		{"an exception that asks for more", iot.Selector{}, entry, true, []iot.Selector{{Area: "north", Labels: map[string]string{"line": "2"}}}},
	} {
		rule := high
		rule.Selector, rule.Except = test.selector, test.except
		rule.Type = iot.Temperature
		engine := newEngine(t, rule)
		r := reading(0, "40")
		r.Tenant, r.Location = "acme", iot.Location{Building: "A栋", Floor: 3, Room: "301"}
		raised := false
		engine.Evaluate(engine.Select(new(alert.Selection), test.entry, &r), new(iot.RuleStates), &r, emit(func(*iot.Alert) { raised = true }))
		if raised != test.want {
			t.Errorf("%s: got %v, want %v", test.name, raised, test.want)
		}
	}
}

func TestEachTypeHasItsOwnRules(t *testing.T) {
	low := iot.Rule{
		Name: "humidity_low", Selector: iot.Selector{Type: iot.Humidity}, Severity: iot.Info,
		Condition: iot.Condition{Threshold: 10, Below: true},
	}
	engine := newEngine(t, high, low)
	for typ, want := range map[iot.DeviceType]string{high.Type: high.Name, low.Type: low.Name} {
		var raised []string
		for _, value := range []string{"0", "90"} {
			r := reading(0, value)
			r.Type = typ
			engine.Evaluate(engine.Plain(typ), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { raised = append(raised, a.Rule) }))
		}
		if !slices.Equal(raised, []string{want}) {
			t.Errorf("%s: got alerts of the rules %v, want one of %s", typ, raised, want)
		}
	}
}

func TestDevicesWithTheSameRulesShareThem(t *testing.T) {
	rule := high
	rule.Devices = []iot.DeviceID{"device_001", "device_002"}
	engine := newEngine(t, rule)
	selected := func(id iot.DeviceID, entry *iot.DeviceEntry) *alert.Set {
		r := reading(0, "20")
		r.ID = id
		return engine.Select(new(alert.Selection), entry, &r)
	}
	if a, b := selected("device_001", nil), selected("device_002", nil); a != b {
		t.Error("got two sets, want one for both devices")
	}
	if a, b := selected("device_001", nil), selected("device_003", nil); a == b {
		t.Error("got one set for different rules")
	}
	own := &iot.DeviceEntry{Version: 1, Limits: map[string]float64{high.Name: 35}}
	if a, b := selected("device_001", nil), selected("device_001", own); a == b {
		t.Error("got one set for a device with limits of its own")
	}
}

// What a device is selected by changes: nothing is compiled until then, and at once afterwards.
func TestASelectionFollowsWhatChanges(t *testing.T) {
	rule := high
	rule.Area = "north"
	engine := newEngine(t, rule)
	var s alert.Selection
	r := reading(0, "20")
	outside := engine.Select(&s, nil, &r)
	if again := engine.Select(&s, nil, &r); again != outside {
		t.Error("got another set for the same device")
	}
	r.Location.Building = "north"
	inside := engine.Select(&s, nil, &r)
	if inside == outside {
		t.Error("got the same set after the device has moved")
	}
	if moved := engine.Select(&s, &iot.DeviceEntry{Version: 1, Area: "south"}, &r); moved != outside {
		t.Error("got a set other than that of the devices outside")
	}
	if allocations := testing.AllocsPerRun(100, func() { engine.Select(&s, nil, &r); engine.Select(&s, nil, &r) }); allocations > 40 {
		t.Errorf("got %v allocations", allocations)
	}
}

func TestOwnLimitsReplaceThresholds(t *testing.T) {
	engine := newEngine(t, high)
	var got []string
	out := emit(func(a *iot.Alert) { got = append(got, fmt.Sprint(a.Transition, " ", a.Threshold)) })
	var s alert.Selection
	var states iot.RuleStates
	for _, step := range []struct {
		word  string
		limit float64
	}{{"30", 35}, {"36", 35}, {"36", 40}, {"30", 20}} {
		entry := &iot.DeviceEntry{Version: 1, Limits: map[string]float64{high.Name: step.limit, "another": 1}}
		r := reading(len(got), step.word)
		engine.Evaluate(engine.Select(&s, entry, &r), &states, &r, out)
	}
	if want := []string{"raised 35", "cleared 35", "raised 20"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnAlertThatNoRuleKeepsIsClearedWithAReason(t *testing.T) {
	elsewhere, below, rise := high, high, conditionRule(iot.Rise, 5, 0, time.Minute)
	elsewhere.Devices = []iot.DeviceID{"another"}
	below.Below = true
	rise.Name = high.Name
	for _, test := range []struct {
		name   string
		before iot.Rule
		after  []iot.Rule
		reason iot.ClearReason
	}{
		{"removed", high, nil, iot.NotSelected},
		{"selects another device", high, []iot.Rule{elsewhere}, iot.NotSelected},
		{"another condition", high, []iot.Rule{rise}, iot.RuleChanged},
		{"the other side", high, []iot.Rule{below}, iot.RuleChanged},
	} {
		var states iot.RuleStates
		hot := reading(0, "30")
		evaluate(newEngine(t, test.before), &states, &hot, emit(func(*iot.Alert) {}))
		var got []iot.Alert
		hot = reading(1, "30")
		evaluate(newEngine(t, test.after...), &states, &hot, emit(func(a *iot.Alert) { got = append(got, *a) }))
		if len(states.Alerts) != 0 || len(got) != 1 || got[0].Transition != iot.Cleared || got[0].Reason != test.reason {
			t.Errorf("%s: got %+v and %+v, want the alert cleared because of %s", test.name, got, states, test.reason)
		}
	}
}

func TestAnotherVersionOfTheSameConditionKeepsItsMemory(t *testing.T) {
	rule := conditionRule(iot.Rise, 5, 0, time.Minute)
	rule.Version = 1
	var states iot.RuleStates
	r := reading(0, "20")
	evaluate(newEngine(t, rule), &states, &r, emit(func(*iot.Alert) {}))
	rule.Version, rule.Threshold = 2, 7
	var got []string
	r = reading(1, "28")
	evaluate(newEngine(t, rule), &states, &r, emit(func(a *iot.Alert) { got = append(got, string(a.Transition)) }))
	if len(got) != 1 || states.Conditions[0].Version != 2 {
		t.Errorf("got %q and %+v, want the rise from before the change", got, states.Conditions)
	}
	rule.Kind, rule.Threshold = iot.Fall, 5
	r = reading(2, "20")
	evaluate(newEngine(t, rule), &states, &r, emit(func(a *iot.Alert) { got = append(got, string(a.Reason)) }))
	if want := []string{"raised", string(iot.RuleChanged)}; !slices.Equal(got, want) || states.Conditions[0].Condition != iot.Fall {
		t.Errorf("got %q and %+v, want the memory dropped and the alert cleared", got, states.Conditions)
	}
}
