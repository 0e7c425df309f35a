package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Version is the version of the programs that Build makes. A test that runs make build with the same version waits less: what has not changed
// is not linked again.
const Version = "devel"

// Build puts all programs into a directory that exists, or one such as iotmon, if it is named. make build makes them, so that the tested
// programs are the shipped ones. Under scripts/test-env.sh run, each is linked once for all packages that are tested.
func Build(into, program string) error {
	if program == "" {
		program = "..."
	}
	shared := os.Getenv("TESTENV_DIR")
	if shared == "" {
		return makeBuild(into, program)
	}
	shared += ".programs"
	if err := os.MkdirAll(shared, 0o700); err != nil {
		return err
	}
	lock, err := os.Open(shared)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if err := makeBuild(shared, program); err != nil {
		return err
	}
	// A program that this process wrote might still be open in a process that it is starting, and could not be run.
	return run(exec.Command("cp", "-R", shared+"/.", into))
}

func makeBuild(into, program string) error {
	build := exec.Command("make", "build", "BIN="+into, "CMD=./cmd/"+program, "VERSION="+Version)
	var err error
	if build.Dir, err = checkout(); err != nil {
		return err
	}
	// The make that runs the tests has arguments of its own.
	build.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") })
	return run(build)
}

// BuildIn builds the programs of another checkout with the flags with which make vet has compiled what they need. The arguments come last in the
// command.
func BuildIn(dir, into string, arguments ...string) error {
	build := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", into}, arguments...)...)
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	return run(build)
}

// BuildModule builds the program of a module of the tests, such as otlp, with the flags with which make vet-modules compiles what it needs.
func BuildModule(name, into string, arguments ...string) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	if name == "kubernetes" {
		arguments = append(arguments, "-gcflags=...=-N -l", "-gcflags=std=")
	}
	return BuildIn(filepath.Join(root, "tests", name), into, append(arguments, ".")...)
}

func run(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}
