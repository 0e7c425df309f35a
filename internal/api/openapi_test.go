package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"iotmon/internal/api"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func document(t *testing.T) map[string]any {
	t.Helper()
	return get[map[string]any](t, newAPI(t, plant{}, &archive{}, nil), "/api/v1/openapi.json")
}

// The golden file shows every change of the interface in its diff. Clients can also be generated from it.
func TestDocumentIsGolden(t *testing.T) {
	const golden = "../../docs/api/openapi.json"
	unreleased := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Version = "devel" })
	got := request(unreleased, http.MethodGet, "/api/v1/openapi.json").Body.Bytes()
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("the document is not what %s says; run go test -update and look at the difference", golden)
	}
}

func TestDocumentHolds(t *testing.T) {
	doc := document(t)
	if version, _ := doc["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("got OpenAPI %q, want 3.1", version)
	}
	walk(doc, func(key string, value any) {
		if ref, ok := value.(string); ok && key == "$ref" && resolve(doc, ref) == nil {
			t.Errorf("nothing at %s", ref)
		}
	})
	seen := map[string]bool{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, value := range item.(map[string]any) {
			op := value.(map[string]any)
			id, _ := op["operationId"].(string)
			if id == "" || seen[id] || op["summary"] == "" || len(op["tags"].([]any)) != 1 {
				t.Errorf("%s %s: needs an operation id of its own (got %q), a summary and one tag", method, path, id)
			}
			seen[id] = true
			checkParameters(t, path, op)
			success := "200"
			switch id {
			case "forget-device": // There is nothing left to answer with.
				success = "204"
			case "create-rule", "create-maintenance":
				success = "201"
			}
			if _, ok := op["responses"].(map[string]any)[success]; !ok {
				t.Errorf("%s %s: no response %s", method, path, success)
			}
		}
	}
	if len(seen) != 67 {
		t.Errorf("got %d operations, want all 67: %v", len(seen), seen)
	}
}

// checkParameters compares the parameters in the path with those declared.
func checkParameters(t *testing.T, path string, op map[string]any) {
	t.Helper()
	inPath := map[string]bool{}
	for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		inPath[match[1]] = true
	}
	parameters, _ := op["parameters"].([]any)
	for _, value := range parameters {
		p := value.(map[string]any)
		if p["description"] == nil || p["schema"] == nil {
			t.Errorf("%s: parameter %v has no description or schema", path, p["name"])
		}
		if p["in"] == "path" {
			if required, _ := p["required"].(bool); !required || !inPath[p["name"].(string)] {
				t.Errorf("%s: parameter %v is not in the path or not required", path, p["name"])
			}
			delete(inPath, p["name"].(string))
		}
	}
	if len(inPath) > 0 {
		t.Errorf("%s: not declared: %v", path, inPath)
	}
}

func walk(value any, visit func(key string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			visit(key, child)
			walk(child, visit)
		}
	case []any:
		for _, child := range value {
			walk(child, visit)
		}
	}
}

// resolve follows a reference within the document.
func resolve(doc any, ref string) any {
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = object[name]
	}
	return doc
}

// Every answer has the properties that the document requires, and none that it does not know.
func TestAnswersFitTheDocument(t *testing.T) {
	fleet, history := fullPlant()
	h := newAPI(t, fleet, history, nil)
	doc := document(t)
	for path, target := range map[string]string{
		"/api/v1/devices":               "/api/v1/devices?limit=1",
		"/api/v1/devices/{id}":          "/api/v1/devices/d1",
		"/api/v1/devices/{id}/readings": "/api/v1/devices/d1/readings",
		"/api/v1/areas":                 "/api/v1/areas",
		"/api/v1/audit":                 "/api/v1/audit",
		"/api/v1/summaries":             "/api/v1/summaries?limit=1",
		"/api/v1/alerts":                "/api/v1/alerts?limit=1",
		"/api/v1/types":                 "/api/v1/types",
		"/api/v1/status":                "/api/v1/status",
		"/api/v1/version":               "/api/v1/version",
		"/api/v1/limits":                "/api/v1/limits",
		"/api/v1/system":                "/api/v1/system",
		"/api/v1/sources":               "/api/v1/sources",
		"/api/v1/sources/{name}":        "/api/v1/sources/hall-3",
		"/api/v1/sources/{name}/seen":   "/api/v1/sources/hall-3/seen",
		"/api/v1/dead-letters":          "/api/v1/dead-letters?limit=2",
		"/api/v1/dead-letters/{id}":     "/api/v1/dead-letters/0-1",
	} {
		schema := doc["paths"].(map[string]any)[path].(map[string]any)["get"].(map[string]any)["responses"].(map[string]any)["200"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)["schema"]
		fit(t, doc, target, schema.(map[string]any), get[any](t, h, target))
	}
	problem := map[string]any{"$ref": "#/components/schemas/ErrorModel"}
	var body any
	if err := json.Unmarshal(request(h, http.MethodGet, "/api/v1/devices?limit=0").Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	fit(t, doc, "problem", problem, body)
}

// fit reports where value does not have the shape of schema.
func fit(t *testing.T, doc any, at string, schema map[string]any, value any) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = resolve(doc, ref).(map[string]any)
	}
	switch value := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		values, _ := schema["additionalProperties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := value[name.(string)]; !ok {
				t.Errorf("%s: no %s", at, name)
			}
		}
		for name, child := range value {
			switch property, ok := properties[name].(map[string]any); {
			case ok:
				fit(t, doc, at+"."+name, property, child)
			case values != nil:
				fit(t, doc, at+"."+name, values, child)
			default:
				t.Errorf("%s.%s is not in the document", at, name)
			}
		}
	case []any:
		for _, child := range value {
			fit(t, doc, at+"[]", schema["items"].(map[string]any), child)
		}
	case string:
		checkEnum(t, at, schema, value)
	case nil:
		if types, ok := schema["type"].([]any); !ok || types[len(types)-1] != "null" {
			t.Errorf("%s is null, but the document does not allow it", at)
		}
	}
}

