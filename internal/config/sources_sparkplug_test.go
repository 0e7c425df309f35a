package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSparkplugSectionsAreChecked(t *testing.T) {
	for section, want := range map[string]string{
		`{url: "tcp://b:1883", groups: [a], host_id: h, primary: true}`: "",
		`{url: "ssl://b:8883", groups: ["+"], tls: {ca_file: ca.pem}}`:  "",
		`{url: "b:1883", groups: [a]}`:                                  ".url",
		`{url: "tcp://user:secret@b:1883", groups: [a]}`:                ".url",
		`{url: "tcp://b:1883"}`:                                         ".groups",
		`{url: "tcp://b:1883", groups: ["a/b"]}`:                        ".groups[0]",
		`{url: "tcp://b:1883", groups: ["#"]}`:                          ".groups[0]",
		`{url: "tcp://b:1883", groups: [a], primary: true}`:             ".host_id",
		`{url: "tcp://b:1883", groups: [a], host_id: "a/b"}`:            ".host_id",
		`{url: "tcp://b:1883", groups: [a], version: 4}`:                ".version",
		`{url: "tcp://b:1883", groups: [a], tls: {ca_file: ca.pem}}`:    ".tls",
		`{url: "tcp://b:1883", groups: [a], password_file: p}`:          ".username",
		`{url: "tcp://b:1883", groups: [a], keep_alive: 1ms}`:           ".keep_alive",
		`{url: "tcp://b:1883", groups: [a], reorder_timeout: 1h}`:       ".reorder_timeout",
		`{url: "tcp://b:1883", groups: [a], heartbeat: 0s}`:             "",
		`{url: "tcp://b:1883", groups: [a], heartbeat: 10ms}`:           ".heartbeat",
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte("sources:\n  - name: a\n    sparkplug: "+section+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(LoadOptions{Service: Iotmon, Builtin: builtin, Args: []string{"-config", file}, Dir: t.TempDir()})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got %v", section, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "sparkplug"+want)):
			t.Errorf("%s: got %v, want an error about %s", section, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error shows the password: %v", section, err)
		}
	}
}
