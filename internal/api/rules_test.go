package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

const (
	hotRule       = `{"device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":80,"hysteresis":2},"for_seconds":30,"severity":"critical"}`
	oftenRule     = `{"device_type":"temperature_sensor","area":"A栋","except":[{"labels":{"line":"test"}}],"condition":{"kind":"of_last","threshold":2,"limit":70,"last":5},"severity":"warning","latch":true,"text":"过热 {value}","text_en":"hot {value}","procedure":"https://plant.example/hot"}`
	levelsRule    = `{"device_type":"current_sensor","condition":{"kind":"levels","hysteresis":1,"levels":{"low_low":{"limit":0,"severity":"critical"},"high":{"limit":90}}},"severity":"warning"}`
	jumpRule      = `{"condition":{"kind":"expression","threshold":5,"expression":"abs(value - previous) > threshold and labels.line != \"test\""},"severity":"warning"}`
	deviationRule = `{"device_type":"temperature_sensor","condition":{"kind":"deviation","threshold":3,"hysteresis":1},"severity":"warning"}`
	averageLow    = `{"device_type":"humidity_sensor","condition":{"kind":"average","below":true,"threshold":20,"within_seconds":600},"severity":"info"}`
)

// ruled returns an API with a rule of the configuration in force, and its registry.
func ruled(t testing.TB) (http.Handler, *registry) {
	r := newRegistry()
	configured := iot.RuleEntry{Version: 1_700_000_000_000_000, Provisioned: true, Rule: iot.Rule{
		Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning,
		Condition: iot.Condition{Threshold: 28, Hysteresis: 0.5},
	}}
	if err := configured.Normalize(); err != nil {
		t.Fatal(err)
	}
	r.SetRule(&iot.RuleInForce{RuleEntry: configured})
	return newAPI(t, plant{}, &archive{}, r.use), r
}

