package app

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
)

// Every condition and selector of a configuration is the one of the rule.
func TestConfiguredConditionsAndSelectors(t *testing.T) {
	value := 2.5
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.Alerts.Rules = []config.Rule{
		{Name: "above", DeviceType: "temperature_sensor", Severity: "info", Above: &value, Hysteresis: 1},
		{Name: "below", DeviceType: "temperature_sensor", Severity: "info", Below: &value},
		{Name: "rise", DeviceType: "temperature_sensor", Severity: "info", Rise: &value, Within: time.Minute, Area: "A栋/2"},
		{Name: "fall", DeviceType: "temperature_sensor", Severity: "info", Fall: &value, Within: time.Minute, Labels: map[string]string{"a": "b"}},
		{Name: "stuck", Severity: "info", Stuck: &value, Within: time.Minute, Devices: []string{"x", "y"}, Text: "stands still"},
	}
	catalog, err := newCatalog(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := provisioned(&cfg, catalog)
	if err != nil {
		t.Fatal(err)
	}
	temperature := iot.Selector{Type: iot.Temperature}
	inArea, labelled := temperature, temperature
	inArea.Area, labelled.Labels = "A栋/2", map[string]string{"a": "b"}
	want := []iot.Rule{
		{Name: "above", Version: 1, Severity: iot.Info, Selector: temperature, Condition: iot.Condition{Threshold: 2.5, Hysteresis: 1}},
		{Name: "below", Version: 1, Severity: iot.Info, Selector: temperature, Condition: iot.Condition{Threshold: 2.5, Below: true}},
		{Name: "rise", Version: 1, Severity: iot.Info, Selector: inArea, Condition: iot.Condition{Kind: iot.Rise, Threshold: 2.5, Within: time.Minute}},
		{Name: "fall", Version: 1, Severity: iot.Info, Selector: labelled, Condition: iot.Condition{Kind: iot.Fall, Threshold: 2.5, Within: time.Minute}},
		{
			Name: "stuck", Version: 1, Severity: iot.Info, Text: "stands still", Selector: iot.Selector{Devices: []iot.DeviceID{"x", "y"}},
			Condition: iot.Condition{Kind: iot.Stuck, Threshold: 2.5, Within: time.Minute},
		},
	}
	if got := rules[len(rules)-len(want):]; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	cfg.Alerts.Rules[2].Area = "A//B"
	if _, err := provisioned(&cfg, catalog); err == nil || !strings.Contains(err.Error(), "rise: area") {
		t.Errorf("got %v, want an error that names the rule and the field", err)
	}
}
