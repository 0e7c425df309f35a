package iot_test

import (
	"math"
	"strings"
	"testing"

	"iotmon/internal/iot"
)

func TestLevelsThatAreNone(t *testing.T) {
	on := func(limit float64) iot.Level { return iot.Level{On: true, Limit: limit} }
	four := iot.Levels{on(1), on(2), on(8), on(9)}
	for name, test := range map[string]struct {
		change        func(*iot.Rule)
		field, reason string
	}{
		"none":           {func(r *iot.Rule) { r.Levels = iot.Levels{} }, "levels", "at least one of low_low, low, high, high_high"},
		"disorder":       {func(r *iot.Rule) { r.Levels[3].Limit = 8 }, "levels.high_high", "must be more than high, which is 8 (got 8)"},
		"no neighbour":   {func(r *iot.Rule) { r.Levels[1].On, r.Levels[2].Limit = false, 0 }, "levels.high", "must be more than low_low, which is 1"},
		"not a number":   {func(r *iot.Rule) { r.Levels[0].Limit = math.NaN() }, "levels.low_low", "not a finite number"},
		"a severity":     {func(r *iot.Rule) { r.Levels[1].Severity = "urgent" }, "levels.low", "severity: must be"},
		"a deadband":     {func(r *iot.Rule) { r.Hysteresis = 6 }, "hysteresis", "between the low and the high levels, 6 (got 6)"},
		"a threshold":    {func(r *iot.Rule) { r.Threshold = 1 }, "threshold", "are in levels"},
		"a span":         {func(r *iot.Rule) { r.Within = iot.MinWithin }, "within", "levels has none"},
		"below":          {func(r *iot.Rule) { r.Below = true }, "below", "only a threshold"},
		"another kind":   {func(r *iot.Rule) { r.Kind = iot.Threshold }, "levels", "a threshold has none"},
		"a long name":    {func(r *iot.Rule) { r.Name = strings.Repeat("x", iot.MaxRuleName-9) }, "alert_type", "longer than 118 bytes"},
		"a level's name": {func(r *iot.Rule) { r.Name = "tank.low" }, "alert_type", "must not end"},
	} {
		e := iot.RuleEntry{Version: 1, Rule: iot.Rule{
			Name: "tank", Severity: iot.Info, Condition: iot.Condition{Kind: iot.LevelLimits, Hysteresis: 1, Levels: four},
		}}
		test.change(&e.Rule)
		mustRefuse(t, name, e.Normalize(), test.field, test.reason)
	}
	plain := iot.RuleEntry{Version: 1, Rule: iot.Rule{Name: "tank.low", Severity: iot.Info}}
	mustRefuse(t, "a threshold named as a level's alerts", plain.Normalize(), "alert_type", "must not end")
	deleted := iot.RuleEntry{Version: 1, Deleted: true, Rule: iot.Rule{Name: "tank.low"}}
	if err := deleted.Normalize(); err != nil {
		t.Errorf("a deletion: got %v, want none", err)
	}
	one := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "tank", Severity: iot.Info, Condition: iot.Condition{Kind: iot.LevelLimits, Hysteresis: 100, Levels: iot.Levels{3: on(5)}},
	}}
	if err := one.Normalize(); err != nil || one.Level() != iot.RuleLevelStatistics || one.Rule.CountParts() != 1 {
		t.Errorf("got %v, level %d and %d parts, want a rule of a level that older programs do not know", err, one.Level(), one.Rule.CountParts())
	}
}
