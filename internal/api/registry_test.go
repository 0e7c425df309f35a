package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// registry is what people have decided, with a model of the processors: what is decided is in force after a time.
type registry struct {
	*control.Registry
	*control.InForce
	store *controltest.Memory
	// after is how long it takes; never if it is negative.
	after time.Duration
	// forgotten is called for a device whose forgetting is in force.
	forgotten func(iot.DeviceID)
	// mapped is called for a source that maps by another version from now on.
	mapped func(source string, version int64)
	// types are those that were decided.
	types []iot.TypeSpec
	// typesAllowed is RegistryOptions.TypesAllowed.
	typesAllowed error
}

func newRegistry() *registry {
	r := &registry{forgotten: func(iot.DeviceID) {}, mapped: func(string, int64) {}}
	r.reset()
	return r
}

// reset empties the registry.
func (r *registry) reset() {
	r.InForce, r.store = control.NewInForce(), controltest.NewMemory()
	r.Begin(1)
	r.CaughtUp()
	r.MapsCaughtUp()
	r.Registry = control.NewRegistry(control.RegistryOptions{
		Store: r.store, InForce: r.InForce, Decided: r.decided, Now: func() time.Time { return noon },
		TypesAllowed: func(context.Context) error { return r.typesAllowed },
	})
}

func (r *registry) decided(objects []control.Object) {
	if r.after < 0 {
		return
	}
	put := func() {
		for _, o := range objects {
			switch o.Kind {
			case control.Type:
				r.define(&o)
				continue
			case control.Map:
				r.mapped(o.ID, o.Version)
				continue
			case control.Rule:
				entry, err := o.RuleEntry()
				if err != nil {
					panic(err)
				}
				r.SetRule(&iot.RuleInForce{RuleEntry: entry})
				continue
			}
			entry, err := o.DeviceEntry()
			if err != nil {
				panic(err)
			}
			if entry.Forget {
				r.forgotten(iot.DeviceID(o.ID))
			}
			r.SetDevice(o.Identity(), &iot.EntryInForce{DeviceEntry: entry})
		}
	}
	if r.after == 0 {
		put()
		return
	}
	time.AfterFunc(r.after, put)
}

// define puts a type in force.
func (r *registry) define(o *control.Object) {
	spec, err := o.TypeSpec()
	if err != nil {
		panic(err)
	}
	r.types = append(r.types, *spec)
	r.admit(0, iot.BuiltinTypes()...)
	r.SetType(spec)
}

// admit has a partition admit types, beside those that were decided.
func (r *registry) admit(partition int32, types ...iot.TypeSpec) {
	s := iot.SettingsInForce{Settings: iot.Settings{Limits: &iot.Limits{Types: types, Decided: slices.Clone(r.types)}}}
	s.Partition = partition
	r.SetLimits(&s)
}

// TypesInForce implements api.SourceMaps.
func (r *registry) TypesInForce() (everywhere, anywhere []iot.TypeSpec) { return r.Types() }

// use has an API decide by the registry.
func (r *registry) use(o *api.Options) {
	o.Registry, o.Entries, o.Rules, o.SourceMaps, o.NotificationPlans = r, r, r, r, r
}

// enter puts entries in force, each given as a body.
func (r *registry) enter(t testing.TB, entries map[iot.DeviceID]iot.DeviceEntry) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		_, err := r.Change(t.Context(), []control.Edit{{
			Device: iot.Identity{ID: id}, To: func(iot.DeviceEntry) (iot.DeviceEntry, error) { return entries[id], nil },
		}}, control.By{Actor: "test"})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// send sends a request with a body and headers, given as name and value in turns.
func send(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	return sendWith(context.Background(), h, method, target, body, headers...)
}

func sendWith(ctx context.Context, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	asJSON  = "application/json"
	asPatch = "application/merge-patch+json"
)

