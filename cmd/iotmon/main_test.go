package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotmon/internal/app/command"
)

// runIn runs the program in an empty directory that holds the given configuration.
func runIn(t *testing.T, file string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if file != "" {
		if err := os.Mkdir("configs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("configs", "iotmon.yaml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestHelpMentionsEveryFlag(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		status, stdout, stderr := runIn(t, "", args...)
		if status != command.Done || stdout != help || stderr != "" {
			t.Errorf("%v: got status %d, %d bytes of help and %q, want 0, the help and nothing", args, status, len(stdout), stderr)
		}
	}
	for _, name := range []string{
		"addr", "data-dir", "devices", "interval", "types", "seed", "no-simulator", "config", "log-format", "log-level",
		"check-config", "probe", "version", "h",
	} {
		if !strings.Contains(help, "\n  -"+name+" ") {
			t.Errorf("-%s is not mentioned", name)
		}
	}
	if status, stdout, _ := runIn(t, "", "help", "replay"); status != command.Done || !strings.Contains(stdout, "iotmon replay [flags] FILE.csv") {
		t.Errorf("help replay: got status %d and %q, want 0 and its usage", status, stdout)
	}
}

func TestMistakesAreOneLineAndStatusTwo(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file string
		args []string
		want string
	}{
		"flag":        {"", []string{"-device", "5"}, "-device: unknown flag; did you mean -devices?"},
		"probe":       {"", []string{"-probe", "health"}, "-probe: must be a path, such as /health"},
		"command":     {"", []string{"start"}, "start: unexpected argument"},
		"key":         {"log: {leval: info}", nil, "configs/iotmon.yaml: log.leval: unknown key; did you mean log.level?"},
		"address":     {"", []string{"-addr", "127.0.0.1:1x"}, "-addr: server.addr: must be an address host:port"},
		"directory":   {"", []string{"-addr", "127.0.0.1:0", "-data-dir", taken}, taken},
		"help topic":  {"", []string{"help", "me"}, "no help on me"},
		"replay file": {"", []string{"replay", "none.csv"}, "none.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := runIn(t, test.file, test.args...)
			if status != command.CannotStart || stdout != "" {
				t.Errorf("got status %d and output %q, want 2 and none", status, stdout)
			}
			if !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

func TestCheckConfigStartsNothing(t *testing.T) {
	status, stdout, stderr := runIn(t, "server: {port: 9000}", "-check-config", "-devices", "7")
	if status != command.Done || stderr != "" {
		t.Errorf("got status %d and %q, want 0 and nothing", status, stderr)
	}
	for _, want := range []string{"is valid", `"127.0.0.1:9000"  configs/iotmon.yaml`, "-devices"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got %q, want %q in it", stdout, want)
		}
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 1 {
		t.Errorf("got %v (%v), want nothing beside configs", entries, err)
	}
}

func TestVersion(t *testing.T) {
	status, stdout, _ := runIn(t, "no: such key", "-version")
	if status != command.Done || !strings.HasPrefix(stdout, "iotmon ") || strings.Count(stdout, " ") != 3 {
		t.Errorf("got status %d and %q, want 0 and a line with name, version, Go and platform", status, stdout)
	}
}
