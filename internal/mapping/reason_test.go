package mapping

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"iotmon/internal/iot"
)

// invalidFormats returns the formats of all calls of Invalid in the Go files that a pattern names, with one of the places of each.
func invalidFormats(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	formats := make(map[string]string)
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: got %v, %v, want files", pattern, names, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) < 2 {
					return true
				}
				called := ""
				switch f := call.Fun.(type) {
				case *ast.Ident:
					called = f.Name
				case *ast.SelectorExpr:
					called = f.Sel.Name
				}
				if literal, ok := call.Args[1].(*ast.BasicLit); ok && called == "Invalid" {
					format, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					formats[format] = files.Position(call.Pos()).String()
				}
				return true
			})
		}
	}
	return formats
}

// withoutCode are the reasons that are the text of something else, or that need more than a sentence.
var withoutCode = []string{
	"%s", "%v",
	"no device type, or more than one, has the unit of %s%s: the source needs a map with a rule for each that is wanted, such as {field: %s, tags: {node: %s}, device: …, type: …}",
	"%s needs a group, an edge node and %s",
}

// A reason that somebody writes anew gets a code, and one that is written otherwise keeps its own.
func TestEveryReasonOfAValueThatIsNoReadingHasACode(t *testing.T) {
	formats := invalidFormats(t, "apply.go", "template.go", "mapper.go", "payload/*.go", "../source/*.go", "../source/mqtt/*.go", "../source/mqttbroker/*.go", "../source/sparkplug/*.go",
		"../source/sparkplug/nodes/*.go", "../source/opcua/*.go", "../iot/catalog.go", "../iot/admission.go", "../iot/value_text.go", "../iot/text.go")
	for format, place := range formats {
		if _, known := reasonFormats[format]; !known && !slices.Contains(withoutCode, format) && !strings.HasPrefix(format, "missing: say why") {
			t.Errorf("%s: the reason %q has no code in reasonFormats", place, format)
		}
	}
	for format, known := range reasonFormats {
		if _, used := formats[format]; !used {
			t.Errorf("no reason has the format %q", format)
		}
		if verbs := verb.FindAllString(format, -1); len(verbs) != len(known.names) {
			t.Errorf("%q: %d verbs, and the names %q", format, len(verbs), known.names)
		}
	}
}

// The page has Chinese words for every code, and they name only what the reason has.
func TestThePageHasWordsForEveryCode(t *testing.T) {
	script, err := os.ReadFile("../../web/static/js/locale/reasons.js")
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]string)
	for _, found := range regexp.MustCompile(`(?m)^  (\w+): '(.*)',$`).FindAllStringSubmatch(string(script), -1) {
		words[found[1]] = found[2]
	}
	names := make(map[string][]string)
	for format, known := range reasonFormats {
		if other, twice := names[known.code]; twice && !slices.Equal(other, known.names) {
			t.Errorf("%q: the code %s has other arguments elsewhere", format, known.code)
		}
		names[known.code] = known.names
	}
	if got, want := slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Errorf("the page has words for\n%q, want\n%q", got, want)
	}
	for code, said := range words {
		for _, gap := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(said, -1) {
			if !slices.Contains(names[code], gap[1]) {
				t.Errorf("%s: the words name %s, which the reason does not have: %q", code, gap[1], names[code])
			}
		}
	}
}

func TestAReasonHasItsArgumentsAsItsTextSaysThem(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{iot.Invalid("device_id", "the topic %s has no level %d", iot.Quote("a/b"), 3), Reason{"no_topic_level", map[string]string{"topic": `"a/b"`, "level": "3"}}},
		{iot.Invalid("", "neither text nor a known binary format (begins with % x)", []byte{1, 0xff}), Reason{"unknown_format", map[string]string{"begin": "01 ff"}}},
		{iot.Invalid("", "empty"), Reason{Code: "empty"}},
		{iot.Invalid("value", "missing").Of("t"), Reason{"missing", map[string]string{"in": `"t"`}}},
		{iot.Invalid("unit", "unknown unit for %s (got %s; canonical: %q)", "temperature_sensor", iot.Quote("K2"), "°C").Of("t"),
			Reason{"unknown_unit", map[string]string{"type": "temperature_sensor", "got": `"K2"`, "unit": `"°C"`, "in": `"t"`}}},
		{iot.Invalid("", "something that has no code (got %d)", 7), Reason{}},
		{errors.New("of a library"), Reason{}},
		{&iot.InvalidError{Field: "value", Reason: "missing"}, Reason{}},
	} {
		if got := ReasonOf(c.err); got.Code != c.want.Code || !maps.Equal(got.Arguments, c.want.Arguments) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	if got, want := iot.Invalid("value", "missing").Of("t").Error(), `value: missing, in the value "t"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