func TestChangingADevice(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, r.use)
	const d1, d2 = "/api/v1/devices/d1", "/api/v1/devices/d%2F2"
	for i, step := range []struct {
		method, path, body string
		headers            []string
		status             int
		etag, contains     string
	}{
		{http.MethodGet, d1, "", nil, 200, `"0"`, `"device_id":"d1"`},
		{http.MethodGet, d2, "", nil, 404, ``, "no device"},
		{http.MethodPut, d1, `{"name":" Press ","area":"hall/line 1","labels":{"line":"1"},"limits":{"temperature_high":30.5},"interval_seconds":0.5,"retired":true}`,
			[]string{"If-None-Match", "*"}, 200, `"1"`,
			`"version":1,"name":"Press","area":"hall/line 1","labels":{"line":"1"},"limits":{"temperature_high":30.5},"interval_seconds":0.5,"retired":true,"in_force":true`},
		{http.MethodGet, d1, "", nil, 200, `"1"`, `"area":"hall/line 1","registered":{"version":1,"name":"Press"`},
		{http.MethodPut, d1, `{"name":"x"}`, nil, 428, ``, "If-Match"},
		{http.MethodPut, d1, `{"name":"x"}`, []string{"If-None-Match", "*"}, 412, `"1"`, "version, 1"},
		{http.MethodPut, d1, `{"name":"x"}`, []string{"If-Match", `"7", W/"1", "x"`}, 412, `"1"`, "version, 1"},
		{http.MethodPut, d1, `{"name":"x"}`, []string{"If-Match", `"7", "1"`}, 200, `"2"`, `"version":2,"name":"x","in_force":true`},
		{http.MethodPut, d1, `{"name":"x"}`, []string{"If-Match", `*`}, 200, `"2"`, `"version":2`},
		{http.MethodPatch, d1, `{"labels":{"line":"1","shift":"a"},"limits":{"r":1}}`, nil, 200, `"3"`, `"labels":{"line":"1","shift":"a"},"limits":{"r":1}`},
		{http.MethodPatch, d1, `{"labels":{"line":null},"limits":null,"name":null}`, []string{"If-Match", `"3"`}, 200, `"4"`, `"version":4,"labels":{"shift":"a"},"in_force"`},
		{http.MethodPatch, d1, `{"name":"late"}`, []string{"If-Match", `"3"`}, 412, `"4"`, ""},
		{http.MethodPatch, d1, `{}`, nil, 200, `"4"`, ""},
		{http.MethodPatch, d2, `{"name":"early"}`, []string{"If-Match", `*`}, 412, `"0"`, ""},
		{http.MethodPatch, d2, `{"name":"early"}`, []string{"If-None-Match", `"1"`}, 400, ``, ""},
		{http.MethodPatch, d2, `{"name":"early"}`, nil, 200, `"1"`, `"device_id":"d/2","version":1`},
		{http.MethodGet, d2, "", nil, 200, `"1"`, `{"device_id":"d/2","status":"never_sent","registered":{"version":1,"name":"early"},"alerts":[],"alert_states":[]}`},
		{http.MethodPut, d1, `{"nam":"x"}`, []string{"If-Match", `*`}, 422, ``, "unknown key; did you mean name?"},
		{http.MethodPut, d1, `{"name":"x"} {}`, []string{"If-Match", `*`}, 422, ``, "something follows"},
		{http.MethodPut, d1, `[]`, []string{"If-Match", `*`}, 422, ``, "expected object"},
		{http.MethodPatch, d1, `null`, nil, 422, ``, "JSON object"},
		{http.MethodPatch, d1, `{"area":"a//b"}`, nil, 422, ``, "body.area"},
		{http.MethodPatch, d1, `{"interval_seconds":-1}`, nil, 422, ``, "body.interval"},
		{http.MethodPatch, d1, `{"interval_seconds":1e300}`, nil, 422, ``, "body.interval_seconds"},
		{http.MethodPatch, d1, `{"unit":"kPa"}`, nil, 422, ``, `body.unit`},
		{http.MethodPatch, d1, `{"unit":"°F"}`, nil, 200, `"5"`, `"unit":"°F"`},
		{http.MethodGet, d1, "", nil, 200, `"5"`, `"display":{"unit":"°F","scale":1.8,"offset":32}`},
		{http.MethodPatch, d2, `{"unit":"kPa"}`, nil, 200, `"2"`, `"unit":"kPa"`},
		{http.MethodPatch, "/api/v1/devices/%20x", `{"name":"x"}`, nil, 422, ``, "device_id"},
		{http.MethodPatch, d1, strings.Repeat(" ", 100_000) + `{}`, nil, 413, ``, ""},
	} {
		headers := step.headers
		switch step.method {
		case http.MethodPut:
			headers = append(headers, "Content-Type", asJSON)
		case http.MethodPatch:
			headers = append(headers, "Content-Type", asPatch)
		}
		w := send(h, step.method, step.path, step.body, headers...)
		if w.Code != step.status || w.Header().Get("ETag") != step.etag || !strings.Contains(w.Body.String(), step.contains) {
			t.Errorf("step %d, %s %s %.80s: got %d %s %s, want %d %s %s", i, step.method, step.path, step.body,
				w.Code, w.Header().Get("ETag"), w.Body, step.status, step.etag, step.contains)
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("step %d: got Content-Type %s", i, w.Header().Get("Content-Type"))
		}
	}
}

