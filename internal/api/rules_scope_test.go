package api_test

import (
	"strings"
	"testing"
)

// A program that looked for devices and found none must not decide about the whole plant: only an absent key selects every device.
func TestEmptySelectorsAreRefused(t *testing.T) {
	h := trying(t, recording{})
	const when = `"reason":"repair","periods":[{"from":"2036-12-01T08:00:00Z","until":"2036-12-01T16:00:00Z"}]`
	bodies := map[string]struct{ path, start, end string }{
		"rule":        {"/api/v1/rules", `{"name":"x",`, hotRule[1:]},
		"trial":       {"/api/v1/rules/try", `{"rule":{`, hotRule[1:] + "}"},
		"maintenance": {"/api/v1/maintenance", `{"name":"x",`, when + "}"},
	}
	for _, empty := range []struct{ body, field string }{
		{`"devices":[]`, "devices"},
		{`"labels":{}`, "labels"},
		{`"area":""`, "area"},
		{`"labels":{},"devices":["d"]`, "labels"},
		{`"area":"A栋","devices":[]`, "devices"},
		{`"except":[{"area":"A栋","devices":[]}]`, "except[0].devices"},
		{`"except":[{"area":"A栋"},{"area":"B栋","labels":{}}]`, "except[1].labels"},
		{`"except":[{"area":"","devices":["d"]}]`, "except[0].area"},
	} {
		for of, in := range bodies {
			w := send(h, "POST", in.path, in.start+empty.body+","+in.end, "Content-Type", asJSON)
			if got := w.Body.String(); w.Code != 422 || !strings.Contains(got, empty.field+`"`) {
				t.Errorf("%s with %s: got %d %s, want 422 and %s", of, empty.body, w.Code, got, empty.field)
			}
		}
		yaml := `{"rules":[{"name":"x",` + empty.body + "," + hotRule[1:] + "]}"
		w := send(h, "POST", "/api/v1/rules/import", yaml, "Content-Type", "application/yaml")
		if got := w.Body.String(); w.Code != 422 || !strings.Contains(got, "rules[0]."+empty.field) {
			t.Errorf("a file with %s: got %d %s, want 422 and %s", empty.body, w.Code, got, empty.field)
		}
	}
	// The whole plant is what remains when nothing is given.
	for of, body := range map[string]string{"/api/v1/rules": `{"name":"all",` + hotRule[1:], "/api/v1/maintenance": `{"name":"plant",` + when + "}"} {
		if w := send(h, "POST", of, body, "Content-Type", asJSON); w.Code != 201 {
			t.Errorf("%s without a selector: got %d %s, want 201", of, w.Code, w.Body)
		}
	}
}
