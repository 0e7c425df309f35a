package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// object is an object within the JSON of a request.
type object struct {
	// operation is the method and the path, place where the object is: body, body.routes[0].
	operation, place string
	schema           map[string]any
	// around is the JSON of the body with %s for that of the object.
	around string
}

// objectsOfRequests returns every object that the document describes in the JSON of a request, but for readings, which may have fields of their own.
func objectsOfRequests(doc map[string]any) (found []object) {
	for path, item := range doc["paths"].(map[string]any) {
		for method, value := range item.(map[string]any) {
			op, _ := value.(map[string]any)
			body, _ := op["requestBody"].(map[string]any)
			content, _ := body["content"].(map[string]any)
			if of, ok := content["application/json"].(map[string]any); ok && op["operationId"] != "send-readings" {
				found = append(found, objectsIn(doc, object{strings.ToUpper(method) + " " + path, "body", of["schema"].(map[string]any), "%s"})...)
			}
		}
	}
	slices.SortFunc(found, func(a, b object) int { return strings.Compare(a.operation+" "+a.place, b.operation+" "+b.place) })
	return found
}

// objectsIn returns the objects with properties at a place, or below it.
func objectsIn(doc map[string]any, at object) (found []object) {
	if ref, ok := at.schema["$ref"].(string); ok {
		at.schema = resolve(doc, ref).(map[string]any)
	}
	below := func(schema any, place, around string) {
		if schema, ok := schema.(map[string]any); ok {
			found = append(found, objectsIn(doc, object{at.operation, at.place + place, schema, fmt.Sprintf(at.around, around)})...)
		}
	}
	properties, _ := at.schema["properties"].(map[string]any)
	if len(properties) > 0 {
		found = append(found, at)
	}
	for name, property := range properties {
		below(property, "."+name, `{"`+name+`":%s}`)
	}
	below(at.schema["items"], "[0]", "[%s]")
	below(at.schema["additionalProperties"], ".any", `{"any":%s}`)
	return found
}

// Every object in every JSON body allows no other keys than the document lists: an ignored one would be answered as if it were done.
func TestUnknownKeysAreRefused(t *testing.T) {
	objects := objectsOfRequests(document(t))
	for _, o := range objects {
		if o.schema["additionalProperties"] != false {
			t.Errorf("%s: %s allows unknown keys", o.operation, o.place)
		}
	}
	if len(objects) < 50 {
		t.Errorf("got %d objects, want at least 50", len(objects))
	}
}

// The answer to a misspelt key says where it is, and which key was probably meant.
func TestMisspeltKeysAreNamed(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	for _, o := range objectsOfRequests(document(t)) {
		method, path, _ := strings.Cut(o.operation, " ")
		path = strings.NewReplacer("{id}", "1", "{action}", "acknowledge", "{name}", "hall-3").Replace(path)
		for _, key := range slices.Sorted(maps.Keys(o.schema["properties"].(map[string]any))) {
			for _, misspelt := range []string{key + "x", strings.ToUpper(key)} {
				body := fmt.Sprintf(o.around, `{"`+misspelt+`":1}`)
				w := send(h, method, path, body, "Content-Type", asJSON)
				var problem struct {
					Errors []struct{ Message, Location string }
				}
				if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s %s: got %d %s, want 422", o.operation, body, w.Code, w.Body)
					continue
				}
				named := false
				for _, e := range problem.Errors {
					named = named || e.Location == o.place+"."+misspelt && e.Message == "unknown key; did you mean "+key+"?"
				}
				if !named {
					t.Errorf("%s %s: got %s, want an error at %s.%s that names %s", o.operation, body, w.Body, o.place, misspelt, key)
				}
			}
		}
	}
}

// The path of what is wrong is right behind keys with dots and brackets, and the answer and the memory that it takes do not grow with the square of their number.
func TestKeysWithDotsAreNoPath(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, nil)
	body := `{"name":"x","condition":{"kind":"threshold","thresold":1},"severity":"info","labels":{"a.b":1,"c[d":1,"e]":"\uE000"}}`
	w := send(h, "POST", "/api/v1/rules", body, "Content-Type", asJSON)
	for _, want := range []string{`"location":"body.labels.a.b"`, `"location":"body.labels.c[d"`, `"unknown key; did you mean threshold?","location":"body.condition.thresold"`} {
		checkProblem(t, w, http.StatusUnprocessableEntity, want)
	}
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf(`"%c.%d":1`, 'a'+rune(i%26), i)
	}
	before, after := runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	w = send(h, "POST", "/api/v1/rules", "{"+strings.Join(many, ",")+"}", "Content-Type", asJSON)
	runtime.ReadMemStats(&after)
	checkProblem(t, w, http.StatusUnprocessableEntity, "(and 19980 more)")
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 100 || w.Body.Len() > 10_000 {
		t.Errorf("got %d MiB for an answer of %d bytes, want at most 100 MiB and 10000 bytes", got, w.Body.Len())
	}
}
