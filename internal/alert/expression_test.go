package alert_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

func expressed(text string) iot.Rule {
	return iot.Rule{Name: "watched", Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Expression, Expression: text}}
}

func TestConditionsOfExpressions(t *testing.T) {
	average := expressed("value > average + 5")
	average.Within = 4 * time.Second
	patient := expressed("value > 28")
	patient.For = 2 * time.Second
	for _, test := range []struct {
		name, script, want string
		rule               iot.Rule
	}{
		{"a value", "20 29 30 28", "1:watched:raised 3:watched:cleared", expressed("value > 28")},
		{"a delay", "29 29 20 29 29 29", "5:watched:raised", patient},
		{"the value before is not known at first", "40 40 60", "2:watched:raised", expressed("value > previous or previous == 0")},
		{"an average once the time is full", "20 40 20 20 20 20 40 40 40 40", "6:watched:raised 8:watched:cleared", average},
		{"its unit and type", "20 29", "0:watched:raised", expressed(`unit == "°C" and type == "temperature_sensor" and quality == "good"`)},
	} {
		if got := play(t, []iot.Rule{test.rule}, test.script); !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// An expression sees the device's own labels, area and limit, although devices without any share what is compiled.
func TestExpressionsSeeTheDevice(t *testing.T) {
	rule := expressed(`value > threshold and (labels.line == "test" or area startsWith "A栋/2" and metadata.battery_level < 20)`)
	rule.Threshold = 30
	engine := newEngine(t, rule)
	low := 10.0
	for _, test := range []struct {
		name  string
		entry *iot.DeviceEntry
		at    iot.Location
		value float64
		want  bool
	}{
		{"no entry", nil, iot.Location{Building: "A栋", Floor: 2}, 40, true},
		{"no entry, elsewhere", nil, iot.Location{Building: "B栋"}, 40, false},
		{"a label", &iot.DeviceEntry{Labels: map[string]string{"line": "test"}}, iot.Location{}, 40, true},
		{"another label", &iot.DeviceEntry{Labels: map[string]string{"line": "1"}}, iot.Location{}, 40, false},
		{"the entry's area", &iot.DeviceEntry{Area: "A栋/2/x"}, iot.Location{Building: "B栋"}, 40, true},
		{"the entry's area before that of the reading", &iot.DeviceEntry{Area: "C"}, iot.Location{Building: "A栋", Floor: 2}, 40, false},
		{"its own limit", &iot.DeviceEntry{Limits: map[string]float64{"watched": 50}}, iot.Location{Building: "A栋", Floor: 2}, 40, false},
		{"its own limit, violated", &iot.DeviceEntry{Limits: map[string]float64{"watched": 50}, Area: "A栋/2"}, iot.Location{}, 51, true},
	} {
		r := reading(0, "0")
		r.Value, r.Location, r.Metadata.BatteryLevel = test.value, test.at, &low
		raised := false
		engine.Evaluate(engine.Select(new(alert.Selection), test.entry, &r), new(iot.RuleStates), &r, emit(func(*iot.Alert) { raised = true }))
		if raised != test.want {
			t.Errorf("%s: got %v, want %v", test.name, raised, test.want)
		}
	}
}

// recorded keeps events.
type recorded []string

func (r *recorded) Alert(a *iot.Alert) { *r = append(*r, fmt.Sprint(a.Rule, " ", a.Transition)) }

func (r *recorded) Failed(_ iot.Identity, rule, reason string) {
	*r = append(*r, rule+" fails: "+reason)
}

// The sequence of which a critical rule was dead for good: one value that the expression fails on, and then one that violates it. The rule judges the
// next reading, and an alert says that it could not judge the one before.
func TestAnExpressionThatFailsIsTriedAgain(t *testing.T) {
	rule, hot := expressed("100 / (value - 20) > 12"), high
	var states iot.RuleStates
	var got recorded
	for i, value := range []string{"25", "20", "29", "20", "40", "25"} {
		r := reading(i, value)
		evaluate(newEngine(t, rule, hot), &states, &r, &got)
	}
	fails := "watched fails: line 1, column 5: the result of / is not a finite number"
	want := []string{
		"watched raised", fails, "watched.rule_failed raised", "watched cleared", "temperature_high raised", fails, "temperature_high cleared",
		"temperature_high raised", "watched raised", "temperature_high cleared",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnExpressionThatIsWrongIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"value > ":        "expression: line 1, column 8: unexpected token",
		"value > avarage": "expression: line 1, column 9: unknown name",
		"value > average": "within: missing",
		"":                "expression: missing",
		"value\x00 > 1":   "expression: contains",
	} {
		_, err := alert.New([]iot.Rule{expressed(text)}, catalog(t))
		if invalid := (*iot.InvalidError)(nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	spanned := expressed("value > 1")
	spanned.Within = time.Minute
	if _, err := alert.New([]iot.Rule{spanned}, catalog(t)); err == nil || !strings.Contains(err.Error(), "has no statistic") {
		t.Errorf("got %v, want a span without a statistic refused", err)
	}
	long := expressed(strings.Repeat(" ", iot.MaxExpression) + "true")
	if _, err := alert.New([]iot.Rule{long}, catalog(t)); err == nil || !strings.Contains(err.Error(), "longer than 1000 bytes") {
		t.Errorf("got %v, want a long one refused", err)
	}
}