func TestRulesAreDecided(t *testing.T) {
	h, _ := ruled(t)
	const rules, high, boiler = "/api/v1/rules", "/api/v1/rules/temperature_high", "/api/v1/rules/boiler%20hot"
	for i, step := range []struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		{"GET", rules, "", nil, 200, `{"items":[{"name":"temperature_high","version":1700000000000000,"origin":"configuration","device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":28,"hysteresis":0.5},"severity":"warning"}]}`},
		{"GET", boiler, "", nil, 404, "no rule"},
		{"POST", rules, `{"name":"boiler hot",` + hotRule[1:], nil, 201, `{"name":"boiler hot","version":1,"origin":"decided","device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":80,"hysteresis":2},"for_seconds":30,"severity":"critical","in_force":true}`},
		{"POST", rules, `{"name":"boiler hot",` + hotRule[1:], nil, 409, "already"},
		{"GET", boiler, "", nil, 200, `"version":1,"origin":"decided"`},
		{"PUT", boiler, oftenRule, nil, 428, "send its ETag in If-Match"},
		{"PUT", boiler, oftenRule, []string{"If-Match", `"7"`}, 412, "another version, 1"},
		{"PUT", boiler, oftenRule, []string{"If-Match", `"1"`}, 200, `"version":2,"origin":"decided","device_type":"temperature_sensor","area":"A栋","except":[{"labels":{"line":"test"}}],"condition":{"kind":"of_last","threshold":2,"limit":70,"last":5},"severity":"warning","latch":true,"text":"过热 {value}","text_en":"hot {value}","procedure":"https://plant.example/hot","in_force":true}`},
		{"PUT", boiler, oftenRule, []string{"If-Match", `"1"`}, 200, `"version":2`}, // Sent again because the answer was lost.
		{"PUT", high, averageLow, []string{"If-Match", `"1700000000000000"`}, 200, `"version":1700000000000001,"origin":"decided"`},
		{"PUT", "/api/v1/rules/new", averageLow, []string{"If-None-Match", "*"}, 200, `"version":1,`},
		{"PUT", "/api/v1/rules/new", averageLow, []string{"If-None-Match", "*"}, 412, "another version"},
		{"PUT", "/api/v1/rules/new", `{"disabled":true,` + averageLow[1:], []string{"If-Match", `"1"`}, 200, `"disabled":true`},
		{"DELETE", high, "", []string{"If-Match", `"1700000000000001"`}, 200,
			`"version":1700000000000002,"origin":"decided","device_type":"humidity_sensor","condition":{"kind":"average","below":true,"threshold":20,"within_seconds":600},"severity":"info",`},
		{"GET", high, "", nil, 404, "no rule"},
		{"DELETE", "/api/v1/rules/none", "", nil, 404, "no rule"},
		{"GET", rules, "", nil, 200, `{"items":[{"name":"boiler hot","version":2,`},
		{"POST", rules + "?reason=summer%20%E5%A4%8F", `{"name":"temperature_high",` + hotRule[1:], nil, 201, `"version":1700000000000003`},
		{"GET", boiler + "/versions", "", nil, 200, `{"items":[{"name":"boiler hot","version":2,`},
		{"GET", high + "/versions", "", nil, 200, `"version":1700000000000002,"origin":"decided","device_type":"humidity_sensor","condition":{"kind":"average","below":true,"threshold":20,"within_seconds":600},"severity":"info","deleted":true,`},
		{"GET", high + "/versions", "", nil, 200, `"action":"create","reason":"summer 夏"`},
		{"GET", "/api/v1/audit?rule=temperature_high", "", nil, 200, `"reason":"summer 夏"`},
		{"GET", "/api/v1/audit?rule=boiler%20hot", "", nil, 200, `"alert_type":"boiler hot","version":2`},
		{"PUT", "/api/v1/rules/quiet", `{"condition":{"kind":"no_data","within_seconds":120},"clear_for_seconds":5,"severity":"info"}`, nil, 200, `"condition":{"kind":"no_data","within_seconds":120},"clear_for_seconds":5,"severity":"info"`},
		{"PUT", "/api/v1/rules/tank", levelsRule, nil, 200, `"condition":{"kind":"levels","hysteresis":1,"levels":{"low_low":{"limit":0,"severity":"critical"},"high":{"limit":90}}},"severity":"warning"`},
		{"PUT", "/api/v1/rules/jump", jumpRule, nil, 200, `"condition":{"kind":"expression","threshold":5,"expression":"abs(value - previous) > threshold and labels.line != \"test\""},"severity":"warning"`},
		{"PUT", "/api/v1/rules/odd", deviationRule, nil, 200, `"condition":{"kind":"deviation","threshold":3,"hysteresis":1},"severity":"warning"`},
		// What is wrong, and where.
		{"PUT", "/api/v1/rules/x", strings.Replace(deviationRule, "3", "0.5", 1), nil, 422, `"location":"body.condition.threshold"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(deviationRule, `"hysteresis"`, `"below":true,"hysteresis"`, 1), nil, 422, `"location":"body.condition.below"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(deviationRule, `"hysteresis"`, `"within_seconds":60,"hysteresis"`, 1), nil, 422, `"location":"body.condition.within_seconds"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(deviationRule, `"device_type":"temperature_sensor",`, "", 1), nil, 422, "body.device_type"},
		{"PUT", "/api/v1/rules/x", strings.Replace(jumpRule, "previous", "prev", 1), nil, 422, `"message":"line 1, column 13: unknown name \"prev\"; there are `},
		{"PUT", "/api/v1/rules/x", strings.Replace(jumpRule, "previous", "prev", 1), nil, 422, `"location":"body.condition.expression"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(jumpRule, "previous", "average", 1), nil, 422, `"location":"body.condition.within_seconds"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(levelsRule, "90", "-1", 1), nil, 422, `"location":"body.condition.levels.high"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(levelsRule, `"high"`, `"highest"`, 1), nil, 422, `unknown key`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `"threshold":80`, `"treshold":80`, 1), nil, 422, `unknown key`},
		{"PUT", "/api/v1/rules/tank.low", hotRule, nil, 422, `"location":"body.name"`},
		{"PUT", "/api/v1/rules/device_clock_step", hotRule, nil, 422, `device_clock_step is built in`},
		{"PUT", "/api/v1/rules/x?reason=%ff", hotRule, nil, 422, `"location":"query.reason"`},
		{"PUT", "/api/v1/rules/x", `{"condition":{"kind":"no_data","within_seconds":9},"severity":"info"}`, nil, 422, `"location":"body.condition.within_seconds"`},
		{"PUT", "/api/v1/rules/x", `{"condition":{"kind":"no_data","within_seconds":90,"threshold":1},"severity":"info"}`, nil, 422, `"location":"body.condition.threshold"`},
		{"PUT", "/api/v1/rules/x", `{"condition":{"kind":"no_data","within_seconds":90},"for_seconds":1,"severity":"info"}`, nil, 422, `"location":"body.for_seconds"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, "temperature_sensor", "no", 1), nil, 422, `unknown device type \"no\"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `"device_type":"temperature_sensor",`, "", 1), nil, 422, `"location":"body.device_type"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `"last":5`, `"last":65`, 1), nil, 422, `"location":"body.condition.last"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(averageLow, `600`, `0.5`, 1), nil, 422, `"location":"body.condition.within_seconds"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `30,`, `1e300,`, 1), nil, 422, `"message":"must be between 0 and 2,678,400 seconds, which is 31 days (got 1e+300)","location":"body.for_seconds"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `https://`, `javascript://`, 1), nil, 422, `"location":"body.procedure"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `threshold",`, `offline",`, 1), nil, 422, `"location":"body.condition.kind"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `"severity"`, `"priority":1,"severity"`, 1), nil, 422, "unknown key"},
		{"PUT", "/api/v1/rules/x", strings.Replace(hotRule, `30,`, `1e-9,`, 1), nil, 422, `must be 0 or at least 0.000001 seconds`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `过热 {value}`, `过热 {divice}`, 1), nil, 422, `"message":"column 4: unknown placeholder {divice}; there are {device}, {type}, `},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `过热 {value}`, `{median}`, 1), nil, 422, `"message":"column 1: unknown placeholder {median}; there are {device}, {type}, `},
		{"PUT", "/api/v1/rules/x", `{"device_type":"temperature_sensor","severity":"info","condition":{"kind":"threshold","threshold":30},"text_en":"t={threshold} l={limit}"}`, nil, 422, `"message":"column 17: unknown placeholder {limit}; there are {device}, {type}, `},
		{"PUT", "/api/v1/rules/x", `{"device_type":"temperature_sensor","severity":"info","condition":{"kind":"threshold","threshold":30,"hysteresis":1e300}}`, nil, 422, `"message":"an alert could never clear: temperature_sensor begins at -273.15, and 1e+300 less than 30 would be -1e+300","location":"body.condition.hysteresis"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `hot {value}`, `hot {Value}`, 1), nil, 422, `"location":"body.text_en"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `过热 {value}`, `过热 {value`, 1), nil, 422, `"message":"column 4: { without a } behind it","location":"body.text"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `hot {value}`, `hot {{value} {`, 1), nil, 422, `"message":"column 14: { without a } behind it","location":"body.text_en"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `hot {value}`, `hot value}`, 1), nil, 422, `"message":"column 10: } without a { before it","location":"body.text_en"`},
		{"PUT", "/api/v1/rules/x", strings.Replace(oftenRule, `hot {value}`, `}{`, 1), nil, 422, `"message":"column 1: } without a { before it"`},
		{"PUT", "/api/v1/rules/braces", strings.Replace(oftenRule, `过热 {value}`, `{{value}} { {不} }`, 1), nil, 200, `{{value}} { {不} }`},
		{"PUT", "/api/v1/rules/braces", strings.Replace(oftenRule, `过热 {value}`, `{device} {} {see page 3} {不}`, 1), []string{"If-Match", "*"}, 200, `{see page 3}`},
		{"POST", rules, hotRule, nil, 422, "name"},
	} {
		w := send(h, step.method, step.path, step.body, append(step.headers, "Content-Type", asJSON)...)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s %s:\ngot  %d %s\nwant %d %s", i, step.method, step.path, step.body, w.Code, got, step.status, step.want)
		}
	}
	w := send(h, "GET", boiler, "")
	if tag := w.Header().Get("ETag"); tag != `"2"` {
		t.Errorf("got the tag %s", tag)
	}
	w = send(h, "POST", rules, `{"name":"a/b",`+hotRule[1:], "Content-Type", asJSON)
	if at := w.Header().Get("Location"); at != "/api/v1/rules/a%2Fb" || send(h, "GET", at, "").Code != http.StatusOK {
		t.Errorf("got the address %s, want one that answers", at)
	}
}

