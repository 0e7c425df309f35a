package config_test

import (
	"slices"
	"testing"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/simulate"
)

// The configuration repeats a little of what other packages define, because it imports none of them.

func TestBuiltinTypesAreThoseOfTheDomain(t *testing.T) {
	var want []string
	for _, spec := range iot.BuiltinTypes() {
		want = append(want, string(spec.Name))
	}
	if got := config.Default(config.Iotmon).Simulator.DeviceTypes; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBuiltinRulesAreOfTheDomain(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	alerts := config.Default(config.Iotmon).Alerts
	rules := alerts.All()
	if len(rules) != 5 {
		t.Errorf("got %d rules, want 5", len(rules))
	}
	for _, rule := range rules {
		if iot.Severity(rule.Severity).Rank() < 0 {
			t.Errorf("%s: unknown severity %q", rule.Name, rule.Severity)
		}
		if rule.Name != iot.RuleOffline && (catalog.Spec(iot.DeviceType(rule.DeviceType)) == nil || rule.Above == nil) {
			t.Errorf("%s: no device type with a threshold: %+v", rule.Name, rule)
		}
	}
}

func TestAsManyRulesAsTheDomainTakes(t *testing.T) {
	if config.MaxRules != iot.MaxRules {
		t.Errorf("got %d, want %d", config.MaxRules, iot.MaxRules)
	}
}

func TestFaultsAreThoseOfTheSimulator(t *testing.T) {
	got := simulate.FaultRates(config.Default(config.Iotmon).Simulator.Faults)
	if want := simulate.DefaultFaultRates(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
