package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"iotmon/internal/iot"
)

var pathParameter = regexp.MustCompile(`\{[a-z_]+\}`)

// A program whose variable is empty does not mean everything, and of two values it does not mean the first. That is so for every parameter of every operation.
func TestEmptyAndRepeatedParametersAreRefused(t *testing.T) {
	h := newAPI(t, plant{device("d1", iot.Temperature, 20, nil)}, &archive{}, nil)
	checked := 0
	for path, operations := range document(t)["paths"].(map[string]any) {
		target := pathParameter.ReplaceAllString(path, "1")
		for method, value := range operations.(map[string]any) {
			parameters, _ := value.(map[string]any)["parameters"].([]any)
			for _, p := range parameters {
				parameter := p.(map[string]any)
				name, _ := parameter["name"].(string)
				if parameter["in"] != "query" {
					continue
				}
				checked++
				queries := []string{name + "="}
				if name == "cursor" { // That of the first page.
					queries = nil
				}
				if parameter["schema"].(map[string]any)["type"] == "array" {
					queries = append(queries, name+"=a&"+name+"=")
				} else {
					queries = append(queries, name+"=1&"+name+"=1")
				}
				if name == "area" {
					queries = append(queries, "area=%2F+%2F")
				}
				for _, query := range queries {
					w := send(h, strings.ToUpper(method), target+"?"+query, "{}", "Content-Type", asJSON)
					checkProblem(t, w, http.StatusUnprocessableEntity, "must ")
					if want := fmt.Sprintf(`"location":"query.%s"`, name); !strings.Contains(w.Body.String(), want) {
						t.Errorf("%s %s?%s: got %s, want %s", method, path, query, w.Body, want)
					}
				}
			}
		}
	}
	if checked < 60 {
		t.Errorf("%d parameters were checked", checked)
	}
}

// A filter with an empty value handles nothing, instead of every alert of the plant.
func TestAFilterWithAnEmptyValueIsRefused(t *testing.T) {
	h, p, _, _ := handlingAPI(t, 2)
	for _, action := range []string{`"acknowledge"`, `"shelve","seconds":600,"comment":"part ordered"`, `"out_of_service","comment":"part ordered"`} {
		for _, key := range []string{"state", "severity", "type", "device", "rule", "area", "q"} {
			w := send(h, http.MethodPost, actionsPath, fmt.Sprintf(`{"action":%s,"filter":{%q:""}}`, action, key), "Content-Type", asJSON)
			checkProblem(t, w, http.StatusUnprocessableEntity, `"location":"body.filter.`+key+`"`)
		}
		w := send(h, http.MethodPost, actionsPath, fmt.Sprintf(`{"action":%s,"filter":{"area":" / "}}`, action), "Content-Type", asJSON)
		checkProblem(t, w, http.StatusUnprocessableEntity, `"location":"body.filter.area"`)
	}
	if len(p.applied) != 0 {
		t.Errorf("%d commands were applied, want none", len(p.applied))
	}
	if got := handleMany(t, h, `{"action":"acknowledge","filter":{}}`); got.Done != 4 {
		t.Errorf("got %+v, want that a filter without anything selects all", got)
	}
}
