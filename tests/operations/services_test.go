package operations

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"iotmon/tests/testenv"
)

// everythingHere is a .env for iotmon on a free port with few devices.
func everythingHere(t *testing.T) string {
	t.Helper()
	return "IOTMON_SERVER_ADDR=" + testenv.Address(t) + "\nIOTMON_DEVICE_SIMULATOR_DEVICE_COUNT=5\n"
}

func TestServicesStartAndStopAnyNumberOfTimes(t *testing.T) {
	t.Parallel()
	h := newHost(t, everythingHere(t))
	if output := h.must("scripts/stop-services.sh"); output != "" {
		t.Errorf("stop of nothing: got %q, want nothing", output)
	}

	output := h.must("scripts/start-services.sh", "iotmon")
	mention(t, "start", output, "iotmon: started, pid", "iotmon: ready")
	first := h.pid("iotmon")
	mention(t, "second start", h.must("scripts/start-services.sh", "iotmon"), fmt.Sprintf("runs already, pid %d", first))
	if again := h.pid("iotmon"); again != first || !alive(first) {
		t.Errorf("the second start: pid is %d, want %d and alive", again, first)
	}
	mention(t, "status", h.must("scripts/start-services.sh", "--status"), fmt.Sprintf("ready, pid %d", first))
	mention(t, "the log", h.read("logs/iotmon.log"), "iotmon devel is at http://")

	mention(t, "stop", h.must("scripts/stop-services.sh"), "iotmon: stopped")
	if alive(first) {
		t.Errorf("pid %d lives, want it stopped", first)
	}
	h.must("scripts/stop-services.sh")
	h.must("scripts/start-services.sh", "iotmon")
	if second := h.pid("iotmon"); second == first || !alive(second) {
		t.Errorf("started again: pid is %d, want another than before, alive", second)
	}
}

func TestAPidFileOfAnotherProcessIsStale(t *testing.T) {
	t.Parallel()
	h := newHost(t, everythingHere(t))
	foreign := exec.Command("sleep", "600")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = foreign.Process.Kill()
		_ = foreign.Wait()
	}()
	if err := os.Mkdir(h.path("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another's number": fmt.Sprintf("%d\n1\n", foreign.Process.Pid),
		"a number alone":   fmt.Sprintf("%d\n", foreign.Process.Pid),
		"every process":    "-1\n1\n",
		"nothing":          "",
		"no number":        "iotmon\niotmon\n",
	} {
		h.write("run/iotmon.pid", text)
		mention(t, name, h.must("scripts/stop-services.sh"), "iotmon: had ended by itself")
		if !alive(foreign.Process.Pid) {
			t.Fatalf("%s: a process that is not ours was stopped", name)
		}
	}
	h.write("run/iotmon.pid", fmt.Sprintf("%d\n1\n", foreign.Process.Pid))
	mention(t, "start", h.must("scripts/start-services.sh", "iotmon"), "iotmon: started, pid")
	h.must("scripts/stop-services.sh")
	if !alive(foreign.Process.Pid) {
		t.Error("a process that is not ours was stopped")
	}
}

func TestAKilledServiceStartsAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, everythingHere(t))
	h.must("scripts/start-services.sh", "iotmon")
	if err := syscall.Kill(h.pid("iotmon"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone := h.pid("iotmon")
	if !eventually(patience, func() bool { return !alive(gone) }) {
		t.Fatal("it lives")
	}
	mention(t, "start", h.must("scripts/start-services.sh", "iotmon"), "iotmon: started, pid", "iotmon: ready")
}

func TestAServiceThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t, everythingHere(t))
	h.must("scripts/start-services.sh", "iotmon")
	pid := h.pid("iotmon")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	mention(t, "stop", h.must("scripts/stop-services.sh", "--wait", "1"), "not stopped after 1 s; killing it", "iotmon: stopped")
	if alive(pid) {
		t.Error("it lives")
	}
}

func TestNothingStartsWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	h := newHost(t, everythingHere(t)+"IOTMON_LOG_LEVEL=loud\n")
	status, output := h.run("scripts/start-services.sh", "iotmon")
	if status != 1 {
		t.Errorf("a wrong configuration: got status %d, want 1", status)
	}
	mention(t, "a wrong configuration", output, "nothing was started", "log.level: must be debug, info, warn or error")

	h.write(".env", everythingHere(t))
	h.must("scripts/start-services.sh", "iotmon")
	other := newHost(t, h.read(".env"))
	status, output = other.run("scripts/start-services.sh", "iotmon")
	if status != 1 {
		t.Errorf("an address in use: got status %d, want 1", status)
	}
	mention(t, "an address in use", output, "its address is in use")
	if !alive(h.pid("iotmon")) {
		t.Error("the service that has the address was stopped")
	}

	if err := os.Remove(other.path("bin")); err != nil {
		t.Fatal(err)
	}
	status, output = other.run("scripts/start-services.sh")
	if status != 1 {
		t.Errorf("without programs: got status %d, want 1", status)
	}
	mention(t, "without programs", output, "build it with scripts/build.sh")
}

