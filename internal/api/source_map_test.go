package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

const (
	mapPath = "/api/v1/sources/hall-3/map"
	hot     = `{"rules":[{"field":"temp","device":"decided","type":"temperature_sensor"}]}`
	cold    = `{"rules":[{"topic":"plant/#","field":"temp","device":"{{topic 2}}","type":"current_sensor","scale":0.1}]}`
)

// mapped returns an API whose source maps by what was decided, and its registry.
func mapped(t testing.TB) (http.Handler, *registry) {
	r, s := newRegistry(), fullSources()
	r.mapped = func(source string, version int64) {
		for i := range s.states {
			if s.states[i].Name == source {
				s.states[i].MapVersion = version
			}
		}
	}
	return newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		r.use(o)
		o.Sources = s
	}), r
}

// What is refused because there is too much of it does not come back.
func TestARefusalOfManyRulesIsShort(t *testing.T) {
	h, _ := mapped(t)
	rules := strings.Repeat(`{"field":"t","device":"d","type":"a"},`, 10_001)
	w := send(h, "PUT", mapPath, `{"rules":[`+strings.TrimSuffix(rules, ",")+`]}`, "Content-Type", asJSON)
	checkProblem(t, w, http.StatusUnprocessableEntity, "array length <= 10000")
	if w.Body.Len() > 1000 {
		t.Errorf("got %d bytes: %.300s", w.Body.Len(), w.Body)
	}
	w = send(h, "PUT", mapPath, `{"rules":[{"field":"`+strings.Repeat("é", 1000)+`"}]}`, "Content-Type", asJSON)
	checkProblem(t, w, http.StatusUnprocessableEntity, strings.Repeat("é", 100)+"…")
	if w.Body.Len() > 1000 {
		t.Errorf("got %d bytes: %.300s", w.Body.Len(), w.Body)
	}
}

func TestTheMapOfASourceIsDecided(t *testing.T) {
	h, _ := mapped(t)
	for i, step := range []struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		{"GET", mapPath, "", nil, 200, `{"name":"hall-3","version":0,"origin":"configuration","rules":[{"field":"temp","device":"{host}","type":"temperature_sensor","building":"A","room":"1"}],"in_force":true}`},
		{"PUT", mapPath, hot, []string{"If-None-Match", "*"}, 200, `{"name":"hall-3","version":1,"origin":"decided","rules":[{"field":"temp","device":"decided","type":"temperature_sensor"}],"in_force":true}`},
		{"PUT", mapPath, cold, nil, 428, "send its ETag in If-Match"},
		{"PUT", mapPath, cold, []string{"If-Match", `"7"`}, 412, "another version, 1"},
		{"PUT", mapPath, cold, []string{"If-Match", `"1"`}, 200, `"version":2,"origin":"decided","rules":[{"field":"temp","device":"{{topic 2}}","type":"current_sensor","topic":"plant/#","scale":0.1}],"in_force":true}`},
		{"GET", mapPath, "", nil, 200, `"version":2,"origin":"decided"`},
		{"PUT", mapPath, `{"restore":1}`, []string{"If-Match", `"2"`}, 200, `"version":3,"origin":"decided","rules":[{"field":"temp","device":"decided"`},
		{"PUT", mapPath, `{"restore":9}`, []string{"If-Match", `"3"`}, 404, "not kept"},
		{"PUT", mapPath, `{"restore":1,"rules":[]}`, []string{"If-Match", `"3"`}, 422, "must not be given together"},
		{"PUT", mapPath, `{"rules":[{"field":"t","device":"d","type":"no"}]}`, []string{"If-Match", `"3"`}, 422, `rule 0: type: unknown`},
		{"PUT", mapPath, `{"rules":[{"field":"t","device":"d","type":"no","define":{}}]}`, []string{"If-Match", `"3"`}, 422, `rule 0: define: types.min: the range is empty`},
		{"PUT", mapPath, `{"rules":[{"field":"t","device":"d","type":"no/such","define":{"max":1}}]}`, []string{"If-Match", `"3"`}, 422, `must be lower-case letters`},
		{"PUT", mapPath, `{"rules":[{"field":"t","device":"d","type":"a","define":{"max":1}},{"field":"u","device":"d","type":"a","define":{"max":2}}]}`, []string{"If-Match", `"3"`}, 422, `defined otherwise by another rule`},
		{"PUT", mapPath, `{"rules":[{"field":"t","device":"d","type":"temperature_sensor","define":{"unit":"°F","min":0,"max":1}}]}`, []string{"If-Match", `"3"`}, 422, `defined otherwise`},
		{"PUT", mapPath, `{}`, []string{"If-Match", `"3"`}, 422, "missing"},
		{"PUT", mapPath, `{"rules":[{"fild":"t"}]}`, nil, 422, "unknown key"},
		{"DELETE", mapPath, "", []string{"If-Match", `"3"`}, 200, `"version":4,"origin":"configuration","rules":[{"field":"temp","device":"{host}"`},
		{"PUT", mapPath, `{"restore":4}`, nil, 409, "delete the map instead"},
		{"GET", mapPath + "/versions", "", nil, 200, `"version":4,"origin":"configuration","rules":[],"time":"2026-03-01T12:00:00Z","actor":"anonymous","action":"delete"},{"version":3`},
		{"GET", "/api/v1/audit?source=hall-3&limit=1", "", nil, 200, `"kind":"map","source":"hall-3","version":4,"before":{"source":"hall-3","version":3,`},
		{"GET", "/api/v1/audit?source=hall-3&device=d", "", nil, 422, "together"},
		{"GET", "/api/v1/sources/none/map", "", nil, 404, "no source"},
		{"PUT", "/api/v1/sources/none/map", hot, nil, 404, "no source"},
		{"DELETE", "/api/v1/sources/none/map", "", nil, 404, "no source"},
		{"DELETE", "/api/v1/sources/quiet/map", "", nil, 202, `"version":0`},
		{"GET", "/api/v1/sources/none/map/versions", "", nil, 404, "no source"},
	} {
		w := send(h, step.method, step.path, step.body, append(step.headers, "Content-Type", asJSON)...)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s %s:\ngot  %d %s\nwant %d %s", i, step.method, step.path, step.body, w.Code, got, step.status, step.want)
		}
	}
	w := send(h, "GET", mapPath, "")
	if tag := w.Header().Get("ETag"); tag != `"4"` {
		t.Errorf("got the tag %s", tag)
	}
	for version, method := range []string{5: "PUT", 6: "DELETE"} { // The map of the configuration is a map, too.
		if method == "" {
			continue
		}
		if w := send(h, method, mapPath, hot, "Content-Type", asJSON, "If-Match", "*"); w.Code != 200 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"version":%d,`, version)) {
			t.Errorf("%s with If-Match: *: got %d %s", method, w.Code, w.Body)
		}
	}
}

// While the program with the source is away the decision is kept, and the answer says that it is not in force.
func TestAMapThatIsNotInForceYetSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := mapped(t)
		r.after = -1
		w := send(h, "PUT", mapPath, hot, "Content-Type", asJSON)
		if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"version":1,"origin":"decided"`) || !strings.Contains(w.Body.String(), `"in_force":false`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		r.store.SetDown(true)
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if w := send(h, method, mapPath, hot, "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s without the database: got %d %s", method, w.Code, w.Body)
			}
		}
	})
}

