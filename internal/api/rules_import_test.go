package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"iotmon/internal/control"
)

const (
	exportPath, importPath = "/api/v1/rules/export", "/api/v1/rules/import"
	asYAML                 = "application/yaml"

	configuredYAML = `  - name: temperature_high
    device_type: temperature_sensor
    condition:
      kind: threshold
      threshold: 28
      hysteresis: 0.5
    severity: warning
`
	boilerYAML = `  - name: boiler hot
    device_type: temperature_sensor
    area: A栋
    except:
      - labels:
          line: "off"
    condition:
      kind: of_last
      threshold: 2
      limit: 70
      last: 5
    severity: critical
    latch: true
`
)

func TestRulesAreExportedAndImported(t *testing.T) {
	h, r := ruled(t)
	const head = "# Alert rules of iotmon, for POST /api/v1/rules/import. The keys are those of the REST API.\nrules:\n"
	exported := func() string {
		t.Helper()
		w := send(h, "GET", exportPath, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != asYAML {
			t.Fatalf("got %d %s", w.Code, w.Header())
		}
		return w.Body.String()
	}
	if got, want := exported(), head+configuredYAML; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i, step := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"?dry_run=true", "rules:\n" + boilerYAML + configuredYAML, 200, `{"dry_run":true,"rules":2,"unchanged":1,"in_force":false,"items":[{"name":"boiler hot","change":"added","after":{"name":"boiler hot","version":1,`},
		{"", "rules:\n" + boilerYAML + configuredYAML, 200, `"rules":2,"unchanged":1,"in_force":true,"items":[{"name":"boiler hot","change":"added","after":`},
		{"", "rules:\n" + boilerYAML + configuredYAML, 200, `"rules":2,"unchanged":2,"in_force":true,"items":[]}`},
		{"?delete=true&dry_run=true", "rules:\n" + strings.Replace(boilerYAML, "last: 5", "last: 6", 1), 200, `"unchanged":0,"in_force":false,"items":[{"name":"boiler hot","change":"changed","before":{"name":"boiler hot","version":1,`},
		{"?delete=true&dry_run=true", "rules:\n" + strings.Replace(boilerYAML, "last: 5", "last: 6", 1), 200, `{"name":"temperature_high","change":"deleted","before":{`},
		{"", "rules:\n" + strings.Replace(boilerYAML, "last: 5", "last: 65", 1), 422, `"location":"line 12, rules[0].condition.last"`},
		{"", "rules:\n" + strings.Replace(boilerYAML, "temperature_sensor", "no_type", 1), 422, `unknown device type`},
		{"", "rules:\n" + strings.Replace(boilerYAML, "boiler hot", "export", 1), 422, `rules[0].name`},
		{"?dry_run=true", "rules:\n- name: odd\n  device_type: temperature_sensor\n  condition: {kind: deviation, threshold: 3, hysteresis: 1}\n  severity: info\n", 200, `"condition":{"kind":"deviation","threshold":3,"hysteresis":1}`},
		{"", "", 400, "body"},
	} {
		w := send(h, "POST", importPath+step.query, step.body, "Content-Type", asYAML)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s %s:\ngot  %d %s\nwant %d %s", i, step.query, step.body, w.Code, got, step.status, step.want)
		}
	}
	if got, want := exported(), head+boilerYAML+configuredYAML; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	w := send(h, "POST", importPath+"?delete=true", "rules: []", "Content-Type", asYAML)
	if got := exported(); w.Code != http.StatusOK || got != head[:len(head)-1]+" []\n" {
		t.Errorf("got %d %s, and then\n%s", w.Code, w.Body, got)
	}
	audit, err := r.Audit(t.Context(), control.AuditQuery{Of: control.RuleRef("boiler hot"), Limit: 10})
	if err != nil || len(audit) != 2 || audit[0].Action != "import" || audit[1].Action != "import" {
		t.Errorf("got %+v, %v, want who has imported what", audit, err)
	}
}

// A file is imported as a whole or not at all, also if only the rules together cannot be.
func TestAFileOfRulesIsImportedAsAWhole(t *testing.T) {
	h, r := ruled(t)
	file := "rules:\n" + boilerYAML
	for i := range 100 {
		file += strings.Replace(boilerYAML, "boiler hot", "more "+strings.Repeat("x", i+1), 1)
	}
	w := send(h, "POST", importPath, file, "Content-Type", asYAML)
	checkProblem(t, w, http.StatusUnprocessableEntity, "already has 100 rules")
	if got := w.Body.String(); !strings.Contains(got, `"line 1290, rules[99].device_type"`) || !strings.Contains(got, `"line 1303, rules[100].device_type"`) || !strings.Contains(got, "2 mistakes") {
		t.Errorf("got %s, want the two last rules of the file, with their lines", got)
	}
	// Maintenance has a door of its own, and is not among the rules.
	phantom := "rules:\n  - {name: phantom, device_type: temperature_sensor, severity: info, condition: {kind: maintenance}}\n"
	checkProblem(t, send(h, "POST", importPath, phantom, "Content-Type", asYAML), http.StatusUnprocessableEntity, "line 2, rules[0].condition.kind")
	r.store.SetDown(true)
	checkProblem(t, send(h, "POST", importPath, "rules:\n"+boilerYAML, "Content-Type", asYAML), http.StatusServiceUnavailable, "")
	r.store.SetDown(false)
	if got := send(h, "GET", exportPath, "").Body.String(); strings.Contains(got, "boiler") {
		t.Errorf("got %s", got)
	}
	r.after = 5 * time.Second
	if w := send(h, "POST", importPath+"?dry_run=true", "rules:\n"+boilerYAML, "Content-Type", asYAML); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want that a dry run waits for nothing", w.Code, w.Body)
	}
}

