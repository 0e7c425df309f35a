package wire_test

import (
	"fmt"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func thresholdRule(name string, t iot.DeviceType, severity iot.Severity, threshold float64) iot.Rule {
	return iot.Rule{Name: name, Selector: iot.Selector{Type: t}, Severity: severity, Condition: iot.Condition{Threshold: threshold}}
}

// Viewers are sent the thresholds of every device of a type: of levels each one, and none that holds for some devices, or for nobody.
func TestRulesThatViewersAreSent(t *testing.T) {
	disabled, ofArea, labelled, ofDevice, elsewhere := thresholdRule("a", "t", iot.Info, 1), thresholdRule("b", "t", iot.Info, 1), thresholdRule("c", "t", iot.Info, 1),
		thresholdRule("d", "t", iot.Info, 1), thresholdRule("e", "t", iot.Info, 1)
	disabled.Disabled, ofArea.Area, labelled.Labels, ofDevice.Devices, elsewhere.Tenant = true, "hall", map[string]string{"line": "1"}, []iot.DeviceID{"x"}, "other"
	average, levels := thresholdRule("f", "t", iot.Info, 1), thresholdRule("tank", "t", iot.Warning, 0)
	average.Kind, levels.Kind = iot.Average, iot.LevelLimits
	levels.Levels[0], levels.Levels[3] = iot.Level{On: true, Limit: -5, Severity: iot.Critical}, iot.Level{On: true, Limit: 5}
	got := wire.FromRules([]iot.Rule{
		thresholdRule("z", "s", iot.Info, 7), levels, disabled, ofArea, labelled, ofDevice, elsewhere, average, {Name: iot.RuleOffline, Severity: iot.Warning},
	}, "mine")
	want := "[{z s info 7 false} {tank.high_high t warning 5 false} {tank.low_low t critical -5 true}]"
	if text := fmt.Sprint(got.AlertRules); text != want || got.AlertRulesOmitted != 0 {
		t.Errorf("got %s and %d omitted, want %s", text, got.AlertRulesOmitted, want)
	}
}

// However many rules there are, what every viewer is sent stays small, and each type has its most urgent ones.
func TestRulesThatViewersAreSentAreBounded(t *testing.T) {
	var rules []iot.Rule
	const types, each = 50, 90
	for i := range types * each {
		severity := iot.Info
		if i%each >= each-3 {
			severity = iot.Critical
		}
		rules = append(rules, thresholdRule(fmt.Sprintf("rule %04d", i), iot.DeviceType(fmt.Sprint("type ", i/each)), severity, float64(i)))
	}
	got := wire.FromRules(rules, "")
	if len(got.AlertRules) != wire.MaxAlertRules || got.AlertRulesOmitted != types*each-wire.MaxAlertRules {
		t.Errorf("got %d rules and %d omitted", len(got.AlertRules), got.AlertRulesOmitted)
	}
	critical := make(map[iot.DeviceType]int)
	for _, rule := range got.AlertRules {
		if rule.Severity == iot.Critical {
			critical[rule.DeviceType]++
		}
	}
	for i := range types {
		if of := iot.DeviceType(fmt.Sprint("type ", i)); critical[of] != 3 {
			t.Errorf("%s: got %d critical rules, want all 3", of, critical[of])
		}
	}
}
