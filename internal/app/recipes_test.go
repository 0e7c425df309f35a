package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"iotmon/internal/config"
)

// recipesOf returns the examples in the recipes of a page of docs/sources: of each the whole match, and what is in it.
func recipesOf(t *testing.T, page string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/sources", page))
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(text), "\n## Recipes\n")
	return regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(recipes, -1)
}

// Each example in the description of Modbus is a configuration that is accepted, with the device types that it shows.
func TestTheRecipesForModbusAreAccepted(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources/modbus.md")
	if err != nil {
		t.Fatal(err)
	}
	var types string
	var recipes []string
	for _, match := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		switch example := match[1]; {
		case strings.HasPrefix(example, "device_types:"):
			types = example
		case strings.HasPrefix(example, "modbus:"):
			recipes = append(recipes, "sources:\n  - name: recipe\n    "+strings.ReplaceAll(strings.TrimSpace(example), "\n", "\n    ")+"\n")
		default:
			recipes = append(recipes, example)
		}
	}
	if types == "" || len(recipes) < 4 {
		t.Fatalf("got the types %q and %d recipes", types, len(recipes))
	}
	for _, recipe := range recipes {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(recipe+types), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s\n%v", recipe, err)
			continue
		}
		if _, err := newAdapter(&cfg.Sources[0], nil, t.TempDir(), nil); err != nil {
			t.Errorf("%s\n%v", recipe, err)
		}
	}
}
