package operations

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

const root = "../.."

// patience is how long a test waits for an event that must happen. It is no limit on the product: the machine may be busy.
const patience = 2 * time.Minute

// programs builds every program once for all tests and returns the directory with them.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "iotmon-operations-")
	if err != nil {
		return "", err
	}
	if err := testenv.Build(dir, ""); err != nil {
		return "", err
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// host is a directory in which the product is installed as on a plain machine: the scripts, the configuration and the
// programs beside each other.
type host struct {
	t   *testing.T
	dir string
}

// newHost installs the product, with the given .env.
func newHost(t *testing.T, dotenv string) *host {
	t.Helper()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t, t.TempDir()}
	for _, dir := range []string{"scripts", "configs", "web/static", "web/templates"} {
		if err := os.CopyFS(h.path(dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(built, h.path("bin")); err != nil {
		t.Fatal(err)
	}
	h.write(".env", dotenv)
	t.Cleanup(func() {
		if status, output := h.run("scripts/stop-services.sh", "--wait", "60"); status != 0 {
			t.Errorf("stop everything: got status %d\n%s", status, output)
		}
	})
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// run runs a script and returns its exit status and everything it said. Its variables are those of a fresh login.
func (h *host) run(script string, args ...string) (status int, output string) {
	h.t.Helper()
	return h.runWith(nil, script, args...)
}

func (h *host) runWith(environment []string, script string, args ...string) (status int, output string) {
	h.t.Helper()
	var out bytes.Buffer
	c := exec.Command(h.path(script), args...)
	c.Dir, c.Stdout, c.Stderr = "/", &out, &out
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, environment...)
	// A process that the script starts must not keep the script's output open, or a caller with a pipe would wait for ever.
	c.WaitDelay = 5 * time.Second
	err := c.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String()
	}
	if err != nil {
		h.t.Fatalf("%s %v: %v\n%s", script, args, err, out.String())
	}
	return 0, out.String()
}

// must is run for a script that has to succeed.
func (h *host) must(script string, args ...string) string {
	h.t.Helper()
	status, output := h.run(script, args...)
	if status != 0 {
		h.t.Fatalf("%s %v: got status %d\n%s", script, args, status, output)
	}
	return output
}

// pid returns the process that a pid file names.
func (h *host) pid(service string) int {
	h.t.Helper()
	var pid int
	if _, err := fmt.Sscanf(h.read("run/"+service+".pid"), "%d\n", &pid); err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// alive reports whether a process runs. A process that has ended may stay a zombie for long, until its new parent reads its
// status.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func mention(t *testing.T, what, output string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(output, want) {
			t.Errorf("%s: got %q, want it to mention %q", what, output, want)
		}
	}
}

// eventually polls until the condition holds.
func eventually(patience time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if condition() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