// Who checks requests against the document must not refuse a reading that the system admits, nor be surprised by an answer.
func TestDocumentKnowsTheDialectsOfAReading(t *testing.T) {
	doc := document(t)
	properties := resolve(doc, "#/components/schemas/Reading/properties").(map[string]any)
	for name, want := range map[string]string{
		"timestamp": "string number", "received_at": "string number", "value": "number boolean string",
		"quality": "string integer",
	} {
		var types []string
		oneOf, _ := properties[name].(map[string]any)["oneOf"].([]any)
		for _, one := range oneOf {
			types = append(types, one.(map[string]any)["type"].(string))
		}
		if got := strings.Join(types, " "); got != want {
			t.Errorf("%s: got one of %q, want %q", name, got, want)
		}
	}
	responses := resolve(doc, "#/paths").(map[string]any)["/api/v1/readings"].(map[string]any)["post"].(map[string]any)["responses"]
	schema := resolve(responses, "#/400/content").(map[string]any)["application/problem+json"].(map[string]any)["schema"]
	fit(t, doc, "malformed", schema.(map[string]any), map[string]any{"title": "t", "status": 400.0, "detail": "d", "offset": 3.0})
}

func checkEnum(t *testing.T, at string, schema map[string]any, value string) {
	t.Helper()
	if schema["type"] != "string" {
		t.Errorf("%s is the string %q, the document says %v", at, value, schema["type"])
	}
	allowed, ok := schema["enum"].([]any)
	if !ok {
		return
	}
	for _, one := range allowed {
		if one == value {
			return
		}
	}
	t.Errorf("%s is %q, the document allows %v", at, value, allowed)
}

func TestDocumentIsServedForCaches(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	for target, contentType := range map[string]string{
		"/api/v1/openapi.json": "application/json", "/api/v1/openapi.yaml": "application/yaml",
		"/docs": "text/html; charset=utf-8", "/docs/style.css": "text/css; charset=utf-8", "/docs/start.js": "text/javascript; charset=utf-8",
	} {
		w := request(h, http.MethodGet, target)
		tag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || tag == "" || w.Header().Get("Content-Type") != contentType {
			t.Fatalf("%s: got %d, Content-Type %q, ETag %q", target, w.Code, w.Header().Get("Content-Type"), tag)
		}
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("If-None-Match", tag)
		again := httptest.NewRecorder()
		h.ServeHTTP(again, r)
		if again.Code != http.StatusNotModified {
			t.Errorf("%s: got %d for a copy that is still good, want 304", target, again.Code)
		}
	}
	if yaml := request(h, http.MethodGet, "/api/v1/openapi.yaml").Body.String(); !strings.Contains(yaml, "openapi: 3.1.0\n") {
		t.Errorf("the YAML does not begin as a document:\n%.200s", yaml)
	}
}

// TestManyMayAskForTheDocumentFirst runs under the race detector: the document is rendered at the first request.
func TestManyMayAskForTheDocumentFirst(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			w := request(h, http.MethodGet, []string{"/api/v1/openapi.json", "/api/v1/openapi.yaml"}[i%2])
			if w.Code != http.StatusOK || w.Body.Len() < 10_000 {
				t.Errorf("got %d with %d bytes, want the whole document", w.Code, w.Body.Len())
			}
		})
	}
	all.Wait()
}

func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	w := request(h, http.MethodGet, "/docs")
	html := w.Body.String()
	if loads := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"|<script>|<style|url\(`).FindString(html); loads != "" {
		t.Errorf("the page loads something from elsewhere, or has a script in it: %s", loads)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(links) < 6 {
		t.Errorf("got %d links, want those to the page's files and the documents", len(links))
	}
	for _, link := range links {
		if link[1] == "." || strings.HasPrefix(link[1], "data:") {
			continue
		}
		if got := request(h, http.MethodGet, "/"+link[1]).Code; got != http.StatusOK {
			t.Errorf("%s: got %d, want 200", link[1], got)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "http") {
		t.Errorf("got Content-Security-Policy %q, want one that allows nothing from elsewhere", policy)
	}
}

func TestDocumentationIsServedCompressedAndNot(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	for _, path := range []string{"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"} {
		plain := request(h, http.MethodGet, path)
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "br, gzip")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != "gzip" || plain.Header().Get("Content-Encoding") != "" {
			t.Fatalf("%s: got Content-Encoding %q, and %q for who accepts none", path, got, plain.Header().Get("Content-Encoding"))
		}
		reader, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || len(text) < 100_000 || !bytes.Equal(text, plain.Body.Bytes()) {
			t.Errorf("%s: got %d bytes compressed, %d not, %v; want the same", path, len(text), plain.Body.Len(), err)
		}
	}
}
