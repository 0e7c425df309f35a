package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"iotmon/internal/config"
	"iotmon/internal/source/sourcetest"
)

// TestEveryProtocolSurvivesEveryFault compares the protocols of the configuration with those that the fault suite runs with, and with the table of faults in
// the documentation.
func TestEveryProtocolSurvivesEveryFault(t *testing.T) {
	code := testCode(t)
	var want strings.Builder
	row := func(name, interruptions string, cells func(fault string) string) {
		fmt.Fprintf(&want, "| %s | %s |", name, interruptions)
		for _, fault := range sourcetest.Faults() {
			fmt.Fprintf(&want, " %s |", cells(fault))
		}
		want.WriteByte('\n')
	}
	sections := make(map[string]bool)
	for _, w := range sourcetest.Ways {
		sections[w.Section] = true
		if !strings.Contains(code, fmt.Sprintf("%q:", w.Name)) {
			t.Errorf("no test runs the fault suite with %q", w.Name)
		}
		interruptions := "1,000"
		if w.Interruptions > 0 {
			interruptions += fmt.Sprintf(" (%d)", w.Interruptions)
		}
		row(w.Name, interruptions, func(fault string) string {
			if w.Without[fault] != "" {
				return "–"
			}
			return "yes"
		})
	}
	for i := range reflect.TypeFor[config.Source]().NumField() {
		field := reflect.TypeFor[config.Source]().Field(i)
		if section := field.Tag.Get("koanf"); field.Type.Kind() == reflect.Pointer && !sections[section] {
			t.Errorf("the protocol %s goes through no faults: add it to sourcetest.Ways", section)
		}
	}
	page, err := os.ReadFile("../docs/sources/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), want.String()) {
		t.Errorf("docs/sources/faults.md: want the rows\n%s", want.String())
	}
}

// testCode returns the code of all tests of sources.
func testCode(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	for _, dir := range []string{"../internal/source", "../internal/kafka/intake"} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return code.String()
}
