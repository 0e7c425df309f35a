package operations

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWithoutDockerTheScriptsOfferTheOtherWay holds whether the client is missing or the engine does not answer.
func TestWithoutDockerTheScriptsOfferTheOtherWay(t *testing.T) {
	h := newHost(t, "")
	for _, script := range dockerScripts {
		status, output := h.runWith([]string{"DOCKER_HOST=unix:///nowhere/docker.sock"}, script[0], script[1:]...)
		if status != 1 {
			t.Errorf("%v: got status %d, want 1", script, status)
		}
		mention(t, strings.Join(script, " "), output, "scripts/build.sh iotmon && scripts/start-services.sh iotmon")
	}
}

var dockerScripts = [][]string{
	{"scripts/test-docker-build.sh"},
	{"scripts/deploy_middleware.sh", "recommended"},
	{"scripts/deploy_middleware.sh", "--status"},
	{"scripts/full_deployment.sh"},
	{"scripts/full_deployment.sh", "full"},
	{"scripts/full_deployment.sh", "--check"},
}

func TestDeploymentsAreRecommendedOrFull(t *testing.T) {
	h := newHost(t, "")
	for _, test := range []struct {
		script string
		args   []string
		want   string
	}{
		{"deploy_middleware", []string{"half"}, "half: must be recommended or full"},
		{"deploy_middleware", []string{"full", "--down"}, "--down: full is enough"},
		{"deploy_middleware", []string{"--wait", "long", "full"}, "--wait: must be a number of seconds (got 'long')"},
		{"full_deployment", []string{"half"}, "half: must be recommended or full"},
		{"full_deployment", []string{"full", "recommended"}, "recommended: full is enough"},
	} {
		status, output := h.run("scripts/"+test.script+".sh", test.args...)
		if status != 2 {
			t.Errorf("%s %q: got status %d, want 2", test.script, test.args, status)
		}
		mention(t, test.script, output, test.want)
	}
}

// withEngine creates a docker command that always succeeds and does nothing, and returns the variable with its path.
func withEngine(h *host) []string {
	h.t.Helper()
	if err := os.Mkdir(h.path("fake"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path("fake/docker"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	return []string{"PATH=" + h.path("fake") + ":" + os.Getenv("PATH")}
}

func TestOneDeploymentAtATime(t *testing.T) {
	h := newHost(t, "")
	engine := withEngine(h)
	if err := os.Mkdir(h.path("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for lock, script := range map[string][]string{
		"run/deployment.lock":               {"scripts/full_deployment.sh", "full"},
		"run/deployment-of-middleware.lock": {"scripts/deploy_middleware.sh", "recommended"},
	} {
		other := exec.Command("flock", h.path(lock), "sh", "-c", "echo; exec cat")
		stop, err := other.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		ready, err := other.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{script, {script[0], "--down"}} {
			status, output := h.runWith(engine, args[0], args[1:]...)
			if status != 1 {
				t.Errorf("%v: got status %d, want 1", args, status)
			}
			mention(t, strings.Join(args, " "), output, "is under way")
		}
		stop.Close()
		if err := other.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.read(".env"); got != "" {
		t.Errorf(".env has changed: %q", got)
	}
}

// TestADeploymentLooksForItsPortsFirst has another program listen where the page should be.
func TestADeploymentLooksForItsPortsFirst(t *testing.T) {
	h := newHost(t, "")
	if other, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil { // Otherwise somebody else does it already.
		defer other.Close()
	}
	status, output := h.runWith(withEngine(h), "scripts/full_deployment.sh")
	if status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	mention(t, "full_deployment", output, "web needs port 8080, which another program has; nothing was started")
	if got := h.read(".env"); got != "" {
		t.Errorf(".env has changed: %q", got)
	}
}

// TestEveryProgramHasAnImage compares the directories of cmd/ with the images that the Makefile and the scripts build.
func TestEveryProgramHasAnImage(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"Makefile", "scripts/lib/services.sh"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		list := regexp.MustCompile(`(?m)^(?:images := |all_services=")([a-z ]+)`).FindSubmatch(text)
		if list == nil {
			t.Fatalf("%s lists no services", file)
		}
		if got := strings.Fields(string(list[1])); len(got) != len(entries) {
			t.Errorf("%s: got %v, want all of %v", file, got, entries)
		}
		for _, entry := range entries {
			if !strings.Contains(" "+string(list[1])+" ", " "+entry.Name()+" ") {
				t.Errorf("%s: %s is missing", file, entry.Name())
			}
		}
	}
}

// TestMakeBuildsTheImages asks docker for each image and for nothing else.
func TestMakeBuildsTheImages(t *testing.T) {
	h := newHost(t, "")
	engine := withEngine(h)
	h.write("fake/docker", "#!/bin/sh\necho docker \"$@\"\n")
	for target, want := range map[string]struct {
		status int
		images []string
	}{
		"docker-build-all":      {0, []string{"producer", "consumer", "websocket", "web", "iotmon"}},
		"docker-build-producer": {0, []string{"producer"}},
		"docker-build-nonsense": {2, nil},
	} {
		command := exec.Command("make", "-s", target, "VERSION=v1.2.3", "DOCKER_BUILD_ARGS=--pull")
		command.Dir, command.Env = root, append(os.Environ(), engine...)
		output, err := command.CombinedOutput()
		if got := command.ProcessState.ExitCode(); got != want.status {
			t.Errorf("%s: got status %d, want %d: %v\n%s", target, got, want.status, err, output)
		}
		if got := strings.Count(string(output), "docker build"); got != len(want.images) {
			t.Errorf("%s: got %d images, want %d:\n%s", target, got, len(want.images), output)
		}
		for _, image := range want.images {
			mention(t, target, string(output), "docker build --build-arg SERVICE="+image+" --build-arg VERSION=v1.2.3 --pull -t iotmon/"+image+":latest -t iotmon/"+image+":v1.2.3 .")
		}
	}
}

// TestEveryWayToBuildBuildsTheSame compares make build, scripts/build.sh and the Dockerfile: static programs, without the
// paths of the machine that built them, with the same tags.
func TestEveryWayToBuildBuildsTheSame(t *testing.T) {
	tags := regexp.MustCompile(`(?m)-tags ([a-z,]+)|^TAGS := ([a-z,]+)$`)
	for _, file := range []string{"Makefile", "scripts/build.sh", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		mention(t, file, string(text), "CGO_ENABLED=0", "-trimpath", "-X iotmon/internal/app/command.version=")
		found := tags.FindSubmatch(text)
		if found == nil || string(found[1])+string(found[2]) != "grpcnotrace" {
			t.Errorf("%s: got tags %q, want grpcnotrace", file, found)
		}
	}
}