func TestAMapOfManyRulesIsDecided(t *testing.T) {
	h, _ := mapped(t)
	rules := make([]string, 10_000)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"field":"%d","device":"d","type":"switch_sensor"}`, i)
	}
	body := `{"rules":[` + strings.Join(rules, ",") + `]}`
	if w := send(h, "PUT", mapPath, body, "Content-Type", asJSON); w.Code != http.StatusOK {
		t.Errorf("got %d %.300s", w.Code, w.Body)
	}
	if w := send(h, "PUT", mapPath, strings.Replace(body, "]}", ","+rules[0]+"]}", 1), "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("one more: got %d %.300s", w.Code, w.Body)
	}
}

// The brokers of all producers have one map. It is in force when all of them map by it that are there.
func TestTheMapOfSeveralSourcesIsDecidedOnce(t *testing.T) {
	synctest.Test(t, severalSources)
}

func severalSources(t *testing.T) {
	r, s := newRegistry(), &sources{details: map[string]api.SourceDetail{}}
	for i, host := range []string{"gone", "one", "two"} {
		name := "mqtt-broker-" + host
		state := api.SourceState{Name: name, Kind: "mqtt_broker", State: "connected", Map: "mqtt-broker", RejectedBy: map[string]int64{}}
		if host == "gone" {
			state.State = api.UnknownSource
		}
		s.states = append(s.states, state)
		s.details[name] = api.SourceDetail{Rules: []api.SourceRule{{Field: fmt.Sprint("of ", i), Device: "d", Type: "temperature_sensor"}}}
	}
	var slow, decided string
	r.mapped = func(source string, version int64) {
		decided = source
		for i := range s.states {
			if s.states[i].Map == source && s.states[i].Name != slow && s.states[i].State != api.UnknownSource {
				s.states[i].MapVersion = version
			}
		}
	}
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		r.use(o)
		o.Sources = s
	})
	path := func(name string) string { return "/api/v1/sources/" + name + "/map" }
	for i, step := range []struct {
		method, name, match, body string
		status                    int
		want                      string
	}{
		{"GET", "mqtt-broker", "", hot, 200, `"name":"mqtt-broker","version":0,"origin":"configuration","rules":[{"field":"of 1"`},
		{"GET", "mqtt-broker-gone", "", hot, 200, `"name":"mqtt-broker","version":0,"origin":"configuration","rules":[{"field":"of 1"`},
		{"PUT", "mqtt-broker-one", "", hot, 200, `"name":"mqtt-broker","version":1,"origin":"decided","rules":[{"field":"temp","device":"decided","type":"temperature_sensor"}],"in_force":true`},
		{"GET", "mqtt-broker-two", "", hot, 200, `"name":"mqtt-broker","version":1,"origin":"decided"`},
		{"PUT", "mqtt-broker", `"1"`, cold, 200, `"name":"mqtt-broker","version":2`},
		{"GET", "mqtt-broker-three", "", hot, 404, "no source"},
	} {
		w := send(h, step.method, path(step.name), step.body, "Content-Type", asJSON, "If-Match", step.match)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s:\ngot  %d %s\nwant %d %s", i, step.method, step.name, w.Code, got, step.status, step.want)
		}
	}
	if decided != "mqtt-broker" {
		t.Errorf("decided about %q", decided)
	}
	if w := send(h, "GET", path("mqtt-broker-two")+"/versions", ""); !strings.Contains(w.Body.String(), `"items":[{"version":2`) {
		t.Errorf("got %s", w.Body)
	}
	slow = "mqtt-broker-two"
	if w := send(h, "PUT", path("mqtt-broker"), hot, "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"in_force":false`) {
		t.Errorf("while one does not map by it: got %d %s", w.Code, w.Body)
	}
}

const flowing = `{"rules":[{"field":"flow","device":"pump","type":"flow_sensor","define":{"unit":"L/min","decimals":1,"max":400,"labels":{"en":"Flow"}}}]}`

// A type that nobody knows is decided with the map that defines it. Another definition of it is refused, and so is a type that not all consumers have.
func TestAMapMakesTypes(t *testing.T) {
	h, r := mapped(t)
	r.admit(0, iot.BuiltinTypes()...)
	put := func(body, match string, status int, want string) {
		t.Helper()
		w := send(h, "PUT", mapPath, body, "Content-Type", asJSON, "If-Match", match)
		if got := w.Body.String(); w.Code != status || !strings.Contains(got, want) {
			t.Errorf("%s:\ngot  %d %s\nwant %d %s", body, w.Code, got, status, want)
		}
	}
	r.typesAllowed = control.ErrOlder
	put(flowing, "*", 409, "run iotmon upgrade finish")
	r.typesAllowed = nil
	put(flowing, "", 200, `"in_force":true`)
	if len(r.types) != 1 || r.types[0].Unit != "L/min" {
		t.Fatalf("got the types %+v", r.types)
	}
	put(strings.ReplaceAll(flowing, "L/min", "L/h"), "*", 422, `defined otherwise (0 to 400 L/min): leave define out`)
	put(strings.ReplaceAll(flowing, `,"define":{"unit":"L/min","decimals":1,"max":400,"labels":{"en":"Flow"}}`, ""), "*", 200, `"in_force":true`)
	if w := send(h, "GET", "/api/v1/audit?limit=10", ""); !strings.Contains(w.Body.String(), `"kind":"type","device_type":"flow_sensor","version":1,"after":{"types":[{"name":"flow_sensor"`) {
		t.Errorf("got %s", w.Body)
	}

	// The consumers have types that this program does not know, and one of them lacks what another one has.
	r.Begin(2)
	r.CaughtUp()
	r.admit(0, append(iot.BuiltinTypes(), iot.TypeSpec{Name: "level", Unit: "m", Max: 9})...)
	r.admit(1, iot.BuiltinTypes()...)
	put(`{"rules":[{"field":"l","device":"d","type":"level"}]}`, "*", 422, "type: unknown")
	put(`{"rules":[{"field":"l","device":"d","type":"level","define":{"unit":"cm","max":9}}]}`, "*", 422, "defined otherwise (0 to 9 m)")
	put(`{"rules":[{"field":"l","device":"d","type":"level","define":{"unit":"m","max":9}}]}`, "*", 200, `"in_force":true`)
	if len(r.types) != 2 {
		t.Errorf("got the types %+v", r.types)
	}
}

// The answer to a map that does not come into force at once says why.
func TestAMapThatWaitsSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRegistry(), fullSources()
		h := newAPI(t, plant{}, &archive{}, func(o *api.Options) {
			r.use(o)
			o.Sources = s
		})
		r.after = -1
		of := func() *api.SourceState {
			for i := range s.states {
				if s.states[i].Name == "hall-3" {
					return &s.states[i]
				}
			}
			t.Fatal("no source")
			return nil
		}
		of().Instance = "edge/7"
		match := ""
		decide := func(body, want string) {
			t.Helper()
			w := send(h, "PUT", mapPath, body, "Content-Type", asJSON, "If-Match", match)
			if match = "*"; w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), want) {
				t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
			}
		}
		decide(hot, `edge/7, is of an older version, which may not follow maps`)
		of().FollowsMaps = true
		decide(cold, `edge/7, has not taken it over yet`)
		decide(flowing, `not all consumers have put the device type \"flow_sensor\" in force`)
		of().MapError = "the reason of the source"
		decide(hot, `"reason":"the reason of the source"`)
		of().State = api.UnknownSource
		decide(cold, `no program that runs the source says how it is`)
	})
}
