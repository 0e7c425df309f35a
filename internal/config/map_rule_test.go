package config

import (
	"strings"
	"testing"
)

// A type that a rule defines is one of the configuration, with which every service that has the rule knows it.
func TestRulesDefineTypes(t *testing.T) {
	const flow = "define: {unit: L/min, max: 400, labels: {en: Flow}}"
	cfg := mustLoad(t, `
ingest: {map: [{field: a, device: b, type: flow_sensor, `+flow+`}, {field: c, device: d, type: flow_sensor}]}
sources:
  - name: s
    map: [{topic: "x/#", device: "{{topic 2}}", type: flow_sensor, `+flow+`, words: {ON: 1, off: 0.5}, time: {zone: Asia/Shanghai}, scale: 2, interval: 5m}]
    mqtt: {url: "tcp://a", topics: [x]}
alerts: {rules: [{name: r, device_type: flow_sensor, above: 3, severity: info}]}
`, nil)
	if len(cfg.DeviceTypes) != 1 || cfg.DeviceTypes[0].Name != "flow_sensor" || cfg.DeviceTypes[0].Max != 400 || cfg.DeviceTypes[0].Labels["en"] != "Flow" {
		t.Errorf("got %+v, want the type once", cfg.DeviceTypes)
	}
	if r := cfg.Sources[0].Map[0]; r.Words["ON"] != 1 || r.Words["off"] != 0.5 || r.Time.Zone != "Asia/Shanghai" || *r.Scale != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestMistakesOfRulesSayWhatIsAllowed(t *testing.T) {
	for rule, want := range map[string]string{
		`{field: a, device: b, type: "{{x}"}`:                                                                "map[0].type: must be a text in which braces",
		`{field: a, device: b, type: "{{x}}", define: {max: 1}}`:                                             "map[0].type: must be",
		"{device: b, type: switch_sensor}":                                                                   "map[0].field: must be the name of a field, unless the rule has a topic",
		`{topic: "a#", device: b, type: switch_sensor}`:                                                      "map[0].topic: must be a filter of topics",
		"{field: a, device: b, type: x, define: {min: 1, max: 1}}":                                           "map[0].define.min: must be less than max",
		"{field: a, device: b, type: switch_sensor, define: {max: 1}}":                                       "map[0].type: must be another name than those of built-in types",
		"{field: a, device: b, type: x, define: {max: 1}}, {field: c, device: b, type: x, define: {max: 2}}": "map[1].type: must be another name, or defined as everywhere else",
		"{field: a, ignore: true, device: b}":                                                                "map[0].ignore: must be left out, or without device",
		"{field: a, device: b, type: switch_sensor, interval: 5}":                                            "map[0].interval: must be a duration",
		"{field: a, device: b, type: switch_sensor, interval: 1ms}":                                          "map[0].interval: must be from 1s to 744h",
		"{field: a, device: b, type: switch_sensor, scale: 0}":                                               "map[0].scale: must be a number other than 0",
		"{field: a, device: b, type: switch_sensor, words: {a: b}}":                                          "map[0].words.a: must be a number",
		"{field: a, device: b, type: switch_sensor, time: {zone: Mars}}":                                     "map[0].time.zone: must be a time zone",
		"{field: a, device: b, type: switch_sensor, time: {arrival: true, field: x}}":                        "map[0].time.arrival: must be left out",
		"{field: a, device: b, type: switch_sensor, quality: {field: q, words: {a: fine}}}":                  "map[0].quality.words.a: must be good, uncertain or bad",
		"{field: a, device: b, status: {online: [x]}}":                                                       "map[0].status: must be left out: only sources",
		"{field: a, device: b, type: switch_sensor, tim: {}}":                                                "map[0].tim: unknown key; did you mean",
	} {
		_, err := load(t, "ingest: {map: ["+rule+"]}", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", rule, err, want)
		}
	}
}
