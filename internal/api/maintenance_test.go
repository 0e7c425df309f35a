package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

func TestMaintenanceIsPlanned(t *testing.T) {
	h, _ := ruled(t)
	const list, hall = "/api/v1/maintenance", "/api/v1/maintenance/hall%203"
	const once = `{"area":"A栋","reason":"大修","periods":[{"from":"2026-12-01T08:00:00+08:00","until":"2026-12-01T16:00:00+08:00"}]}`
	const nights = `{"labels":{"line":"7"},"reason":"cleaning","time_zone":"Asia/Shanghai","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`
	for i, step := range []struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		{"GET", list, "", nil, 200, `{"items":[]}`},
		{"GET", hall, "", nil, 404, "no maintenance"},
		{"POST", list, `{"name":"hall 3",` + once[1:], nil, 201, `{"name":"hall 3","version":1,"area":"A栋","reason":"大修","periods":[{"from":"2026-12-01T00:00:00Z","until":"2026-12-01T08:00:00Z"}],"in_force":true}`},
		{"POST", list, `{"name":"hall 3",` + once[1:], nil, 409, "already"},
		{"POST", list, `{"name":"temperature_high",` + once[1:], nil, 409, "same name"},
		{"PUT", hall, nights, nil, 428, "If-Match"},
		{"PUT", hall, nights, []string{"If-Match", `"9"`}, 412, "another version, 1"},
		{"PUT", hall, nights, []string{"If-Match", `"1"`}, 200, `"time_zone":"Asia/Shanghai","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]`},
		{"GET", hall, "", nil, 200, `T14:00:00Z","until":"20`}, // What the calendar says of the next weeks.
		{"GET", hall + "/versions", "", nil, 200, `{"items":[{"name":"hall 3","version":2,`},
		{"GET", hall + "/versions", "", nil, 200, `"action":"put","reason":"cleaning"}`},
		{"GET", list, "", nil, 200, `{"items":[{"name":"hall 3","version":2,`},
		{"GET", "/api/v1/rules", "", nil, 200, `{"items":[{"name":"temperature_high",`},
		{"GET", "/api/v1/rules/hall%203", "", nil, 404, "no rule"},
		{"PUT", "/api/v1/rules/hall%203", hotRule, []string{"If-Match", `"2"`}, 409, "same name"},
		{"DELETE", "/api/v1/rules/hall%203", "", []string{"If-Match", `"2"`}, 409, "same name"},
		{"DELETE", "/api/v1/maintenance/temperature_high", "", []string{"If-Match", `*`}, 409, "same name"},
		{"DELETE", hall, "", []string{"If-Match", `"2"`}, 200, `"version":3`},
		{"DELETE", "/api/v1/maintenance/none", "", nil, 404, "no maintenance"},
		{"GET", list, "", nil, 200, `{"items":[]}`},
		{"POST", "/api/v1/rules", `{"name":"hall 3",` + hotRule[1:], nil, 201, `"version":4`}, // The name is free again.

		{"POST", list, `{"name":"x",` + nights[len(`{"labels":{"line":"7"},"reason":"cleaning",`):], nil, 422, `body.reason`},
		{"POST", list, `{"name":"x","reason":"\u3000 ",` + nights[len(`{"labels":{"line":"7"},"reason":"cleaning",`):], nil, 422, `"location":"body.reason"`},
		{"POST", list, `{"name":"x","reason":"y"}`, nil, 422, "one of both says when"},
		{"POST", list, `{"name":"x",` + nights[1:len(nights)-1] + "," + once[len(`{"area":"A栋","reason":"大修",`):], nil, 422, `body.periods`},
		{"POST", list, `{"name":"x","reason":"y","time_zone":"Asia/Beijing","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","reason":"y","time_zone":"Local","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","reason":"y","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","reason":"y","time_zone":"UTC","weekly":[{"day":"sat","from":"24:00","until":"06:00"}]}`, nil, 422, `weekly`},
		{"POST", list, `{"name":"x","reason":"y","periods":[{"from":"2026-12-01T08:00:00Z","until":"2026-12-01T08:00:00Z"}]}`, nil, 422, `body.periods`},
		{"POST", list, `{"name":"x","reason":"` + strings.Repeat("x", 257) + `",` + once[len(`{"area":"A栋","reason":"大修",`):], nil, 422, `body.reason`},
	} {
		w := send(h, step.method, step.path, step.body, append(step.headers, "Content-Type", asJSON)...)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s: got %d %.300s, want %d and %s", i, step.method, step.path, w.Code, got, step.status, step.want)
		}
	}
}

