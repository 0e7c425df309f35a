package alert_test

import (
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// A rule is refused for its hysteresis only if no value of the type clears its alert: neither end of the range does.
func TestAnAlertCanClear(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "probe", Min: -100, Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		rule := iot.Rule{Name: "x", Selector: iot.Selector{Type: "probe"}, Severity: iot.Info}
		number := func(name string, from, to int) float64 { return float64(rapid.IntRange(from, to).Draw(rt, name)) }
		rule.Threshold, rule.Hysteresis, rule.Below = number("threshold", -100, 100), number("hysteresis", 0, 400), rapid.Bool().Draw(rt, "below")
		if rapid.IntRange(0, 9).Draw(rt, "huge") == 0 {
			rule.Hysteresis = 1e300
		}
		clears := rule.Safe(-100) || rule.Safe(100)
		if err := alert.CheckClears(&rule, catalog); (err == nil) != clears {
			rt.Fatalf("%+v: got %v, want an error: %v", rule.Condition, err, !clears)
		}
		levels := rule
		levels.Condition = iot.Condition{Kind: iot.LevelLimits, Hysteresis: rule.Hysteresis}
		at := 2
		if rule.Below {
			at = 1
		}
		levels.Levels[at] = iot.Level{On: true, Limit: rule.Threshold}
		if err := alert.CheckClears(&levels, catalog); (err == nil) != clears {
			rt.Fatalf("%+v: got %v, want an error: %v", levels.Condition, err, !clears)
		}
		if _, err := alert.New([]iot.Rule{rule}, catalog); err != nil {
			rt.Fatalf("%+v: a rule that was decided before does not load: %v", rule.Condition, err)
		}
	})
}
