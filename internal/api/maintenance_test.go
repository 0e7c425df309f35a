package api_test

import (
	"strings"
	"testing"
)

func TestMaintenanceIsPlanned(t *testing.T) {
	h, _ := ruled(t)
	const list, hall = "/api/v1/maintenance", "/api/v1/maintenance/hall%203"
	const once = `{"area":"A栋","reason":"大修","periods":[{"from":"2026-12-01T08:00:00+08:00","until":"2026-12-01T16:00:00+08:00"}]}`
	const nights = `{"labels":{"line":"7"},"time_zone":"Asia/Shanghai","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`
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

		{"POST", list, `{"name":"x"}`, nil, 422, "one of both says when"},
		{"POST", list, `{"name":"x",` + nights[1:len(nights)-1] + "," + once[1:], nil, 422, `body.periods`},
		{"POST", list, `{"name":"x","time_zone":"Asia/Beijing","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","time_zone":"Local","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","weekly":[{"day":"sat","from":"22:00","until":"06:00"}]}`, nil, 422, `body.time_zone`},
		{"POST", list, `{"name":"x","time_zone":"UTC","weekly":[{"day":"sat","from":"24:00","until":"06:00"}]}`, nil, 422, `weekly`},
		{"POST", list, `{"name":"x","periods":[{"from":"2026-12-01T08:00:00Z","until":"2026-12-01T08:00:00Z"}]}`, nil, 422, `body.periods`},
		{"POST", list, `{"name":"x","reason":"` + strings.Repeat("x", 257) + `",` + once[len(`{"area":"A栋","reason":"大修",`):], nil, 422, `body.reason`},
	} {
		w := send(h, step.method, step.path, step.body, append(step.headers, "Content-Type", asJSON)...)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s: got %d %.300s, want %d and %s", i, step.method, step.path, w.Code, got, step.status, step.want)
		}
	}
}
