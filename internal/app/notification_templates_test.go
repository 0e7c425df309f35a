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
	load := func(words string) error { return loadChannel(t, words, "") }
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

// Quiet hours that never end are refused before anything is connected.
func TestQuietHoursAreCheckedWhenTheyAreLoaded(t *testing.T) {
	for spans, want := range map[string]string{
		`[{from: "22:00", to: "06:00"}]`:                                               "",
		`[{from: "06:00", to: "06:00"}]`:                                               "notifications.routes[0].quiet[0].to: must be such that the quiet hours end",
		`[{days: [mon], from: "06:00", to: "06:00"}]`:                                  "",
		`[{from: "00:00", to: "12:00"}, {from: "11:00", to: "24:00"}]`:                 "notifications.routes[0].quiet[1].to: must be such that the quiet hours end",
		`[{from: "06:00", to: "06:60"}, {from: "06:00", to: "06:00", days: [funday]}]`: "quiet[0].to: must be a time of day",
	} {
		if err := loadChannel(t, `title: "{about}"`, ", quiet: "+spans); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spans, err, want)
		}
	}
}

// A route that selects by an empty list is refused: it would take all alerts.
func TestEmptySelectorsOfRoutesAreRefusedWhenTheyAreLoaded(t *testing.T) {
	for key, empty := range map[string]string{"severities": "[]", "areas": "[]", "types": "[]", "rules": "[]", "tenants": "[]", "labels": "{}", "times": "[]"} {
		err := loadChannel(t, `title: "{about}"`, ", "+key+": "+empty)
		if err == nil || !strings.Contains(err.Error(), "notifications.routes[0]."+key+": must be left out") {
			t.Errorf("%s: %s: got %v, want a refusal of the key", key, empty, err)
		}
	}
}

// loadChannel loads a configuration with a channel and a route that have more keys.
func loadChannel(t *testing.T, channel, route string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "iotmon.yaml")
	text := "notifications:\n  channels:\n    - {name: a, webhook: {url: 'http://a'}, " + channel + "}\n  routes:\n    - {name: a, channels: [a]" + route + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
	if err == nil && cfg.File != file {
		t.Errorf("got the file %q, want %q", cfg.File, file)
	}
	return err
}
