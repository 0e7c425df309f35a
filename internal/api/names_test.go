package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/iot"
)

// A name is the same in each form in which it may be typed: every operation with a name in its path, or in its query, answers as for the form that is stored.
func TestNamesAreFoundInEachForm(t *testing.T) {
	const stored, typed = "h\u00e9at", "he\u0301at"
	paths := document(t)["paths"].(map[string]any)
	checked := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, value := range paths[path].(map[string]any) {
			query := ""
			parameters, _ := value.(map[string]any)["parameters"].([]any)
			for _, p := range parameters {
				parameter := p.(map[string]any)
				if name := parameter["name"].(string); parameter["in"] == "query" && slices.Contains([]string{"rule", "device", "building", "q", "label", "reason"}, name) {
					query += "&" + name + "=NAME"
				}
			}
			if !strings.Contains(path, "{") && query == "" {
				continue
			}
			checked++
			answer := func(name string) *httptest.ResponseRecorder {
				h := named(t, name)
				target := pathParameter.ReplaceAllString(path, "NAME") + "?" + strings.TrimPrefix(query, "&")
				body := map[string]string{"put": hotRule}[method]
				return send(h, strings.ToUpper(method), strings.ReplaceAll(target, "NAME", url.PathEscape(name)), body, "Content-Type", asJSON, "If-Match", "*")
			}
			got, want := answer(typed), answer(stored)
			if got.Code != want.Code || got.Body.String() != want.Body.String() || fmt.Sprint(got.Header()) != fmt.Sprint(want.Header()) {
				t.Errorf("%s %s: got %d %s, want %d %s", method, path, got.Code, got.Body, want.Code, want.Body)
			}
			if want.Code >= 500 {
				t.Errorf("%s %s: got %d %s", method, path, want.Code, want.Body)
			}
		}
	}
	if checked < 35 {
		t.Errorf("%d operations were checked", checked)
	}
}

// named returns an API with a device, a rule and maintenance. Both are added by the name as it is given.
func named(t *testing.T, name string) http.Handler {
	r := newRegistry()
	h := newAPI(t, plant{device("h\u00e9at", iot.Temperature, 20, nil)}, &archive{}, r.use)
	for path, body := range map[string]string{
		"/api/v1/rules":       `{"name":"` + name + `",` + hotRule[1:],
		"/api/v1/maintenance": `{"name":"` + name + ` belt","device_type":"temperature_sensor","reason":"new belt","periods":[{"from":"2026-03-01T11:00:00Z","until":"2026-03-01T14:00:00Z"}]}`,
	} {
		w := send(h, http.MethodPost, path, body, "Content-Type", asJSON)
		if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"name":"h`+"\u00e9"+`at`) || !strings.Contains(w.Header().Get("Location"), "h%C3%A9at") {
			t.Fatalf("POST %s: got %d %v %s, want 201", path, w.Code, w.Header(), w.Body)
		}
	}
	return h
}