// What is sent is done or refused. A patch with a key in another case, or with the name of a label in another Unicode form, was answered
// by 200 and changed nothing; null instead of an object removed the entry's content.
func TestAChangeIsMadeOrRefused(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 1, nil)}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d1": {
		Name: "old", Retired: true, Labels: map[string]string{"é": "1"}, Limits: map[string]float64{"ü": 1},
	}})
	for _, step := range []struct {
		method, body string
		status       int
		contains     string
	}{
		{http.MethodPatch, `{"Name":"new"}`, 422, "unknown key; did you mean name?"},
		{http.MethodPatch, `{"RETIRED":false}`, 422, `did you mean retired?","location":"body.RETIRED"`},
		{http.MethodPatch, `{"Labels":null}`, 422, "unknown key"},
		{http.MethodPut, `{"NAME":"new"}`, 422, "unknown key"},
		{http.MethodPut, `null`, 422, "expected object"},
		{http.MethodPatch, "{\"name\":\"\xff\"}", 422, "JSON object"},
		{http.MethodPut, "{\"name\":\"\xff\"}", 422, "UTF-8"},
		{http.MethodPatch, `{"labels":{"e\u0301":"2","é":"3"}}`, 422, "look the same"},
		{http.MethodPatch, `{"labels":{"e\u0301":"2"},"limits":{"u\u0308":2}}`, 200, `"name":"old","labels":{"é":"2"},"limits":{"ü":2},"retired":true`},
		{http.MethodPatch, `{"labels":{"e\u0301":null},"limits":{"u\u0308":null}}`, 200, `"name":"old","retired":true`},
	} {
		contentType := asPatch
		if step.method == http.MethodPut {
			contentType = asJSON
		}
		w := send(h, step.method, "/api/v1/devices/d1", step.body, "Content-Type", contentType, "If-Match", "*")
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.contains) {
			t.Errorf("%s %s: got %d %s, want %d %s", step.method, step.body, w.Code, w.Body, step.status, step.contains)
		}
	}
}