func TestAServiceWhoseServersAreAwayGoesOnTrying(t *testing.T) {
	t.Parallel()
	h := newHost(t, "KAFKA_HOST=localhost\nIOTMON_KAFKA_BROKERS="+testenv.Address(t)+"\nIOTMON_SERVER_ADDR="+testenv.Address(t)+"\n")
	status, output := h.run("scripts/start-services.sh", "--wait", "15", "producer")
	if status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	mention(t, "start", output, "producer: not ready after 15 s, and goes on trying", "kafka")
	if !alive(h.pid("producer")) {
		t.Error("the producer is gone, want it to try on")
	}
}

// scripts are those that this package tests.
var scripts = []string{"build", "start-services", "stop-services", "update_config", "test-docker-build", "deploy_middleware", "full_deployment", "performance-test", "render-k8s", "bench-compare"}

func TestScriptsExplainThemselves(t *testing.T) {
	t.Parallel()
	h := newHost(t, "")
	for _, name := range scripts {
		script := "scripts/" + name + ".sh"
		for _, flag := range []string{"--help", "-h"} {
			mention(t, script+" "+flag, h.must(script, flag), name+".sh ", "Usage:\n  "+script)
		}
		if status, output := h.run(script, "--nonsense"); status != 2 || !strings.Contains(output, "--nonsense: unknown option") {
			t.Errorf("%s --nonsense: got status %d and %q, want 2 and why", script, status, output)
		}
	}
}

func TestEveryScriptIsClean(t *testing.T) {
	t.Parallel()
	arguments := []string{"--external-sources", "--source-path=SCRIPTDIR:.", "--severity=style"}
	for _, pattern := range []string{"scripts/*.sh", ".ci/run", "tests/operations/standin/*.sh", "tests/operations/testdata/docker", "deployments/docker/middleware/postgres/*.sh"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: got %v, %v, want scripts", pattern, found, err)
		}
		for _, script := range found {
			arguments = append(arguments, strings.TrimPrefix(script, root+"/"))
		}
	}
	check := exec.Command("shellcheck", arguments...)
	check.Dir = root
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, output)
	}
}

func TestBuildMakesStaticPrograms(t *testing.T) {
	t.Parallel()
	h := newHost(t, "")
	if err := os.Remove(h.path("bin")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"cmd", "internal"} {
		if err := os.CopyFS(h.path(dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "web/embed.go"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		h.write(name, string(text))
	}
	status, output := h.runWith([]string{"VERSION=v9.8.7", "GOFLAGS=-buildvcs=false"}, "scripts/build.sh", "websocket")
	if status != 0 {
		t.Fatalf("build.sh: got status %d\n%s", status, output)
	}
	mention(t, "build.sh", output, "building websocket", "bin/websocket  ")
	if entries, _ := os.ReadDir(h.path("bin")); len(entries) != 1 {
		t.Errorf("got %v in bin, want websocket alone", entries)
	}
	version, err := exec.Command(h.path("bin/websocket"), "-version").Output()
	if err != nil || !strings.HasPrefix(string(version), "websocket v9.8.7 ") {
		t.Errorf("-version: got %q, %v", version, err)
	}
	if linked, err := exec.Command("ldd", h.path("bin/websocket")).CombinedOutput(); err == nil {
		t.Errorf("it needs libraries:\n%s", linked)
	}
	if status, output := h.runWith([]string{"GO=no-such-go"}, "scripts/build.sh"); status != 1 || !strings.Contains(output, "Go is missing") {
		t.Errorf("without Go: got status %d and %q, want 1 and why", status, output)
	}
}

func TestUnitsAreValid(t *testing.T) {
	dir := t.TempDir()
	unit, err := os.ReadFile(filepath.Join(root, "deployments", "systemd", "iotmon@.service"))
	if err != nil {
		t.Fatal(err)
	}
	target, err := os.ReadFile(filepath.Join(root, "deployments", "systemd", "iotmon.target"))
	if err != nil {
		t.Fatal(err)
	}
	// The program must exist to be verified.
	unit = regexp.MustCompile(`/opt/iotmon/bin/%i`).ReplaceAll(unit, []byte("/bin/true"))
	paths := []string{filepath.Join(dir, "iotmon@web.service"), filepath.Join(dir, "iotmon.target")}
	for i, text := range [][]byte{unit, target} {
		if err := os.WriteFile(paths[i], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.Command("systemd-analyze", append([]string{"verify"}, paths...)...).CombinedOutput()
	if err != nil || strings.Contains(string(output), dir) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
}