// What a condition compares with must be given, by every way in which rules come: one that is left out is a mistake, and 0 is none. A threshold of 0 is answered,
// so that what was read can be decided again.
func TestAMissingThresholdIsNotZero(t *testing.T) {
	_, r := ruled(t)
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { r.use(o); o.Trials = recording{} })
	const within = `,"within_seconds":60`
	for _, test := range []struct {
		// missing is the key that the condition lacks, empty if there is none.
		condition, missing string
	}{
		{`{"kind":"threshold"}`, "threshold"}, {`{"kind":"threshold","threshold":null}`, "threshold"}, {`{"kind":"threshold","threshold":0}`, ""},
		{`{"kind":"rise"` + within + `}`, "threshold"}, {`{"kind":"fall"` + within + `}`, "threshold"}, {`{"kind":"deviation"}`, "threshold"},
		{`{"kind":"average"` + within + `}`, "threshold"}, {`{"kind":"maximum"` + within + `}`, "threshold"}, {`{"kind":"minimum"` + within + `,"below":true}`, "threshold"},
		{`{"kind":"minimum","threshold":0` + within + `,"below":true}`, ""},
		{`{"kind":"count","limit":3` + within + `}`, "threshold"}, {`{"kind":"count","threshold":3` + within + `}`, "limit"}, {`{"kind":"count","threshold":0,"limit":0` + within + `}`, ""},
		{`{"kind":"fraction","limit":3` + within + `}`, "threshold"}, {`{"kind":"fraction","threshold":0.5` + within + `}`, "limit"}, {`{"kind":"fraction","threshold":0.5,"limit":0` + within + `}`, ""},
		{`{"kind":"of_last","limit":3,"last":5}`, "threshold"}, {`{"kind":"of_last","threshold":3,"last":5}`, "limit"}, {`{"kind":"of_last","threshold":3,"limit":0,"last":5}`, ""},
		{`{"kind":"stuck"` + within + `}`, ""}, {`{"kind":"no_data"` + within + `}`, ""}, {`{"kind":"expression","expression":"value > 3"}`, ""},
		{`{"kind":"levels","levels":{"low":{}}}`, "levels.low"}, {`{"kind":"levels","levels":{"low":{"limit":0}}}`, ""},
	} {
		body := `{"device_type":"temperature_sensor","condition":` + test.condition + `,"severity":"info"}`
		want, location := http.StatusUnprocessableEntity, `"location":"body.condition.`+test.missing+`"`
		if test.missing == "" {
			want = http.StatusOK
		}
		for _, way := range []struct{ method, path, body, location, kind string }{
			{"PUT", "/api/v1/rules/x", body, location, asJSON},
			{"POST", "/api/v1/rules/try", `{"name":"x","rule":` + body + `}`, strings.Replace(location, "body.", "body.rule.", 1), asJSON},
			{"POST", importPath, `{"rules":[{"name":"x",` + body[1:] + `]}`, "rules[0].condition." + test.missing, asYAML},
		} {
			w := send(h, way.method, way.path, way.body, "Content-Type", way.kind, "If-Match", "*", "If-None-Match", "")
			if test.missing == "" && w.Code == http.StatusPreconditionFailed {
				w = send(h, way.method, way.path, way.body, "Content-Type", way.kind)
			}
			if w.Code != want || test.missing != "" && !strings.Contains(w.Body.String(), way.location) {
				t.Errorf("%s %s %s: got %d %s, want %d with %s", way.method, way.path, way.body, w.Code, w.Body, want, way.location)
			}
		}
		if test.missing != "" {
			continue
		}
		shown := get[struct{ Condition json.RawMessage }](t, h, "/api/v1/rules/x")
		again := `{"device_type":"temperature_sensor","condition":` + string(shown.Condition) + `,"severity":"info"}`
		if w := send(h, "PUT", "/api/v1/rules/x", again, "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusOK {
			t.Errorf("%s is answered as %s, which is refused: %d %s", test.condition, shown.Condition, w.Code, w.Body)
		}
	}
}

