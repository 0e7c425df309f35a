package config

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// section is a part of the chart's schema.
type section struct {
	Additional *bool              `json:"additionalProperties"`
	Properties map[string]section `json:"properties"`
}

// keys returns every key below a section, and fails for one that would take any.
func (s section) keys(t *testing.T, path string) []string {
	t.Helper()
	if s.Properties == nil {
		return []string{path}
	}
	if s.Additional == nil || *s.Additional {
		t.Errorf("%s: unknown keys pass", path)
	}
	var all []string
	for name, below := range s.Properties {
		all = append(all, below.keys(t, join(path, name))...)
	}
	return all
}

// TestTheChartKnowsEveryKey checks that Helm refuses the values that the services would refuse. Otherwise the mistake would show
// only as pods that do not start.
func TestTheChartKnowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../k8s/chart/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var values section
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	got := values.Properties["config"].keys(t, "")
	_, want := schema()
	for _, key := range want {
		if !slices.Contains(got, key) {
			t.Errorf("k8s/chart/values.schema.json: %s is missing in config", key)
		}
	}
	for _, key := range got {
		if !slices.Contains(want, key) {
			t.Errorf("k8s/chart/values.schema.json: config.%s is no key of the services", key)
		}
	}
}