func TestAnAnswerWaitsUntilTheDecisionIsInForce(t *testing.T) {
	for _, test := range []struct {
		name   string
		after  time.Duration
		status int
		took   time.Duration
	}{
		{"at once", time.Millisecond, http.StatusOK, time.Millisecond},
		{"in time", 1990 * time.Millisecond, http.StatusOK, 1990 * time.Millisecond},
		{"too late", 3 * time.Second, http.StatusAccepted, 2 * time.Second},
		{"never", -1, http.StatusAccepted, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				r.after = test.after
				h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, r.use)
				began := time.Now()
				w := send(h, http.MethodPatch, "/api/v1/devices/d1", `{"name":"x"}`, "Content-Type", asPatch)
				inForce := fmt.Sprintf(`"in_force":%t`, test.status == http.StatusOK)
				if took := time.Since(began); w.Code != test.status || took != test.took || !strings.Contains(w.Body.String(), inForce) {
					t.Errorf("got %d after %v: %s; want %d after %v", w.Code, took, w.Body, test.status, test.took)
				}
				time.Sleep(2 * time.Second) // Whatever is still to happen in the bubble.
			})
		})
	}
}

// Sequence: another program has written an entry of the highest version there is, when nothing refused it yet.
func TestAnEntryWithTheLastVersionSaysSo(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, r.use)
	r.SetDevice(iot.Identity{ID: "d1"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: iot.MaxVersion, Name: "foreign"}})
	for _, step := range []struct{ method, path, body string }{
		{http.MethodPatch, "/api/v1/devices/d1", `{"name":"x"}`}, {http.MethodDelete, "/api/v1/devices/d1", ""},
	} {
		w := send(h, step.method, step.path, step.body, "Content-Type", "application/merge-patch+json")
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "highest version") {
			t.Errorf("%s: got %d %s, want %d and the reason", step.method, w.Code, w.Body, http.StatusConflict)
		}
	}
	w := send(h, http.MethodPatch, "/api/v1/devices", `{"devices":[{"device_id":"d1"}],"patch":{"name":"x"}}`, "Content-Type", asJSON)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), control.ErrNoVersion.Error()) {
		t.Errorf("many: got %d %s, want the reason", w.Code, w.Body)
	}
}

func TestForgettingARegisteredDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		fleet := &forgetful{plant: plant{device("d1", iot.Temperature, 20, nil)}}
		r.forgotten = func(id iot.DeviceID) {
			fleet.mu.Lock()
			defer fleet.mu.Unlock()
			fleet.plant = slices.DeleteFunc(fleet.plant, func(s iot.DeviceState) bool { return s.Latest.ID == id })
		}
		h := newAPI(t, fleet, &archive{}, r.use)
		r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d1": {Name: "x"}, "neverSent": {Name: "y"}})
		r.after = time.Millisecond
		for _, step := range []struct {
			id     string
			header []string
			status int
		}{
			{"d1", []string{"If-Match", `"3"`}, http.StatusPreconditionFailed},
			{"d1", []string{"If-Match", `"1"`}, http.StatusNoContent},
			{"d1", nil, http.StatusNotFound},
			{"neverSent", nil, http.StatusNoContent},
			{"neverSent", nil, http.StatusNotFound},
			{"unknown", nil, http.StatusNotFound},
		} {
			if w := send(h, http.MethodDelete, "/api/v1/devices/"+step.id, "", step.header...); w.Code != step.status {
				t.Errorf("%s: got %d %s, want %d", step.id, w.Code, w.Body, step.status)
			}
			time.Sleep(time.Second)
		}
		if w := request(h, http.MethodGet, "/api/v1/devices/d1"); w.Code != http.StatusNotFound {
			t.Errorf("a forgotten device: got %d %s", w.Code, w.Body)
		}
		if w := send(h, http.MethodPut, "/api/v1/devices/d1", `{"name":"again"}`, "Content-Type", asJSON); w.Code != http.StatusOK || w.Header().Get("ETag") != `"3"` {
			t.Errorf("a forgotten device that is entered again: got %d %s %s", w.Code, w.Header().Get("ETag"), w.Body)
		}
	})
}

