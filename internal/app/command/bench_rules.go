package command

import (
	"fmt"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
)

// mostBenchRules leaves room for the built-in rules: a fifth of the rules is of each device type.
const mostBenchRules = 400

// benchConditions are the conditions of the rules under load, in turn. The readings of a bench.Load violate none of them, but for few.
func benchConditions() []config.Condition {
	far, low := new(1e9), new(-1e9) // Beyond the range of all types.
	within := time.Minute
	return []config.Condition{
		{Kind: "threshold", Threshold: far},
		{Kind: "levels", Levels: &config.Levels{High: &config.Level{Limit: far}}},
		{Kind: "rise", Threshold: far, Within: within},
		{Kind: "fall", Threshold: far, Within: within},
		{Kind: "stuck", Within: time.Hour},
		{Kind: "average", Threshold: far, Within: within},
		{Kind: "maximum", Threshold: far, Within: within},
		{Kind: "minimum", Below: true, Threshold: low, Within: within},
		{Kind: "count", Limit: far, Threshold: new(1.0), Within: within},
		{Kind: "fraction", Limit: far, Threshold: new(0.5), Within: within},
		{Kind: "of_last", Limit: far, Threshold: new(1.0), Last: 20},
		{Kind: "deviation", Threshold: far},
		{Kind: "no_data", Within: time.Hour},
		{Kind: "expression", Expression: `value > threshold and labels.line != "test"`, Threshold: far},
		{Kind: "expression", Expression: "abs(value - previous) > threshold and elapsed < 60", Threshold: far},
		{Kind: "expression", Expression: "abs(value - average) > threshold", Threshold: far, Within: within},
	}
}

// benchRules returns so many rules, each of which watches a tenth of the devices of a bench.Load: those of one of the five types in four of the eight
// buildings.
func benchRules(count int) []config.Rule {
	types, conditions := iot.BuiltinTypes(), benchConditions()
	rules := make([]config.Rule, count)
	for i := range rules {
		rule := config.Rule{
			Name: fmt.Sprintf("bench_%03d", i), DeviceType: string(types[i%len(types)].Name), Severity: string(iot.Info),
			Condition: &conditions[i/2%len(conditions)],
		}
		for building := range 4 {
			rule.Except = append(rule.Except, config.RuleScope{Area: string(rune('A'+2*building+i/len(types)%2)) + "栋"})
		}
		rules[i] = rule
	}
	return rules
}
