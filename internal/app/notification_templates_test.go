package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

// The words of a channel are checked before anything is connected: the error names the key, and what may be there.
func TestTemplatesAreCheckedWhenTheyAreLoaded(t *testing.T) {
	load := func(words string) error {
		file := filepath.Join(t.TempDir(), "iotmon.yaml")
		text := "notifications:\n  channels:\n    - {name: a, webhook: {url: 'http://a'}, " + words + "}\n  routes:\n    - {name: a, channels: [a]}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
		if err == nil && cfg.File != file {
			t.Errorf("got the file %q, want %q", cfg.File, file)
		}
		return err
	}
	if err := load(`title: "{severity} {about}", body: "{alerts}"`); err != nil {
		t.Errorf("got %v", err)
	}
	for words, want := range map[string]string{
		`title: "{serverity}"`: "notifications.channels[0].title",
		`body: "{alert}"`:      "{alerts}",
		`title: "{alerts}"`:    "many lines",
		`titel: "{about}"`:     "title",
	} {
		if err := load(words); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", words, err, want)
		}
	}
}
