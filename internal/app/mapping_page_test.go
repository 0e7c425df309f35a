package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// Each example of the page about mapping becomes what the page says.
func TestTheExamplesOfMappingAreTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```\n\n```text\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) != 7 {
		t.Fatalf("got %d examples", len(examples))
	}
	for _, example := range examples {
		rules := "sources:\n  - name: example\n    mqtt: {url: \"tcp://broker\", topics: [\"#\"]}\n    map:\n      " + strings.ReplaceAll(strings.TrimSpace(example[1]), "\n", "\n      ")
		var messages []string
		for line := range strings.Lines(example[2]) {
			if !strings.HasPrefix(line, "= ") {
				messages = append(messages, strings.TrimSpace(line))
			}
		}
		if got := becomes(t, rules, messages); got != example[2] {
			t.Errorf("got\n%s\nwant\n%s", got, example[2])
		}
	}
}

// becomes returns the messages, each with what it becomes by the configuration.
func becomes(t *testing.T, configuration string, messages []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("%s\n%v", configuration, err)
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newMapping("map", cfg.Sources[0].Map, catalog)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	admission, mapper, decode := newAdmission(cfg, catalog), rules.Mapper(), decodePayload(&cfg.Sources[0])
	var out strings.Builder
	for _, message := range messages {
		topic, payload, _ := strings.Cut(message, " ")
		points, err := decode(&source.Message{Payload: []byte(payload)}, nil)
		if err != nil {
			t.Fatalf("%s: %v", message, err)
		}
		fmt.Fprintln(&out, message)
		for i := range points {
			points[i].Topic = topic
		}
		mapper.Begin(points)
		ignored := false
		for i := range points {
			var r mapping.Result
			if err := mapper.Map(&points[i], &r); err != nil {
				t.Errorf("%s: %v", message, err)
			}
			switch r.Outcome {
			case mapping.Ignored:
				ignored = true
			case mapping.Reported:
				fmt.Fprintf(&out, "= %s %s%s\n", r.Status.Status, r.Device, r.Below)
			case mapping.Read:
				if r.Reading.Time.IsZero() {
					r.Reading.Time = now
				}
				if err := admission.Admit(&r.Reading, now); err != nil {
					t.Errorf("%s: %v", message, err)
				}
				reading := fmt.Sprintf("= %s %s %.1f %s %s", r.Reading.ID, r.Reading.Type, r.Reading.Value, r.Reading.Unit, r.Reading.Quality)
				fmt.Fprintln(&out, strings.TrimSpace(reading))
			}
		}
		if ignored {
			fmt.Fprintln(&out, "= ignored")
		}
	}
	return out.String()
}