// A list says what is true of maintenance now, whom it is about, and who has decided it; it may be narrowed to what is about one device.
func TestMaintenanceIsListedWithWhatItDoes(t *testing.T) {
	silent := func(s *iot.DeviceState) {
		s.Latest.Location.Building = "B栋"
		alarmed("temperature_high", iot.Warning)(s)
		s.Alerts[0].Raised.SuppressByDesign(&iot.Rule{Name: "belt"}, iot.Period{From: noon.Add(-time.Hour), Until: noon.Add(time.Hour)})
	}
	fleet := plant{
		device("d1", iot.Temperature, 20, silent), device("d2", iot.Humidity, 20, func(s *iot.DeviceState) { s.Latest.Location.Building = "B栋" }),
		device("d3", iot.Temperature, 20, nil),
	}
	r, now := newRegistry(), noon.AddDate(0, -2, 0) // One of them is over later.
	h := newAPI(t, fleet, &archive{}, func(o *api.Options) { r.use(o); o.Now = func() time.Time { return now } })
	for _, body := range []string{
		`{"name":"belt","area":"B栋","reason":"belt","except":[{"devices":["d2"]}],"periods":[{"from":"2026-03-01T11:00:00Z","until":"2026-03-01T13:00:00Z"}]}`,
		`{"name":"warm","reason":"calibration","device_type":"temperature_sensor","periods":[{"from":"2026-02-01T11:00:00Z","until":"2026-02-01T13:00:00Z"},{"from":"2026-03-02T11:00:00Z","until":"2026-03-02T13:00:00Z"}]}`,
		`{"name":"new","reason":"installation","devices":["d9"],"periods":[{"from":"2026-02-01T11:00:00Z","until":"2026-02-01T13:00:00Z"}]}`,
	} {
		if w := send(h, "POST", "/api/v1/maintenance", body, "Content-Type", asJSON); w.Code != 201 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	now = noon
	type period struct{ From, Until time.Time }
	type listed struct {
		Name, Actor   string
		Running, Next *period
		Devices       []string
		Selected      *int `json:"devices_selected"`
		Suppressed    *int `json:"alerts_suppressed"`
		Time          *time.Time
	}
	names := func(target string) (names []string) {
		for _, item := range get[struct{ Items []listed }](t, h, target).Items {
			names = append(names, item.Name)
		}
		return names
	}
	all := get[struct{ Items []listed }](t, h, "/api/v1/maintenance?details=true").Items
	if len(all) != 3 {
		t.Fatalf("got %+v", all)
	}
	for i, want := range []struct {
		name, running, next string
		devices, suppressed int
	}{{"belt", "11:00", "", 1, 1}, {"new", "", "", 0, 0}, {"warm", "", "11:00", 2, 0}} {
		got := all[i]
		clock := func(p *period) string {
			if p == nil {
				return ""
			}
			return p.From.Format("15:04")
		}
		if got.Name != want.name || clock(got.Running) != want.running || clock(got.Next) != want.next || *got.Selected != want.devices || *got.Suppressed != want.suppressed ||
			got.Actor == "" || got.Time == nil {
			t.Errorf("got %+v, want %+v, by somebody", got, want)
		}
	}
	if got := all[1].Devices; !slices.Equal(got, []string{"d9"}) {
		t.Errorf("new: got the devices %v", got)
	}
	if got := names("/api/v1/maintenance?device=d1"); !slices.Equal(got, []string{"belt", "warm"}) {
		t.Errorf("of d1: got %v", got)
	}
	if got := names("/api/v1/maintenance?device=d2"); len(got) != 0 {
		t.Errorf("of d2: got %v", got)
	}
	if got := names("/api/v1/maintenance?device=d9"); !slices.Equal(got, []string{"new"}) { // It has never sent.
		t.Errorf("of d9: got %v", got)
	}
	for i, step := range []struct {
		name   string
		status int
		want   string
	}{
		{"belt", 200, `"until":"2026-03-01T12:00:00Z"`}, {"belt", 409, "going on"}, {"warm", 409, "going on"}, {"none", 404, "no maintenance"},
	} {
		if w := send(h, "POST", "/api/v1/maintenance/"+step.name+"/end", ""); w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("end %d: got %d %s, want %d and %s", i, w.Code, w.Body, step.status, step.want)
		}
	}
	if got := all[0]; get[struct{ Items []listed }](t, h, "/api/v1/maintenance?device=d1").Items[0].Selected != nil || got.Selected == nil {
		t.Errorf("without details: got %+v", got)
	}
}