// A rule that a processor has not taken over is decided all the same, and the answer says so.
func TestARuleThatIsNotInForceYetSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := ruled(t)
		r.after = 5 * time.Second
		w := send(h, "PUT", "/api/v1/rules/slow", hotRule, "Content-Type", asJSON)
		if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"in_force":false`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		time.Sleep(4 * time.Second)
		if w := send(h, "GET", "/api/v1/rules/slow", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"in_force":true`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		r.store.SetDown(true)
		for _, method := range []string{"PUT", "DELETE"} {
			if w := send(h, method, "/api/v1/rules/slow", hotRule, "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s without the database: got %d %s", method, w.Code, w.Body)
			}
		}
	})
}

// What no processor would put in force is refused when it is decided.
func TestMoreRulesThanATypeMayHaveAreRefused(t *testing.T) {
	h, _ := ruled(t)
	for i := range iot.MaxRules {
		want := http.StatusOK
		if i == iot.MaxRules-1 { // The configuration has one.
			want = http.StatusUnprocessableEntity
		}
		path := "/api/v1/rules/r" + strings.Repeat("x", i+1)
		if w := send(h, "PUT", path, hotRule, "Content-Type", asJSON); w.Code != want {
			t.Fatalf("rule %d: got %d %.300s, want %d", i+2, w.Code, w.Body, want)
		}
	}
}