// With the database away nobody changes anything, and everything else goes on.
func TestWithoutTheDatabaseNothingIsDecided(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d1": {Name: "x"}})
	checkNothingIsDecided := func(why string) {
		t.Helper()
		for _, step := range []struct{ method, path, body, contentType string }{
			{http.MethodPut, "/api/v1/devices/d1", `{}`, asJSON},
			{http.MethodPatch, "/api/v1/devices/d1", `{}`, asPatch},
			{http.MethodDelete, "/api/v1/devices/d1", ``, asJSON},
			{http.MethodPost, "/api/v1/registry", "device_id\nd1\n", "text/csv"},
			{http.MethodPatch, "/api/v1/devices", `{"devices":[{"device_id":"d1"}],"patch":{}}`, asJSON},
			{http.MethodPost, "/api/v1/registry?dry_run=true", "device_id\nd1\n", "text/csv"},
		} {
			w := send(h, step.method, step.path, step.body, "Content-Type", step.contentType, "If-Match", "*")
			checkProblem(t, w, http.StatusServiceUnavailable, why)
			if w.Header().Get("Retry-After") == "" {
				t.Errorf("%s %s: no Retry-After", step.method, step.path)
			}
		}
	}
	r.store.SetDown(true)
	checkNothingIsDecided("the database does not answer")
	for _, path := range []string{"/api/v1/devices/d1", "/api/v1/devices?q=x", "/api/v1/areas", "/api/v1/registry"} {
		if w := request(h, http.MethodGet, path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "d1") && path != "/api/v1/areas" {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	r.store.SetDown(false)
	r.Begin(1)
	checkNothingIsDecided("what is in force is still being read")
	r.CaughtUp()
	if w := send(h, http.MethodPatch, "/api/v1/devices/d1", `{"name":"y"}`, "Content-Type", asPatch); w.Code != http.StatusOK {
		t.Errorf("the database is back: got %d %s", w.Code, w.Body)
	}
}

func TestDevicesNarrowByTheRegistry(t *testing.T) {
	r := newRegistry()
	at := func(building string, floor int) func(*iot.DeviceState) {
		return func(s *iot.DeviceState) { s.Latest.Location = iot.Location{Building: building, Floor: floor} }
	}
	h := newAPI(t, plant{
		device("d1", iot.Temperature, 1, at("hall", 1)), device("d2", iot.Temperature, 2, at("hall", 2)),
		device("d3", iot.Temperature, 3, at("store", 1)), device("d4", iot.Temperature, 4, nil),
	}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{
		"d2":        {Name: "Press 7", Labels: map[string]string{"line": "1", "spare": ""}},
		"d3":        {Name: "oven", Area: "hall/2", Labels: map[string]string{"line": "2"}},
		"d4":        {Name: "D1's twin", Area: "hallway"},
		"neverSent": {Name: "press", Area: "hall"},
	})
	for _, test := range []struct {
		query string
		want  []iot.DeviceID
	}{
		{"", []iot.DeviceID{"d1", "d2", "d3", "d4"}},
		{"?q=press", []iot.DeviceID{"d2"}},
		{"?q=d1", []iot.DeviceID{"d1", "d4"}},
		{"?area=hall", []iot.DeviceID{"d1", "d2", "d3"}},
		{"?area=/hall/2/", []iot.DeviceID{"d2", "d3"}},
		{"?area=store", nil},
		{"?label=line", []iot.DeviceID{"d2", "d3"}},
		{"?label=line%3D2", []iot.DeviceID{"d3"}},
		{"?label=line&label=spare%3D", []iot.DeviceID{"d2"}},
		{"?registered=false", []iot.DeviceID{"d1"}},
		{"?registered=true&q=n", []iot.DeviceID{"d3", "d4"}},
		{"?sort=name", []iot.DeviceID{"d4", "d3", "d2", "d1"}},
		{"?sort=name&order=desc", []iot.DeviceID{"d2", "d3", "d4", "d1"}},
		{"?sort=area&order=desc", []iot.DeviceID{"d4", "d3", "d2", "d1"}},
	} {
		if got := ids(get[devicePage](t, h, "/api/v1/devices"+test.query).Items); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.query, got, test.want)
		}
	}
	if w := request(h, http.MethodGet, "/api/v1/devices?q=d3"); !strings.Contains(w.Body.String(), `"registered":{"version":1,"name":"oven","area":"hall/2","labels":{"line":"2"}}`) {
		t.Errorf("got %s", w.Body)
	}
}