// What repeats each week, and was ended, is not begun anew by a change of something else, and goes on a week later.
func TestEndedMaintenanceStaysEnded(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	// Noon is on a Sunday.
	const night = `"time_zone":"UTC","weekly":[{"day":"sun","from":"08:00","until":"18:00"}]}`
	type shown struct {
		Items []struct {
			Running *struct{}
			Next    *struct{ From time.Time }
		}
	}
	running := func(state string, want bool) {
		t.Helper()
		got := get[shown](t, h, "/api/v1/maintenance").Items[0]
		if (got.Running != nil) != want || got.Next == nil || got.Next.From.Format(time.DateOnly) != "2026-03-08" {
			t.Errorf("%s: got %+v, want %v and the next on March 8", state, got, want)
		}
	}
	for _, step := range []struct {
		method, path, body, match string
		running                   bool
	}{
		{"POST", "", `{"name":"n","reason":"belt",` + night, "", true},
		{"POST", "/n/end", "", `"1"`, false},
		{"PUT", "/n", `{"reason":"belt and motor",` + night, `"2"`, false},
		{"PUT", "/n", `{"reason":"belt","time_zone":"UTC","weekly":[{"day":"sun","from":"08:00","until":"20:00"}]}`, `"3"`, true}, // Another calendar.
	} {
		if w := send(h, step.method, "/api/v1/maintenance"+step.path, step.body, "Content-Type", asJSON, "If-Match", step.match); w.Code >= 300 {
			t.Fatalf("%s %s: got %d %s", step.method, step.path, w.Code, w.Body)
		}
		running(step.method+" "+step.path, step.running)
	}
}

// Maintenance of before reasons were needed holds, is listed, ended and deleted. Who changes it says why.
func TestMaintenanceWithoutAReasonStays(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	old := iot.Rule{Severity: iot.Info, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: &iot.Schedule{
		Periods: []iot.Period{{From: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}, {From: noon.Add(24 * time.Hour), Until: noon.Add(25 * time.Hour)}},
	}}
	edit := control.RuleEdit{Name: "old", Maintenance: true, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: old}, nil }}
	if _, err := r.Registry.ChangeRules(t.Context(), []control.RuleEdit{edit}, control.RuleChange{
		By: control.By{Actor: "u-1", Action: "create"}, Check: func([]iot.Rule) error { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	const periods = `"periods":[{"from":"2026-03-02T12:00:00Z","until":"2026-03-02T14:00:00Z"}]}`
	for i, step := range []struct {
		method, path, body, match string
		status                    int
		want                      string
	}{
		{"GET", "", "", "", 200, `"running":`},
		{"PUT", "/old", "{" + periods, `"1"`, 422, `"location":"body.reason"`},
		{"POST", "/old/end", "", `"1"`, 200, `"version":2`},
		{"PUT", "/old", `{"reason":"belt",` + periods, `"2"`, 200, `"reason":"belt"`},
		{"DELETE", "/old", "", `"3"`, 200, `"version":4`},
	} {
		w := send(h, step.method, "/api/v1/maintenance"+step.path, step.body, "Content-Type", asJSON, "If-Match", step.match)
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%d: %s %s: got %d %s, want %d and %s", i, step.method, step.path, w.Code, w.Body, step.status, step.want)
		}
	}
}

// Maintenance that is over before it is decided suppresses nothing: the times are a mistake. What is over may still be changed in everything else.
func TestMaintenanceInThePastIsRefused(t *testing.T) {
	r, now := newRegistry(), noon
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { r.use(o); o.Now = func() time.Time { return now } })
	const (
		belt  = "/api/v1/maintenance/belt"
		over  = `{"from":"2026-02-28T11:00:00Z","until":"2026-02-28T12:00:00Z"}`
		past  = `{"from":"2026-03-01T11:00:00Z","until":"2026-03-01T12:00:00Z"}` // It ends at noon, which is not in it.
		later = `{"from":"2026-03-01T11:00:00Z","until":"2026-03-01T12:00:01Z"}`
	)
	body := func(reason, periods string) string {
		return `{"name":"belt","area":"A栋","reason":"` + reason + `","periods":[` + periods + `]}`
	}
	unnamed := func(reason, periods string) string {
		return strings.Replace(body(reason, periods), `"name":"belt",`, "", 1)
	}
	for i, step := range []struct {
		at           time.Time
		method, path string
		body         string
		status       int
	}{
		{noon, "POST", "/api/v1/maintenance", body("x", past), 422},
		{noon, "POST", "/api/v1/maintenance", body("x", over+","+past), 422},
		{noon, "POST", "/api/v1/maintenance", body("x", over+","+later), 201},
		{noon, "PUT", belt, unnamed("x", past), 422},
		{noon.Add(time.Hour), "PUT", belt, unnamed("better", over+","+later), 200},
		{noon.Add(time.Hour), "PUT", belt, unnamed("better", over), 422},
	} {
		now = step.at
		w := send(h, step.method, step.path, step.body, "Content-Type", asJSON, "If-Match", "*")
		if w.Code != step.status || step.status == 422 && !strings.Contains(w.Body.String(), `"location":"body.periods"`) {
			t.Errorf("%d: %s %s: got %d %s, want %d", i, step.method, step.body, w.Code, w.Body, step.status)
		}
	}
}
