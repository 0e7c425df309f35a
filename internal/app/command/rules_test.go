package command

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rulesServer answers as iotmon does to a file of rules: "wrong" in it is a mistake, and "later" is not in force at once.
func rulesServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/plant/api/v1/rules/export":
			w.Header().Set("Content-Type", "application/yaml")
			io.WriteString(w, "rules: []\n")
		case r.Method != http.MethodPost || r.URL.Path != "/plant/api/v1/rules/import":
			io.WriteString(w, "<html>")
		case strings.Contains(string(body), `"versions":{"hot":7}`) && r.Header.Get("Content-Type") == "application/json":
			w.WriteHeader(http.StatusPreconditionFailed)
			io.WriteString(w, `{"detail":"somebody has changed rules since the dry run","errors":[{"message":"has version 8 now","location":"hot"}]}`)
		case strings.Contains(string(body), "wrong"):
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, `{"detail":"nothing is imported, because the file has 2 mistakes","errors":[
				{"message":"must be info, warning or critical","location":"line 3, rules[0].severity"},{"message":"missing","location":"line 5, rules[1].condition"}]}`)
		default:
			fmt.Fprintf(w, `{"rules":3,"unchanged":1,"in_force":%v,"versions":{"hot":7},"items":[{"name":"hot","change":"added"},{"name":"%s","change":"deleted"}]}`,
				!strings.Contains(string(body), "later"), r.URL.RawQuery)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRulesAreExportedAndImported(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("wrong.yaml", []byte("rules: wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := rulesServer(t)
	for _, test := range []struct {
		args, stdin string
		status      int
		want        string
	}{
		{"", "", CannotStart, "iotmon rules: want: iotmon rules export [FILE], or iotmon rules import FILE; iotmon help rules says more\n"},
		{"list", "", CannotStart, "want: "},
		{"import", "", CannotStart, "import needs a file; - is the standard input"},
		{"import a b", "", CannotStart, `unexpected "b" behind the file`},
		{"export -delete", "", CannotStart, "flag provided but not defined: -delete"},
		{"export -url localhost:8080", "", CannotStart, `-url must be an address such as http://localhost:8080 (got "localhost:8080")`},
		{"export -h", "", Done, "help"},
		{"export -url URL", "", Done, "rules: []\n"},
		{"export -url URL rules.yaml", "", Done, ""},
		{"import -url URL rules.yaml -dry-run", "", Done,
			"added hot\ndeleted delete=false&dry_run=true\n3 rules in the file, 1 of them in force already; this was a dry run: nothing has changed\n"},
		{"import -delete - -url URL/", "rules: []", Done, "deleted delete=true&dry_run=false\n3 rules in the file, 1 of them in force already; what has changed is in force\n"},
		{"import - -url URL", "later", Done, "not in force everywhere yet"},
		{"import wrong.yaml -url URL", "", Failed, "iotmon rules: nothing is imported, because the file has 2 mistakes\n" +
			"iotmon rules: line 3, rules[0].severity: must be info, warning or critical\niotmon rules: line 5, rules[1].condition: missing\n"},
		{"import - -url URL -dry-run -versions seen.json", "rules: []", Done, "this was a dry run"},
		{"import - -url URL -versions seen.json", "rules: []", Failed, "iotmon rules: somebody has changed rules since the dry run\niotmon rules: hot: has version 8 now\n"},
		{"import - -url URL", "rules: []", Done, "what has changed is in force"},
		{"import - -url URL -versions none.json", "rules: []", Failed, "read the versions that a dry run has written: open none.json"},
		{"import - -url URL -versions wrong.yaml", "rules: []", Failed, "wrong.yaml is not what a dry run writes with -versions"},
		{"import none.yaml -url URL", "", Failed, "iotmon rules: open none.yaml: no such file or directory\n"},
		{"export none/rules.yaml -url URL", "", Failed, "no such file or directory"},
		{"export -url http://127.0.0.1:1", "", Failed, "no answer from http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused (is iotmon, or the web service, running there? -url says where)"},
		{"export -url URL/else", "", Failed, "does not answer as iotmon does: its answer is no YAML"},
		{"import - -url URL/else", "", Failed, "does not answer as iotmon does: its answer is no JSON"},
	} {
		var out, errs strings.Builder
		args := strings.Fields(strings.ReplaceAll(test.args, "URL", s.URL+"/plant"))
		status := Rules(t.Context(), args, "help", strings.NewReader(test.stdin), &out, &errs)
		if got := out.String() + errs.String(); status != test.status || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %q, want %d %q", test.args, status, got, test.status, test.want)
		}
	}
	if text, err := os.ReadFile("rules.yaml"); err != nil || string(text) != "rules: []\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if left, err := filepath.Glob(".rules-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
