package testenv_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is scripts/test-env.sh with an environment in a directory of the test's own.
type script struct {
	t   *testing.T
	dir string
	env []string
}

func newScript(t *testing.T, env ...string) *script {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	dir, err := os.MkdirTemp("", "iotmon-test-script-")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, dir: dir, env: env}
	t.Cleanup(func() {
		s.run("down")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *script) command(args ...string) *exec.Cmd {
	command := exec.Command("../../scripts/test-env.sh", args...)
	command.Env = append(os.Environ(), "TESTENV_DIR="+s.dir, fmt.Sprintf("TESTENV_OWNER=%d", os.Getpid()))
	command.Env = append(command.Env, s.env...)
	return command
}

func (s *script) run(args ...string) string {
	s.t.Helper()
	output, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Errorf("test-env.sh %q: %v\n%s", args, err, output)
	}
	return string(output)
}

// variable returns the value of a variable that env prints.
func (s *script) variable(name string) string {
	s.t.Helper()
	for line := range strings.Lines(s.run("env")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "export "+name+"="); ok {
			return strings.Trim(value, "'")
		}
	}
	s.t.Fatalf("env prints no %s", name)
	return ""
}

// left lists the remains of the environment: processes with an open file in it, and files.
func (s *script) left() []string {
	all, _ := filepath.Glob(s.dir + "*")
	outputs, _ := filepath.Glob("/proc/[0-9]*/fd/1")
	for _, output := range outputs {
		if name, err := os.Readlink(output); err == nil && strings.HasPrefix(name, s.dir+"/") {
			all = append(all, output+" is "+name)
		}
	}
	for _, file := range reservations(s.t) {
		if owner, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(owner)) == s.dir {
			all = append(all, file)
		}
	}
	return all
}

// reservations lists the files by which environments reserve their ports.
func reservations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "iotmon-test-port-*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (s *script) waitUntilNothingIsLeft() {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); len(s.left()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("this is left: %q", s.left())
		}
	}
}

func TestDownLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		s := newScript(t)
		s.run("up")
		if got := s.left(); len(got) < 5 {
			t.Errorf("while up: got only %q", got)
		}
		status, err := os.ReadFile(filepath.Join(s.dir, "postgres", "data", "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		if killed {
			for _, server := range []string{"kafka", "postgres", "redis"} {
				s.run("stop", server, "-9")
			}
		}
		s.run("down")
		if got := s.left(); len(got) > 0 {
			t.Errorf("killed before: %v; this is left: %q", killed, got)
		}
		// The seventh line names its shared memory.
		memory := strings.Fields(strings.Split(string(status), "\n")[6])
		segments, err := os.ReadFile("/proc/sysvipc/shm")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(segments)) {
			if fields := strings.Fields(line); fields[0] == memory[0] && fields[1] == memory[1] {
				t.Errorf("killed before: %v; PostgreSQL's shared memory is left: %s", killed, line)
			}
		}
	}
}

func TestAnEnvironmentEndsByItself(t *testing.T) {
	t.Parallel()
	owner := exec.Command("sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var bury sync.Once
	kill := func() {
		bury.Do(func() {
			if err := owner.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = owner.Wait() // It says that it was killed.
		})
	}
	t.Cleanup(kill)
	for _, test := range []struct {
		name, variable string
		end            func(*script)
	}{
		{"after its time", "TESTENV_TTL=6s", func(*script) {}},
		{"with its owner", fmt.Sprintf("TESTENV_OWNER=%d", owner.Process.Pid), func(*script) { kill() }},
		{"with its directory", "TESTENV_TTL=1h", func(s *script) {
			time.Sleep(2 * time.Second) // The watchdog looks every second.
			// It may look while the directory is removed file by file.
			if err := os.Remove(filepath.Join(s.dir, "redis.pid")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, test.variable)
			s.run("up", "redis", "postgres")
			if got := s.left(); len(got) < 4 {
				t.Errorf("while up: got only %q", got)
			}
			test.end(s)
			s.waitUntilNothingIsLeft()
		})
	}
}

func TestUpKeepsWhatRunsAndStartsWhatDoesNot(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	start := time.Now()
	s.run("up", "redis", "postgres")
	first := time.Since(start)
	before := s.run("status")
	start = time.Now()
	s.run("up", "redis", "postgres")
	if took := time.Since(start); took > 5*time.Second+first {
		t.Errorf("the second up took %v, and the first %v", took, first)
	}
	if after := s.run("status"); after != before {
		t.Errorf("got\n%s, want\n%s", after, before)
	}
	s.run("stop", "redis")
	if got := s.run("status"); !strings.Contains(got, "redis: stopped") {
		t.Errorf("got\n%s, want Redis stopped", got)
	}
	s.run("up", "redis")
	if got := s.run("status"); strings.Count(got, "running") != 2 {
		t.Errorf("got\n%s, want both running", got)
	}
	if got := s.run("logs", "redis"); strings.Count(got, "Ready to accept connections") != 2 {
		t.Errorf("got\n%s, want two starts", got)
	}
}

func TestManyMayCallUpAtOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var calls sync.WaitGroup
	outputs := make([]string, 6)
	for i := range outputs {
		calls.Go(func() { outputs[i] = s.run("up", "redis") })
	}
	calls.Wait()
	if got := s.run("logs", "redis"); strings.Count(got, "Ready to accept connections") != 1 {
		t.Errorf("got\n%s\n%q, want one start", got, outputs)
	}
}

