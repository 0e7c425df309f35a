package integration

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// programs builds every program once for all tests and returns the directory with them.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "iotmon-test-")
	if err != nil {
		return "", err
	}
	if err := testenv.Build(dir, ""); err != nil {
		return "", err
	}
	return dir, nil
})

// patience is how long a test waits for an event that must happen. It is no limit on the product: the machine may be busy.
const patience = 2 * time.Minute

// turns has a place for each test that runs now, beside TestServicesSurviveFaults. There are more than processors: each test waits more
// than it works.
var turns = make(chan struct{}, 1+runtime.GOMAXPROCS(0))

// inTurn has the test run beside others, and returns when it may begin. The time that go test prints has the wait in it.
func inTurn(t *testing.T) {
	t.Helper()
	t.Parallel()
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
}

// TestMain lets all tests wait for their turns at once; go test by itself would begin with the last and end with the longest.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	code := m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// oldSource is the source of the last programs before rules in the log, the registry and areas, whose data must go on: commit 190628d, by
// git archive, without tests and charts. A checkout may lack the history.
const oldSource = "testdata/old-source.tar.gz"

// oldPrograms builds every program of oldSource once for all tests and returns the directory with them.
var oldPrograms = sync.OnceValues(func() (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "old")
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(source, 0o700); err != nil {
		return "", err
	}
	if out, err := exec.Command("tar", "-x", "-z", "-f", oldSource, "-C", source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", oldSource, err, out)
	}
	return dir, testenv.BuildIn(source, dir, "-tags", "grpcnotrace", "./cmd/...")
})

// server is a real program in a process of its own. Its port is fixed, so that it has the same address after a restart.
type server struct {
	t      testing.TB
	name   string
	args   []string
	addr   string
	log    logBook
	cmd    *exec.Cmd
	exited chan error
}

// newServer prepares iotmon on a free port; config is a YAML file's text.
func newServer(t testing.TB, dataDir, config string, args ...string) *server {
	t.Helper()
	return newProgram(t, "iotmon", config, append([]string{"-data-dir", dataDir}, args...)...)
}

// logBook collects the log lines of a program.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newProgram prepares one of the programs on a free port; config is a YAML file's text.
func newProgram(t testing.TB, name, config string, args ...string) *server {
	t.Helper()
	return programOf(t, programs, name, config, args...)
}

// oldProgram is newProgram for a program of oldSource.
func oldProgram(t testing.TB, name, config string, args ...string) *server {
	t.Helper()
	return programOf(t, oldPrograms, name, config, args...)
}

func programOf(t testing.TB, build func() (string, error), name, config string, args ...string) *server {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, name: name, addr: testenv.Address(t)}
	s.args = append([]string{filepath.Join(dir, name), "-config", file, "-addr", s.addr}, args...)
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the log of %s at %s ends with:\n%s", name, s.addr, tail([]byte(s.log.String()), 8000))
		}
	})
	return s
}

// config returns the path of the program's configuration file.
func (s *server) config() string { return s.args[2] }

func (s *server) base() string { return "http://" + s.addr }

// start runs the program and returns when it is ready.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	s.await("/ready", patience)
}

// launch runs the program.
func (s *server) launch() {
	s.t.Helper()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "IOTMON_") }) // Those of the tests.
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) {
		exited <- cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
}

// await polls until path answers 200.
func (s *server) await(path string, patience time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		response, err := http.Get(s.base() + path)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("GET %s: not 200 within %v; last error %v", path, patience, err)
		case err := <-s.exited:
			s.t.Fatalf("the server ended before it was ready: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill ends the process at once, as kill -9 does.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	<-s.exited
	s.cmd = nil
}

// stop ends the process as Ctrl-C does and returns how long it took.
func (s *server) stop() time.Duration {
	s.t.Helper()
	started := time.Now()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("stop: %v", err)
		}
	case <-time.After(patience):
		s.t.Fatalf("the server did not stop within %v of the interrupt", patience)
	}
	s.cmd = nil
	return time.Since(started)
}

func tail(text []byte, n int) []byte {
	return text[max(0, len(text)-n):]
}
