package config

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/simulate"
)

// builtin has the built-in types and rules of the programs.
var builtin = func() Builtin {
	b := Builtin{
		RuleTypes: make(map[string]string), MaxRules: iot.MaxRules,
		MaxRuleDevices: iot.MaxRuleDevices, MaxRuleText: iot.MaxRuleText, MinWithin: iot.MinWithin, MaxWithin: iot.MaxWithin,
	}
	for _, spec := range iot.BuiltinTypes() {
		b.DeviceTypes = append(b.DeviceTypes, string(spec.Name))
	}
	for _, rule := range iot.BuiltinRules() {
		b.RuleTypes[rule.Name] = string(rule.Type)
	}
	return b
}()

// The configuration repeats a little of what other packages define, because it imports none of them.

func TestBuiltinRulesHaveTheirNamesForKeys(t *testing.T) {
	cfg := Default(Iotmon, builtin)
	on := cfg.Alerts.builtin()
	for _, name := range on {
		if _, known := builtin.RuleTypes[name]; !known {
			t.Errorf("%s is a key, and no built-in rule", name)
		}
	}
	if len(on) != len(builtin.RuleTypes) {
		t.Errorf("%d rules are on, want all %d that there are", len(on), len(builtin.RuleTypes))
	}
}

func TestSilenceIsTheRuleOfTheDomain(t *testing.T) {
	if offlineRule != iot.RuleOffline {
		t.Errorf("got %q, want %q", offlineRule, iot.RuleOffline)
	}
}

func TestFaultsAreThoseOfTheSimulator(t *testing.T) {
	got := simulate.FaultRates(Default(Iotmon, builtin).Simulator.Faults)
	if want := simulate.DefaultFaultRates(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
