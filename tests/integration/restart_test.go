package integration

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// TestInterruptsLoseAndDoubleNothing stops the program with the signal of Ctrl-C and starts it again, while readings are posted.
// It must end with status 0, and the next process must close its open windows.
func TestInterruptsLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	inTurn(t)
	s := newServer(t, t.TempDir(), killConfig, "-no-simulator")
	s.start()
	posters := startPosters(t, s.base(), "gateway")
	for range 3 {
		before := posters.acknowledged.Load()
		waitFor(t, patience, "readings are acknowledged again", func() bool { return posters.acknowledged.Load() > before+100 })
		t.Logf("stopped in %v", s.stop().Round(time.Millisecond))
		s.start()
	}
	verify(t, s, posters.stop())
}

// TestHangupSetsTheLogLevel changes the configuration of a running program.
func TestHangupSetsTheLogLevel(t *testing.T) {
	inTurn(t)
	s := newServer(t, t.TempDir(), "log: {level: error}")
	s.start()
	for _, step := range []struct{ config, want string }{
		{"log: {level: debug}", "log level set"},
		{"log: {level: loud}", "log level not changed"},
		{"log: {level: error}", `msg="log level set" level=ERROR`},
	} {
		if err := os.WriteFile(s.config(), []byte(step.config), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, patience, step.want, func() bool { return strings.Contains(s.log.String(), step.want) })
	}
}

// TestInterruptDuringTheStart sends the signal at moments of the start, at which some parts exist and others do not.
func TestInterruptDuringTheStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program; make test runs it")
	}
	inTurn(t)
	for after := time.Duration(0); after <= 400*time.Millisecond; after += 50 * time.Millisecond {
		dataDir := filepath.Join(t.TempDir(), "data")
		s := newServer(t, dataDir, "")
		s.launch()
		time.Sleep(after)
		if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-s.exited:
			var status *exec.ExitError
			// Before it listens to signals, the first of them ends it as any process. It must listen before it does anything.
			_, missing := os.Stat(dataDir)
			if errors.As(err, &status) && status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT && missing != nil {
				continue
			}
			if err != nil {
				t.Errorf("interrupted after %v: got %v, want status 0", after, err)
			}
		case <-time.After(patience):
			t.Fatalf("interrupted after %v: it runs on %v later", after, patience)
		}
	}
}

// TestOneLineWhenItCannotStart runs a second program beside one, on the same port and on the same data.
func TestOneLineWhenItCannotStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program; make test runs it")
	}
	inTurn(t)
	dir := t.TempDir()
	first := newServer(t, dir, "", "-devices", "10")
	first.start()
	for name, test := range map[string]struct{ addr, dir, want string }{
		"port": {first.addr, filepath.Join(t.TempDir(), "new"), "address already in use"},
		"data": {testenv.Address(t), dir, "is in use by another iotmon"},
	} {
		second := exec.Command(first.args[0], "-addr", test.addr, "-data-dir", test.dir)
		second.Dir = t.TempDir()
		var stdout, stderr bytes.Buffer
		second.Stdout, second.Stderr = &stdout, &stderr
		err := second.Run()
		if second.ProcessState.ExitCode() != 2 {
			t.Errorf("%s: got %v, want status 2", name, err)
		}
		if stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: got %q and %q, want nothing and one line with %q", name, stdout.String(), stderr.String(), test.want)
		}
		if c, err := net.DialTimeout("tcp", test.addr, time.Second); name == "data" && err == nil {
			c.Close()
			t.Errorf("%s: %s is listened on", name, test.addr)
		}
	}
	if response, err := http.Get(first.base() + "/ready"); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the first: got %v, %v, want it to be as ready as before", response, err)
	}
}
