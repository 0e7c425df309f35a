package app

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"iotmon/internal/config"
)

// Each example in the description of Sparkplug is a configuration that is accepted.
func TestTheRecipesForSparkplugAreAccepted(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources/sparkplug.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(recipes) < 5 {
		t.Fatalf("got %d recipes", len(recipes))
	}
	for _, recipe := range recipes {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(recipe[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s\n%v", recipe[1], err)
			continue
		}
		if p, err := newAdapter(&cfg.Sources[0], nil, t.TempDir(), nil); err != nil || p.adapter == nil || cfg.Sources[0].Kind() != "sparkplug" {
			t.Errorf("%s\n%v", recipe[1], err)
		}
	}
}