func TestAreasAreATree(t *testing.T) {
	r := newRegistry()
	offline := func(s *iot.DeviceState) { s.Status = iot.Offline }
	h := newAPI(t, plant{
		device("d1", iot.Temperature, 1, alarmed("a", iot.Critical)), device("d2", iot.Temperature, 2, offline),
		device("d3", iot.Temperature, 3, func(s *iot.DeviceState) { offline(s); alarmed("a", iot.Warning)(s); alarmed("b", iot.Info)(s) }),
		device("d4", iot.Temperature, 4, nil), device("d5", iot.Temperature, 4, offline),
	}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{
		"d1": {Area: "hall/line 1/press"}, "d2": {Area: "hall/line 1"}, "d3": {Area: "hall/line 2"}, "d4": {Area: "store"},
		"d5": {Retired: true, Name: "old"}, "neverSent": {Area: "hall"}, "retired": {Area: "hall", Retired: true},
	})
	type node struct {
		Area, Name                                                                      string
		Devices, Online, Offline, Retired, NeverSent, Alerting, Info, Warning, Critical int64
		Children                                                                        []node
	}
	var flat func(n node) []string
	flat = func(n node) []string {
		lines := []string{fmt.Sprintf("%s|%s: %d %d/%d/%d %d, %d: %d %d %d", n.Area, n.Name, n.Devices, n.Online, n.Offline, n.Retired,
			n.NeverSent, n.Alerting, n.Critical, n.Warning, n.Info)}
		for _, child := range n.Children {
			lines = append(lines, flat(child)...)
		}
		return lines
	}
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"", []string{
			"|: 5 2/2/1 0, 2: 1 1 1", "hall|hall: 3 1/2/0 0, 2: 1 1 1", "hall/line 1|line 1: 2 1/1/0 0, 1: 1 0 0",
			"hall/line 1/press|press: 1 1/0/0 0, 1: 1 0 0", "hall/line 2|line 2: 1 0/1/0 0, 1: 0 1 1", "store|store: 1 1/0/0 0, 0: 0 0 0",
		}},
		{"?depth=1", []string{"|: 5 2/2/1 0, 2: 1 1 1", "hall|hall: 3 1/2/0 0, 2: 1 1 1", "store|store: 1 1/0/0 0, 0: 0 0 0"}},
		{"?area=hall/line+1", []string{"hall/line 1|line 1: 2 1/1/0 0, 1: 1 0 0", "hall/line 1/press|press: 1 1/0/0 0, 1: 1 0 0"}},
		{"?area=nowhere", []string{"nowhere|nowhere: 0 0/0/0 0, 0: 0 0 0"}},
	} {
		w := request(h, http.MethodGet, "/api/v1/areas"+test.query)
		var tree node
		if err := json.Unmarshal(w.Body.Bytes(), &tree); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if got := flat(tree); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.query, got, test.want)
		}
	}
	if w := request(h, http.MethodGet, "/api/v1/areas?depth=0"); !strings.Contains(w.Body.String(), `"never_sent":1`) {
		t.Errorf("got %s, want the device that has never sent", w.Body)
	}
}