func TestTwoEnvironmentsSideBySide(t *testing.T) {
	t.Parallel()
	one, other := newScript(t), newScript(t)
	one.run("up", "redis")
	other.run("up", "redis")
	ask(t, "", "redis-cli", "-u", one.variable("TESTENV_REDIS"), "SET", "mine", "1")
	if got := ask(t, "", "redis-cli", "-u", other.variable("TESTENV_REDIS"), "DBSIZE"); got != "0" {
		t.Errorf("got %q keys in the other, want 0", got)
	}
	one.run("down")
	if got := ask(t, "", "redis-cli", "-u", other.variable("TESTENV_REDIS"), "PING"); got != "PONG" {
		t.Errorf("after one went down the other answers %q", got)
	}
}

func TestRunStopsTheServersUnlessTheyWereThere(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	if got := s.run("run", "sh", "-c", "../../scripts/test-env.sh up redis && ../../scripts/test-env.sh status"); !strings.Contains(got, "redis: running") {
		t.Errorf("got\n%s, want Redis running", got)
	}
	if got := s.left(); len(got) > 0 {
		t.Errorf("this is left: %q", got)
	}
	if err := s.command("run", "false").Run(); err == nil {
		t.Error("a command failed, and run did not")
	}
	if got := s.left(); len(got) > 0 {
		t.Errorf("after a failure this is left: %q", got)
	}
	s.run("up", "redis")
	s.run("run", "true")
	if got := s.run("status"); !strings.Contains(got, "redis: running") {
		t.Errorf("got\n%s, want Redis running still", got)
	}
}

func TestRefusals(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		variable string
		args     []string
		want     string
	}{
		{"TESTENV_DIR=" + foreign, []string{"up", "redis"}, "neither empty nor a test environment"},
		{"TESTENV_DIR=here", []string{"up", "redis"}, "want an absolute path (got here)"},
		{"TESTENV_TTL=soon", []string{"up", "redis"}, "want a time such as 90s, 60m or 2h (got soon)"},
		{"TESTENV_KAFKA_VERSION=new", []string{"up", "kafka"}, "want 3, 4 or an exact version such as 4.4.0 (got new)"},
		{"", []string{"up", "oracle"}, "no such server: oracle (there are: kafka postgres redis)"},
		{"", []string{"start", "redis"}, "was never started"},
		{"", []string{"env"}, "no environment in"},
		{"", []string{"upp"}, "usage:"},
	} {
		s := newScript(t)
		command := s.command(test.args...)
		command.Env = slices.DeleteFunc(append(command.Env, test.variable), func(v string) bool { return v == "" })
		if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), test.want) {
			t.Errorf("%s %q: got %v %q, want an error with %q", test.variable, test.args, err, output, test.want)
		}
	}
	if _, err := os.Stat(filepath.Join(foreign, "thesis")); err != nil {
		t.Error(err)
	}
}

func TestPortsLieBelowThoseOfClients(t *testing.T) {
	s := newScript(t)
	s.run("up", "redis")
	address, _ := strings.CutPrefix(s.variable("TESTENV_REDIS"), "redis://")
	_, port, err := net.SplitHostPort(strings.TrimSuffix(address, "/0"))
	if err != nil {
		t.Fatal(err)
	}
	var number, first int
	limits, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(port+" "+string(limits), &number, &first); err != nil {
		t.Fatal(err)
	}
	if number >= first {
		t.Errorf("got port %d, which the kernel may give to a client while Redis is away (from %d)", number, first)
	}
}
