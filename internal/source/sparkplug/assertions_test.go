package sparkplug_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// assertionCount is how many testable assertions the specification 3.0.0 has.
const assertionCount = 299

// assertion is one of the specification, with the tests that show it, and why none does or what they do not show.
type assertion struct {
	name, reason string
	tests        []string
}

func assertions(t *testing.T) []assertion {
	t.Helper()
	text, err := os.ReadFile("testdata/assertions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []assertion
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		tests, reason, _ := strings.Cut(rest, "- ")
		a := assertion{name: name, tests: strings.Fields(tests), reason: reason}
		if !strings.HasPrefix(a.name, "tck-id-") || a.reason == "" && len(a.tests) == 0 {
			t.Errorf("%q: want an assertion with tests or a reason", line)
		}
		all = append(all, a)
	}
	return all
}

// testFiles returns the text of the file of each test of this package and of those below it, and all files of Go in them.
func testFiles(t *testing.T) (byTest map[string]string, all []string) {
	t.Helper()
	byTest = make(map[string]string)
	for _, pattern := range []string{"*.go", "*/*.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(text))
			file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, is := d.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Test") {
					byTest[f.Name.Name] = string(text)
				}
			}
		}
	}
	return byTest, all
}

// testName is what a test is called that is about one assertion alone.
func testName(assertion string) string {
	name := "TestTck"
	for _, word := range strings.Split(strings.TrimPrefix(assertion, "tck-id-"), "-") {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// TestAssertions compares the list of the specification's assertions with the tests: those that it names exist, and name the assertion in their file
// or by their own name; those that are named after assertions stand in it; and no assertion is mentioned that the specification does not have.
func TestAssertions(t *testing.T) {
	files, texts := testFiles(t)
	all := assertions(t)
	if len(all) != assertionCount {
		t.Errorf("got %d assertions, want %d", len(all), assertionCount)
	}
	named, listed := make(map[string]bool), make(map[string]bool)
	for _, a := range all {
		if named[a.name] {
			t.Errorf("%s stands twice", a.name)
		}
		named[a.name] = true
		mention := regexp.MustCompile(regexp.QuoteMeta(a.name) + `([^\w-]|$)`)
		for _, test := range a.tests {
			if text, exists := files[test]; !exists {
				t.Errorf("%s: there is no %s", a.name, test)
			} else if test != testName(a.name) && !mention.MatchString(text) {
				t.Errorf("%s: the file of %s does not mention it", a.name, test)
			}
			if strings.HasPrefix(testName(a.name), test) {
				listed[test] = true
			}
		}
	}
	for test := range files {
		if strings.HasPrefix(test, "TestTck") && !listed[test] {
			t.Errorf("%s is named after no assertion beside which it stands", test)
		}
	}
	for _, text := range texts {
		for _, name := range regexp.MustCompile(`tck-id-\w[\w-]*\w`).FindAllString(text, -1) {
			if !named[name] {
				t.Errorf("%s is no assertion of the specification", name)
			}
		}
	}
}