func TestRegistryAndEntriesBelongTogether(t *testing.T) {
	_, history := fullPlant()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.New(api.Options{Fleet: plant{}, History: history, Catalog: catalog, Now: time.Now, Registry: newRegistry()}); err == nil {
		t.Error("a registry without what is in force is accepted")
	}
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"name":"x","labels":{"a":null},"limits":{"r":1},"unit":"K","interval_seconds":1,"retired":true,"area":"a/b"}`)
	f.Add(`{"labels":null}`)
	r := newRegistry()
	h := newAPI(f, plant{}, &archive{}, r.use)
	f.Fuzz(func(t *testing.T, patch string) {
		w := send(h, http.MethodPatch, "/api/v1/devices/d1", patch, "Content-Type", asPatch)
		if w.Code != http.StatusOK && w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

func TestAuditSaysWhoHasDecidedWhat(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, r.use)
	send(h, http.MethodPatch, "/api/v1/devices/d1", `{"name":"x"}`, "Content-Type", asPatch)
	send(h, http.MethodPatch, "/api/v1/devices/d1", `{"name":"y","interval_seconds":1.5}`, "Content-Type", asPatch)
	send(h, http.MethodPatch, "/api/v1/devices/d2", `{"name":"z"}`, "Content-Type", asPatch)
	send(h, http.MethodDelete, "/api/v1/devices/d1", "")
	rule := iot.RuleEntry{Version: 1, Rule: iot.Rule{Name: "high", Severity: iot.Warning, Condition: iot.Condition{Threshold: 1}}}
	change := control.Change{Object: control.RuleObject(&rule), Actor: "u-17", Action: "put", Time: noon}
	err := r.store.Change(t.Context(), []control.Ref{change.Ref}, func([]control.Object) ([]control.Change, error) { return []control.Change{change}, nil })
	if err != nil {
		t.Fatal(err)
	}
	foreign := control.Change{ // What is decided about a device of a tenant is not in the answers.
		Object: control.DeviceObject(iot.Identity{Tenant: "acme", ID: "d1"}, &iot.DeviceEntry{Version: 1, Name: "secret"}), Actor: "u-17", Action: "put", Time: noon,
	}
	err = r.store.Change(t.Context(), []control.Ref{foreign.Ref}, func([]control.Object) ([]control.Change, error) { return []control.Change{foreign}, nil })
	if err != nil {
		t.Fatal(err)
	}
	const (
		put    = `{"revision":5,"time":"2026-03-01T12:00:00Z","actor":"u-17","action":"put","kind":"rule","alert_type":"high","version":1,"after":{"version":1,`
		forget = `{"revision":4,"time":"2026-03-01T12:00:00Z","actor":"anonymous","action":"forget","kind":"device","device_id":"d1","version":3,"before":{"version":2,"name":"y","interval_seconds":1.5}}`
		second = `"device_id":"d1","version":2,"before":{"version":1,"name":"x"},"after":{"version":2,"name":"y","interval_seconds":1.5}}`
		first  = `"device_id":"d1","version":1,"after":{"version":1,"name":"x"}}`
	)
	for query, want := range map[string][]string{
		"":                  {put, forget, `"device_id":"d2"`, second, first},
		"?device=d1":        {forget, second, first},
		"?rule=high":        {put},
		"?device=elsewhere": {},
	} {
		for limit := 1; limit <= 6; limit++ {
			var got []string
			for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
				sign := "?"
				if query != "" {
					sign = "&"
				}
				page := get[struct {
					Items []json.RawMessage
					Next  string
				}](t, h, fmt.Sprintf("/api/v1/audit%s%slimit=%d&cursor=%s", query, sign, limit, cursor))
				for _, item := range page.Items {
					got = append(got, string(item))
				}
				cursor = page.Next
			}
			if !slices.EqualFunc(got, want, strings.Contains) {
				t.Errorf("%s by %d: got %s, want %s", query, limit, got, want)
			}
		}
	}
	checkProblem(t, request(h, http.MethodGet, "/api/v1/audit?device=d1&rule=high"), http.StatusUnprocessableEntity, "together with device")
	checkProblem(t, request(h, http.MethodGet, "/api/v1/audit?cursor=x"), http.StatusBadRequest, "query.cursor")
	r.store.SetDown(true)
	checkProblem(t, request(h, http.MethodGet, "/api/v1/audit"), http.StatusServiceUnavailable, "database")
}
