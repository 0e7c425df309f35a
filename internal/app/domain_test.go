package app

import (
	"slices"
	"testing"

	"iotmon/internal/alert"
	"iotmon/internal/config"
	"iotmon/internal/iot"
)

func TestEveryBuiltinRuleIsOnByDefault(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	catalog, err := newCatalog(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	rules := newRules(&cfg)
	if len(rules) != len(iot.BuiltinRules()) {
		t.Errorf("got %d rules, want %d", len(rules), len(iot.BuiltinRules()))
	}
	if _, err := alert.New(rules, catalog); err != nil {
		t.Error(err)
	}
	for _, rule := range rules {
		if rule.Name != iot.RuleOffline && rule.Threshold == 0 {
			t.Errorf("%s has no threshold", rule.Name)
		}
	}
}

func TestRulesThatAreOffAreNone(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.Alerts.TemperatureHigh, cfg.Alerts.DeviceOffline = nil, config.Off
	var names []string
	for _, rule := range newRules(&cfg) {
		names = append(names, rule.Name)
	}
	if want := []string{"humidity_high", "pressure_high", "temperature_critical"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