// An alert that the archive does not have yet is that of the live view.
func TestOneAlert(t *testing.T) {
	live := iot.Alert{ID: "new", Rule: "temperature_high", DeviceID: "d1", Transition: iot.Raised, Onset: noon, Time: noon.Add(time.Second)}
	old := live
	old.ID, old.Transition = "old", iot.Cleared
	history := &archive{alerts: []api.ArchivedAlert{{Alert: old, Raised: noon, ClearedAt: noon.Add(time.Second)}}}
	var device iot.DeviceState
	device.Latest.ID = "d1"
	device.RuleStates.Alerts = []iot.AlertState{{Rule: live.Rule, Raised: &live}}
	h := newAPI(t, plant{device}, history, nil)
	for id, want := range map[string][]any{"old": {"cleared", "2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z"}, "new": {"raised", "2026-03-01T12:00:01Z", nil}} {
		got := get[map[string]any](t, h, "/api/v1/alerts/"+id)
		if shown := []any{got["state"], got["raised_at"], got["cleared_at"]}; !slices.Equal(shown, want) {
			t.Errorf("%s: got %v, want %v", id, shown, want)
		}
	}
	checkProblem(t, request(h, "GET", "/api/v1/alerts/none"), http.StatusNotFound, "no alert")
}

func TestTheEventsOfAnAlert(t *testing.T) {
	history := &archive{events: map[string][]api.AlertEvent{"a1": {
		{Transition: iot.Raised, State: iot.Unacknowledged, Time: noon, Value: 30},
		{Transition: iot.Acknowledged, State: iot.AcknowledgedState, Time: noon.Add(time.Minute), Value: 30, Actor: "u-17", Comment: "seen"},
	}}}
	h := newAPI(t, plant{}, history, nil)
	w := request(h, "GET", "/api/v1/alerts/a1/events")
	want := `{"items":[{"state":"raised","alarm_state":"unacknowledged","timestamp":"2026-03-01T12:00:00Z","current_value":30},` +
		`{"state":"acknowledged","alarm_state":"acknowledged","timestamp":"2026-03-01T12:01:00Z","current_value":30,"actor":"u-17","comment":"seen"}]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %s, want %s", w.Code, got, want)
	}
	checkProblem(t, request(h, "GET", "/api/v1/alerts/none/events"), http.StatusNotFound, "no events")
}

func TestAStoryThatIsTooLongSaysSo(t *testing.T) {
	for n, truncated := range map[int]bool{api.MaxAlertEvents: false, api.MaxAlertEvents + 1: true} {
		h := newAPI(t, plant{}, &archive{events: map[string][]api.AlertEvent{"a1": make([]api.AlertEvent, n)}}, nil)
		story := get[struct {
			Items     []struct{}
			Truncated bool
		}](t, h, "/api/v1/alerts/a1/events")
		if len(story.Items) != api.MaxAlertEvents || story.Truncated != truncated {
			t.Errorf("of %d events: got %d, truncated %v, want %d, %v", n, len(story.Items), story.Truncated, api.MaxAlertEvents, truncated)
		}
	}
}

// Where a rule cannot judge what devices send is said with the rule: since when, of which value, and why.
func TestARuleThatFailsSaysWhere(t *testing.T) {
	r := newRegistry()
	entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "boom", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Critical, Condition: iot.Condition{Kind: iot.Expression, Expression: "1 / value > 2"},
	}}
	r.SetRule(&iot.RuleInForce{RuleEntry: entry})
	var devices plant
	for i := range 25 {
		id := iot.DeviceID(fmt.Sprintf("d%02d", i))
		raised := iot.Alert{
			ID: fmt.Sprint("alert", i), Rule: iot.FailedRule("boom"), DeviceID: id, DeviceType: iot.Temperature, Severity: iot.Critical, Transition: iot.Raised, Value: 0,
			Message: "规则 boom 无法判断", MessageEN: "Rule boom cannot judge", Onset: noon.Add(time.Duration(30-i) * time.Second), Position: iot.Position{Partition: 3},
		}
		other := raised
		other.Rule, other.ID = "boom", "its own"
		devices = append(devices, iot.DeviceState{
			Latest:     iot.Reading{Device: iot.Device{ID: id, Type: iot.Temperature}},
			RuleStates: iot.RuleStates{Alerts: []iot.AlertState{{Rule: other.Rule, Raised: &other}, {Rule: raised.Rule, Raised: &raised}}},
		})
	}
	h := newAPI(t, devices, &archive{}, r.use)
	got := send(h, "GET", "/api/v1/rules/boom", "").Body.String()
	want := `"failing":{"devices":25,"items":[{"device_id":"d24","partition":3,"since":"2026-03-01T12:00:06Z","value":0,"message":"规则 boom 无法判断","message_en":"Rule boom cannot judge","alert":"alert24"},`
	if !strings.Contains(got, want) || strings.Count(got, `"device_id"`) != 20 {
		t.Errorf("got %s, want %s and 20 devices", got, want)
	}
	if got := send(h, "GET", "/api/v1/rules", "").Body.String(); !strings.Contains(got, `"failing_devices":25`) {
		t.Errorf("got %s", got)
	}
}

// Who has cleared an alert by disabling, deleting or narrowing its rule is said in its story, with the reason; a decision that has not cleared it is not named.
func TestTheStoryOfAnAlertSaysWhoHasClearedItByItsRule(t *testing.T) {
	const path = "/api/v1/rules/hot?reason=change%20"
	narrow := `{"area":"A",` + hotRule[1:]
	elsewhere := `{"area":"B",` + hotRule[1:]
	disabled := `{"disabled":true,` + hotRule[1:]
	below := strings.Replace(hotRule, `"threshold":80`, `"below":true,"threshold":80`, 1)
	for name, c := range map[string]struct {
		reason  iot.ClearReason
		changes []string
		want    string
	}{
		"deleted":                      {iot.NotSelected, []string{hotRule, ""}, "change 1"},
		"disabled":                     {iot.NotSelected, []string{hotRule, disabled}, "change 1"},
		"disabled, then changed":       {iot.NotSelected, []string{hotRule, disabled, strings.Replace(disabled, "80", "81", 1)}, "change 1"},
		"disabled, then deleted":       {iot.NotSelected, []string{hotRule, disabled, ""}, "change 1"},
		"narrowed":                     {iot.NotSelected, []string{hotRule, elsewhere}, "change 1"},
		"narrowed, but not away":       {iot.NotSelected, []string{hotRule, narrow}, ""},
		"another threshold":            {iot.NotSelected, []string{hotRule, strings.Replace(hotRule, "80", "81", 1)}, ""},
		"the device moved":             {iot.NotSelected, []string{elsewhere, strings.Replace(elsewhere, `"area":"B"`, `"area":"C"`, 1)}, ""},
		"another side":                 {iot.RuleChanged, []string{hotRule, below}, "change 1"},
		"another interval of a device": {iot.RuleChanged, []string{hotRule, strings.Replace(hotRule, "80", "81", 1)}, ""},
	} {
		r := newRegistry()
		a := iot.Alert{ID: "a1", Rule: "hot", DeviceID: "d1", DeviceType: iot.Temperature, Location: iot.Location{Building: "A"}, Transition: iot.Cleared, Onset: noon, Time: noon}
		history := &archive{alerts: []api.ArchivedAlert{{Alert: a}}, events: map[string][]api.AlertEvent{"a1": {
			{Transition: iot.Raised, State: iot.Unacknowledged, Time: noon.Add(-time.Minute), Value: 90},
			{Transition: iot.Cleared, State: iot.ReturnedUnacknowledged, Time: noon.Add(time.Millisecond), Value: 90, Reason: c.reason},
		}}}
		h := newAPI(t, plant{}, history, r.use)
		for i, body := range c.changes {
			headers := []string{"If-Match", "*", "Content-Type", asJSON}
			method := http.MethodPut
			switch {
			case body == "":
				method = http.MethodDelete
			case i == 0:
				headers = headers[2:]
			}
			if w := send(h, method, path+strconv.Itoa(i), body, headers...); w.Code >= 300 {
				t.Fatalf("%s: change %d: got %d %s", name, i, w.Code, w.Body)
			}
		}
		story := get[struct {
			Items []struct{ Actor, Comment string }
		}](t, h, "/api/v1/alerts/a1/events")
		if last := story.Items[1]; last.Comment != c.want || (last.Actor != "") != (c.want != "") || story.Items[0].Actor != "" {
			t.Errorf("%s: got %+v, want %q", name, story.Items, c.want)
		}
	}
}