// All mistakes of a file are said at once, each with the line of its key: what is wrong in itself, and what only those who evaluate it find.
func TestAllMistakesOfAFileAreSaidAtOnce(t *testing.T) {
	h, _ := ruled(t)
	file := `rules:
  - name: a
    condition:
      kind: expression
      expression: value > 1 and
    severity: warning
    text: "{divice} is hot"
  - name: b
    device_type: no_such_type
    condition: {kind: threshold, threshold: high}
    severity: urgent
  - name: c
    device_type: no_such_type
    condition: {kind: threshold, threshold: 3}
    severity: info
  - name: d
    condition:
      kind: expression
      within_seconds: 60
      expression: |
        value >
          avarage
    severity: info
`
	w := send(h, "POST", importPath, file, "Content-Type", asYAML)
	checkProblem(t, w, http.StatusUnprocessableEntity, "the file has 6 mistakes")
	for _, want := range []string{
		`{"message":"column 1: unknown placeholder {divice}; `, `"location":"line 7, rules[0].text"`,
		`{"message":"expected number","location":"line 10, rules[1].condition.threshold"}`,
		`"location":"line 11, rules[1].severity"`,
		`{"message":"unknown device type \"no_such_type\"","location":"line 9, rules[1].device_type"}`, `{"message":"unknown device type \"no_such_type\"","location":"line 13, rules[2].device_type"}`,
		`{"message":"line 2, column 3: unknown name \"avarage\"`, `"location":"line 20, rules[3].condition.expression"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s", w.Body, want)
		}
	}
}

// A type that there is not, and a name that two rules have, are said in the first answer, whatever else is wrong with these rules.
func TestTypesAndNamesAreSaidWithTheOtherMistakes(t *testing.T) {
	h, _ := ruled(t)
	const file = `rules:
  - name: a
    device_type: no_such_type
    condition: {kind: threshold, threshold: high}
    severity: info
  - name: a
    device_type: nor_this
    condition: {kind: count, threshold: 1, within_seconds: 60}
    severity: info
  - name: a
    device_type: temperature_sensor
    condition: {kind: threshold, threshold: 3}
    severity: urgent
  - name: 5
    device_type: [1]
    condition: {kind: threshold, threshold: 3}
    severity: info
`
	w := send(h, "POST", importPath, file, "Content-Type", asYAML)
	checkProblem(t, w, http.StatusUnprocessableEntity, "the file has 9 mistakes")
	for _, want := range []string{
		`"location":"line 4, rules[0].condition.threshold"`, `{"message":"unknown device type \"no_such_type\"","location":"line 3, rules[0].device_type"}`,
		`"location":"line 8, rules[1].condition.limit"`, `{"message":"unknown device type \"nor_this\"","location":"line 7, rules[1].device_type"}`,
		`{"message":"there is another rule \"a\" in the file","location":"line 6, rules[1].name"}`, `{"message":"there is another rule \"a\" in the file","location":"line 10, rules[2].name"}`,
		`"location":"line 13, rules[2].severity"`, `"location":"line 14, rules[3].name"`, `"location":"line 15, rules[3].device_type"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s", w.Body, want)
		}
	}
}

// Sequence: somebody looks at what a file would change; before it is imported somebody else changes one of its rules and adds another. With the versions
// of the dry run nothing is overwritten or deleted that nobody has seen; a file alone is imported whatever has changed.
func TestAnImportOverwritesNothingThatNobodyHasSeen(t *testing.T) {
	h, _ := ruled(t)
	file := "rules:\n" + boilerYAML + strings.Replace(configuredYAML, "28", "29", 1)
	envelope := func(versions string) string {
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		return `{"file":` + string(text) + versions + `}`
	}
	post := func(query, body, kind string, status int, want string) string {
		t.Helper()
		w := send(h, "POST", importPath+query, body, "Content-Type", kind)
		if got := w.Body.String(); w.Code != status || !strings.Contains(got, want) {
			t.Errorf("%s: got %d %s, want %d %s", query, w.Code, got, status, want)
		}
		return w.Body.String()
	}
	const seen = `"versions":{"boiler hot":0,"temperature_high":1700000000000000}`
	post("?dry_run=true&delete=true", file, asYAML, 200, seen)
	if w := send(h, "PUT", "/api/v1/rules/temperature_high", averageLow, "If-Match", "*", "Content-Type", asJSON); w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if w := send(h, "PUT", "/api/v1/rules/added", averageLow, "Content-Type", asJSON); w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	refused := post("?delete=true", envelope(","+seen), asJSON, 412, `{"message":"has version 1700000000000001 now","location":"temperature_high"}`)
	if !strings.Contains(refused, `"location":"added"`) || strings.Contains(refused, "boiler") {
		t.Errorf("got %s, want the rules that somebody has changed or added", refused)
	}
	if w := send(h, "GET", "/api/v1/rules/boiler%20hot", ""); w.Code != http.StatusNotFound {
		t.Errorf("got %d %s, want nothing imported", w.Code, w.Body)
	}
	post("", envelope(`,"versions":{"boiler hot":0,"temperature_high":1700000000000001}`), asJSON, 200, `"in_force":true`)
	post("?delete=true", envelope(""), asJSON, 200, `{"name":"added","change":"deleted"`)
	post("", `{"file":1}`, asJSON, 422, `expected string","location":"body.file"`)
	post("", `{"fill":""}`, asJSON, 422, `did you mean file?","location":"body.fill"`)
}
