package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func leveled(levels iot.Levels, deadband float64) iot.Rule {
	return iot.Rule{
		Name: "tank", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, For: time.Second,
		Condition: iot.Condition{Kind: iot.LevelLimits, Hysteresis: deadband, Levels: levels},
	}
}

// A value beyond a higher level is beyond the lower one as well, and clears one after the other.
func TestLevelsHaveAlertsOfTheirOwn(t *testing.T) {
	rule := leveled(iot.Levels{{On: true, Limit: 5, Severity: iot.Critical}, {On: true, Limit: 10}, {On: true, Limit: 30}, {On: true, Limit: 40, Severity: iot.Critical}}, 2)
	rule.For = 0
	got := play(t, []iot.Rule{rule}, "20 31 41 39 38 29 28 20 4 6 7 11 12")
	want := "1:tank.high:raised 2:tank.high_high:raised 4:tank.high_high:cleared 6:tank.high:cleared " +
		"8:tank.low_low:raised 8:tank.low:raised 10:tank.low_low:cleared 12:tank.low:cleared"
	if !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("got %q, want %q", got, want)
	}
	engine := newEngine(t, rule)
	var states iot.RuleStates
	severities := make(map[string]iot.Severity)
	high := reading(0, "41")
	evaluate(engine, &states, &high, emit(func(a *iot.Alert) { severities[a.Rule] = a.Severity }))
	if severities["tank.high"] != iot.Warning || severities["tank.high_high"] != iot.Critical {
		t.Errorf("got %v, want that of the rule and that of the level", severities)
	}
}

// Whatever the readings, a rule with levels does what thresholds with its limits do, one rule for each.
func TestLevelsAreFourThresholds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var levels iot.Levels
		var thresholds []iot.Rule
		deadband := float64(rapid.IntRange(0, 2).Draw(t, "deadband")) / 2
		for i, name := range iot.LevelNames {
			if !rapid.Bool().Draw(t, name) {
				continue
			}
			levels[i] = iot.Level{On: true, Limit: []float64{19, 20, 23, 24}[i], Severity: rapid.SampledFrom([]iot.Severity{"", iot.Info, iot.Critical}).Draw(t, "severity")}
			threshold := leveled(iot.Levels{}, 0)
			threshold.Name = "tank." + name
			threshold.Condition = iot.Condition{Below: i < 2, Threshold: levels[i].Limit, Hysteresis: deadband}
			if levels[i].Severity != "" {
				threshold.Severity = levels[i].Severity
			}
			thresholds = append(thresholds, threshold)
		}
		if len(thresholds) == 0 {
			return
		}
		rules := newEngine(t, leveled(levels, deadband))
		one := newEngine(t, thresholds...)
		var ofLevels, ofThresholds iot.RuleStates
		for _, r := range drawReadings(t) {
			var got, want []string
			evaluate(rules, &ofLevels, &r, emit(func(a *iot.Alert) { got = append(got, fmt.Sprintf("%+v", *a)) }))
			evaluate(one, &ofThresholds, &r, emit(func(a *iot.Alert) { want = append(want, fmt.Sprintf("%+v", *a)) }))
			if !slices.Equal(got, want) {
				t.Fatalf("got\n%q\nwant\n%q", got, want)
			}
		}
	})
}
