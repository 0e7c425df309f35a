package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The body of routes in the documentation is taken as it is, says the same in both languages, and is refused without any of the keys that the documentation
// calls required.
func TestTheDocumentedRoutesAreTaken(t *testing.T) {
	var bodies []string
	for _, file := range []string{"notifications.md", "notifications.zh-CN.md"} {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), "```json\n")
		body, _, closed := strings.Cut(rest, "```")
		if !found || !closed {
			t.Fatalf("%s has no body of routes", file)
		}
		bodies = append(bodies, body)
	}
	if bodies[0] != bodies[1] {
		t.Error("the languages differ")
	}
	n, h := newNotifier(t)
	n.sender = `"origin":{"program":"consumer","host":"a"},"channels":[{"name":"chat"},{"name":"head"},{"name":"bert"}],"time_zone":"Europe/Berlin"`
	if got := decided(t, send(h, http.MethodPut, routesAt, bodies[0], "Content-Type", asJSON), http.StatusOK); len(got.Items) != 2 || !got.InForce {
		t.Errorf("got %+v, want the two routes in force", got)
	}
	var parsed struct {
		Routes []map[string]any `json:"routes"`
	}
	if err := json.Unmarshal([]byte(bodies[0]), &parsed); err != nil {
		t.Fatal(err)
	}
	needed := []string{"name", "group_by", "wait_seconds", "interval_seconds", "repeat_seconds", "channels"}
	for _, key := range needed {
		route := maps.Clone(parsed.Routes[1])
		delete(route, key)
		if reflect.DeepEqual(route, parsed.Routes[1]) {
			t.Fatalf("the example has no %s", key)
		}
		body, err := json.Marshal(map[string]any{"routes": []any{route}})
		if err != nil {
			t.Fatal(err)
		}
		w := send(h, http.MethodPut, routesAt, string(body), "Content-Type", asJSON, "If-Match", "*")
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), key) {
			t.Errorf("without %s: got %d %s, want a refusal that names it", key, w.Code, w.Body)
		}
	}
	for key := range parsed.Routes[1] { // Every other one can be left out.
		route := maps.Clone(parsed.Routes[1])
		delete(route, key)
		body, err := json.Marshal(map[string]any{"routes": []any{route}})
		if err != nil {
			t.Fatal(err)
		}
		w := send(h, http.MethodPut, routesAt, string(body), "Content-Type", asJSON, "If-Match", "*")
		if required := strings.Contains(strings.Join(needed, " "), key); (w.Code == http.StatusOK) == required {
			t.Errorf("without %s: got %d %s", key, w.Code, w.Body)
		}
	}
}
