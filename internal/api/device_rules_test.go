package api_test

import (
	"encoding/json"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// A device's answer has the rules in force that watch it, with its own limits in the place of their thresholds.
func TestADeviceHasItsRules(t *testing.T) {
	of := func(name string, kind iot.ConditionKind, threshold float64, change func(*iot.Rule)) iot.Rule {
		rule := iot.Rule{Name: name, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Kind: kind, Threshold: threshold}}
		if change != nil {
			change(&rule)
		}
		return rule
	}
	rules := []iot.Rule{
		of("area", iot.Threshold, 40, func(r *iot.Rule) { r.Area = "hall" }),
		of("average", iot.Average, 30, func(r *iot.Rule) { r.Within = 1e9 }),
		of("elsewhere", iot.Threshold, 1, func(r *iot.Rule) { r.Area = "yard" }),
		of("except", iot.Threshold, 2, func(r *iot.Rule) { r.Except = []iot.Selector{{Devices: []iot.DeviceID{"oven"}}} }),
		of("off", iot.Threshold, 3, func(r *iot.Rule) { r.Disabled = true }),
		of("quiet", iot.NoData, 0, func(r *iot.Rule) { r.Type, r.Within = "", 1e11 }),
		of("tank", iot.LevelLimits, 0, func(r *iot.Rule) {
			r.Levels[0], r.Levels[2] = iot.Level{On: true}, iot.Level{On: true, Limit: 90, Severity: iot.Critical}
		}),
		of("wet", iot.Threshold, 4, func(r *iot.Rule) { r.Type = iot.Humidity }),
		{Name: iot.RuleOffline, Severity: iot.Warning},
	}
	registry := newRegistry()
	registry.SetDevice(iot.Identity{ID: "oven"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Area: "hall/1", Limits: map[string]float64{"area": 45, "tank.low_low": -10, "quiet": 3}}})
	registry.SetDevice(iot.Identity{ID: "old"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Retired: true}})
	known := true
	h := newAPI(t, plant{device("old", iot.Temperature, 20, nil), device("oven", iot.Temperature, 20, nil)}, &archive{}, func(o *api.Options) {
		registry.use(o)
		o.RulesInForce = func() ([]iot.Rule, bool) { return rules, known }
	})
	type answer struct {
		Rules json.RawMessage `json:"alert_rules"`
	}
	want := `[{"alert_type":"area","severity":"warning","kind":"threshold","threshold":45,"usual_threshold":40},` +
		`{"alert_type":"average","severity":"warning","kind":"average","threshold":30},` +
		`{"alert_type":"quiet","severity":"warning","kind":"no_data"},` +
		`{"alert_type":"tank.low_low","severity":"warning","kind":"threshold","threshold":-10,"usual_threshold":0,"below":true},` +
		`{"alert_type":"tank.high","severity":"critical","kind":"threshold","threshold":90}]`
	if got := get[answer](t, h, "/api/v1/devices/oven"); string(got.Rules) != want {
		t.Errorf("got\n%s, want\n%s", got.Rules, want)
	}
	if got := get[answer](t, h, "/api/v1/devices/old"); got.Rules != nil {
		t.Errorf("retired: got %s", got.Rules)
	}
	rules, known = nil, false
	if got := get[answer](t, h, "/api/v1/devices/oven"); got.Rules != nil {
		t.Errorf("not known yet: got %s", got.Rules)
	}
}
