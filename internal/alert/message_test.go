package alert_test

import (
	"strings"
	"testing"

	"iotmon/internal/iot"
)

func TestTextsHavePlaceholders(t *testing.T) {
	rule := high
	rule.Text, rule.TextEN = "{device} 在 {area}: {value} > {threshold}, {不}", "{value} above {threshold} ({alert_type}, {unit})"
	engine := newEngine(t, rule)
	r := reading(0, "28.5")
	r.Location = iot.Location{Building: "A栋", Floor: 3}
	var got iot.Alert
	evaluate(engine, new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "device_042 在 A栋/3: 28.5°C > 28°C, {不}" || got.MessageEN != "28.5°C above 28°C (temperature_high, °C)" {
		t.Errorf("got %q and %q", got.Message, got.MessageEN)
	}
	rule.Text, rule.TextEN = strings.Repeat("{device}", 32), ""
	r.ID = iot.DeviceID(strings.Repeat("设", 42))
	evaluate(newEngine(t, rule), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if len(got.Message) > 512 || !strings.HasPrefix(got.Message, string(r.ID)) || strings.Contains(got.Message, "\ufffd") || got.MessageEN != got.Message {
		t.Errorf("got %d bytes, %q, want at most 512, cut between characters, in both languages", len(got.Message), got.Message)
	}
	rule.Text, rule.TextEN = "", "too hot: {value}"
	evaluate(newEngine(t, rule), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "too hot: 28.5°C" || got.MessageEN != got.Message {
		t.Errorf("got %q and %q, want the only text for both languages", got.Message, got.MessageEN)
	}
}

// What an alert is about is in its message and its value: the statistic, not the reading that happened to be the last.
func TestAnAlertOfAStatisticHasItsValue(t *testing.T) {
	rule := conditionRule(iot.OfLast, 2, 0, 0)
	rule.Limit, rule.Last = 28, 3
	engine := newEngine(t, rule)
	var states iot.RuleStates
	var got iot.Alert
	for second := range 3 {
		r := reading(second, "30")
		evaluate(engine, &states, &r, emit(func(a *iot.Alert) { got = *a }))
	}
	if got.Value != 3 || got.Threshold != 2 || got.Unit != "" || got.Message != "温度最近 3 个数值中高于 28°C的过多: 3 > 2" {
		t.Errorf("got %v of %v %q, %q", got.Value, got.Threshold, got.Unit, got.Message)
	}
}
