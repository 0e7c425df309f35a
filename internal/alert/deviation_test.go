package alert_test

import (
	"slices"
	"testing"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// ofHall are the peers of the devices of readings.
var ofHall = iot.Peers{Type: iot.Temperature}

func TestAnAlertSaysFromWhichMedianAValueDeviates(t *testing.T) {
	rule := conditionRule(iot.Deviation, 3, 1, 0)
	engine := newEngine(t, rule)
	engine.JudgeBy(medians{ofHall: 20.123456789})
	var got iot.Alert
	r := reading(0, "23.25")
	evaluate(engine, new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Value != 23.25 || got.Threshold != 3 || got.Unit != "°C" || got.Message != "温度偏离同类设备: 23.25°C, 同区域中位数 20.1235°C, 相差超过 3°C" ||
		got.MessageEN != "Temperature unlike the others: 23.25 °C, median of its area and type 20.1235 °C, a difference by more than 3 °C" {
		t.Errorf("got %v, %v %q: %q, %q", got.Value, got.Threshold, got.Unit, got.Message, got.MessageEN)
	}
	rule.Text = "{value} / {median}"
	engine = newEngine(t, rule)
	engine.JudgeBy(medians{ofHall: 30})
	evaluate(engine, new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "23.25°C / 30°C" {
		t.Errorf("got %q", got.Message)
	}
	threshold := conditionRule(iot.Threshold, 3, 1, 0)
	threshold.Text = rule.Text
	evaluate(newEngine(t, threshold), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "23.25°C / {median}" {
		t.Errorf("a rule that knows no median: got %q", got.Message)
	}
}

// Nobody knows without a median: neither what raises an alert nor what clears it.
func TestWithoutAMedianNothingIsJudged(t *testing.T) {
	rule := conditionRule(iot.Deviation, 3, 1, 0)
	var states iot.RuleStates
	var got []iot.Transition
	out := emit(func(a *iot.Alert) { got = append(got, a.Transition) })
	for second, step := range []struct {
		value string
		known medians
	}{
		{"90", nil}, {"20", medians{ofHall: 20}}, {"90", medians{{Area: "hall", Type: iot.Temperature}: 20}}, {"90", medians{ofHall: 20}}, {"20", nil}, {"20", medians{ofHall: 20}},
	} {
		engine := newEngine(t, rule)
		engine.JudgeBy(step.known)
		r := reading(second, step.value)
		evaluate(engine, &states, &r, out)
	}
	if !slices.Equal(got, []iot.Transition{iot.Raised, iot.Cleared}) {
		t.Errorf("got %v", got)
	}
}

// A device's own limit replaces that of the rule, unless there can be no such deviation.
func TestADeviceHasALimitOfDeviationOfItsOwn(t *testing.T) {
	engine := newEngine(t, conditionRule(iot.Deviation, 3, 1, 0))
	engine.JudgeBy(medians{ofHall: 20})
	for limit, want := range map[float64]bool{10: false, 2: true, -1: true} {
		entry := iot.DeviceEntry{Limits: map[string]float64{"watched": limit}}
		raised := false
		r := reading(0, "24")
		engine.Evaluate(engine.Select(new(alert.Selection), &entry, &r), new(iot.RuleStates), &r, emit(func(*iot.Alert) { raised = true }))
		if raised != want {
			t.Errorf("a limit of %v: got %v, want %v", limit, raised, want)
		}
	}
}

// An open alert follows its rule once a value is judged by it: from which median the last one deviated is not known any more.
func TestAnAlertAboutADeviationFollowsItsRule(t *testing.T) {
	rule := conditionRule(iot.Deviation, 3, 1, 0)
	var states iot.RuleStates
	var got []iot.Alert
	out := emit(func(a *iot.Alert) { got = append(got, *a) })
	evaluateAt := func(second int, rule iot.Rule) {
		engine := newEngine(t, rule)
		engine.JudgeBy(medians{ofHall: 20})
		r := reading(second, "26")
		evaluate(engine, &states, &r, out)
	}
	evaluateAt(0, rule)
	said := got[0].Message
	rule.Threshold, rule.Severity = 5, iot.Critical
	engine := newEngine(t, rule)
	r := reading(1, "26")
	if !engine.Follow(engine.Select(new(alert.Selection), nil, &r), &states, map[string]bool{rule.Name: true}, &r, r.Time, out) ||
		got[1].Severity != iot.Critical || got[1].Message != said || got[1].Threshold != 3 {
		t.Errorf("by the rule: got %+v", got[1:])
	}
	evaluateAt(2, rule)
	if last := got[len(got)-1]; len(got) != 3 || last.Threshold != 5 || last.Message != "温度偏离同类设备: 26°C, 同区域中位数 20°C, 相差超过 5°C" {
		t.Errorf("by the next value: got %+v", last)
	}
}
