package app

import (
	"os"
	"path/filepath"
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

// A rule may have a condition of any kind, with the keys of the REST API.
func TestConfiguredConditionsOfAnyKind(t *testing.T) {
	const text = `
alerts:
  rules:
    - {name: average, device_type: humidity_sensor, severity: info, condition: {kind: average, below: true, threshold: 20, hysteresis: 1, within: 1h}}
    - name: of_last
      device_type: temperature_sensor
      except: [{area: "A栋/1"}, {labels: {line: test}}, {devices: [x]}]
      severity: warning
      condition: {kind: of_last, limit: 80, threshold: 2, last: 5}
      latch: true
      text_en: hot
      procedure: "https://plant.example/hot"
    - {name: plain, device_type: temperature_sensor, severity: info, condition: {kind: threshold, threshold: 30}}
    - {name: odd, device_type: temperature_sensor, severity: info, condition: {kind: deviation, threshold: 3, hysteresis: 1}, for: 1m}
    - {name: quiet, severity: critical, condition: {kind: no_data, within: 2m}, clear_for: 5s}
    - name: jump
      severity: info
      condition:
        kind: expression
        within: 10m
        threshold: 5
        expression: |
          value > average + threshold
          and area startsWith "A栋"
    - name: tank
      device_type: current_sensor
      severity: warning
      condition: {kind: levels, hysteresis: 1, levels: {low_low: {limit: 0, severity: critical}, high: {limit: 90}}}
`
	rules, err := rulesOf(t, text)
	if err != nil {
		t.Fatal(err)
	}
	want := []iot.Rule{
		{
			Name: "average", Version: 1, Severity: iot.Info, Selector: iot.Selector{Type: iot.Humidity},
			Condition: iot.Condition{Kind: iot.Average, Below: true, Threshold: 20, Hysteresis: 1, Within: time.Hour},
		},
		{
			Name: "of_last", Version: 1, Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature},
			Except:    []iot.Selector{{Area: "A栋/1"}, {Labels: map[string]string{"line": "test"}}, {Devices: []iot.DeviceID{"x"}}},
			Condition: iot.Condition{Kind: iot.OfLast, Limit: 80, Threshold: 2, Last: 5}, Latch: true, TextEN: "hot", Procedure: "https://plant.example/hot",
		},
		{Name: "plain", Version: 1, Severity: iot.Info, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Threshold: 30}},
		{
			Name: "odd", Version: 1, Severity: iot.Info, Selector: iot.Selector{Type: iot.Temperature}, For: time.Minute,
			Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 1},
		},
		{Name: "quiet", Version: 1, Severity: iot.Critical, ClearFor: 5 * time.Second, Condition: iot.Condition{Kind: iot.NoData, Within: 2 * time.Minute}},
		{Name: "jump", Version: 1, Severity: iot.Info, Condition: iot.Condition{
			Kind: iot.Expression, Within: 10 * time.Minute, Threshold: 5, Expression: "value > average + threshold\nand area startsWith \"A栋\"\n",
		}},
		{
			Name: "tank", Version: 1, Severity: iot.Warning, Selector: iot.Selector{Type: iot.Current}, Condition: iot.Condition{
				Kind: iot.LevelLimits, Hysteresis: 1, Levels: iot.Levels{{On: true, Severity: iot.Critical}, {}, {On: true, Limit: 90}},
			},
		},
	}
	if got := rules[len(rules)-len(want):]; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// rulesOf returns the rules of a configuration file.
func rulesOf(t *testing.T, text string) ([]iot.Rule, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iotmon.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", path}, Dir: filepath.Dir(path)})
	if err != nil {
		return nil, err
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return provisioned(cfg, catalog)
}

// What is wrong with a rule is said with its key, before anything is started.
func TestAConfiguredRuleThatIsWrongNamesItsKey(t *testing.T) {
	const rule = "alerts:\n  rules:\n    - {name: x, severity: info, "
	for line, want := range map[string]string{
		"condition: {kind: no_data, within: 9s}}":                                                                  "alerts.rules[0].condition.within: must be between 10 seconds and 31 days (got 9 seconds)",
		"condition: {kind: no_data, within: 1m}, for: 1s}":                                                         "alerts.rules[0].for: no_data has none",
		"condition: {within: 1m}}":                                                                                 "alerts.rules[0].condition.kind: unknown condition",
		"condition: {kind: average, within: 1m, threshold: 3}}":                                                    "alerts.rules[0].device_type: missing",
		"device_type: temperature_sensor, condition: {kind: of_last, limit: 3, threshold: 1, last: 65}}":           "alerts.rules[0].condition.last: must be between 1 and 64",
		"device_type: temperature_sensor, condition: {kind: count, limit: 3, threshold: 1}}":                       "alerts.rules[0].condition.within: must be between 1 second",
		"device_type: temperature_sensor, condition: {kind: threshold, treshold: 3}}":                              "did you mean",
		"device_type: temperature_sensor, above: 3, condition: {kind: threshold}}":                                 "given one of above, below, rise, fall, stuck and condition (got above, condition)",
		"device_type: temperature_sensor, within: 1m, condition: {kind: average, within: 10s}}":                    "without within and hysteresis",
		"device_type: temperature_sensor, condition: {kind: levels, levels: {low: {limit: 3}, high: {limit: 3}}}}": "alerts.rules[0].condition.levels.high: must be more",
		`condition: {kind: expression, expression: "value >\n  3 and"}}`:                                           "alerts.rules[0].condition.expression: line 2, column 7: unexpected token",
		`condition: {kind: expression, expression: valeu > 3}}`:                                                    `alerts.rules[0].condition.expression: line 1, column 1: unknown name "valeu"`,
		`condition: {kind: expression, expression: average > 3}}`:                                                  "alerts.rules[0].condition.within: missing",
		"device_type: temperature_sensor, condition: {kind: levels, levels: {highest: {limit: 3}}}}":               "did you mean",
		"device_type: temperature_sensor, condition: {kind: threshold}}":                                           "alerts.rules[0].condition.threshold: missing",
		"device_type: temperature_sensor, condition: {kind: count, threshold: 3, within: 1m}}":                     "alerts.rules[0].condition.limit: missing",
		"device_type: temperature_sensor, condition: {kind: of_last, limit: 3, last: 5}}":                          "alerts.rules[0].condition.threshold: missing",
		"device_type: temperature_sensor, condition: {kind: levels, levels: {low: {severity: info}}}}":             "alerts.rules[0].condition.levels.low.limit: missing",
		"device_type: temperature_sensor, above: 3, text: 'hot {value'}":                                           "alerts.rules[0].text: column 5: { without",
		"device_type: temperature_sensor, above: 3, text_en: 'hot }'}":                                             "alerts.rules[0].text_en: column 5: } without",
		"device_type: temperature_sensor, above: 3, area: A//B}":                                                   "alerts.rules[0].area: ",
		"device_type: temperature_sensor, above: 3, procedure: 'javascript:1'}":                                    "alerts.rules[0].procedure: ",
	} {
		if _, err := rulesOf(t, rule+line+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
}
