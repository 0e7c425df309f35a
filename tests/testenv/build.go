package testenv

import (
	"fmt"
	"os"
	"os/exec"
)

// Build builds programs into a file or directory, with the flags of the Makefile and scripts/build.sh, so that the tested
// programs are the shipped ones. Since everything that a test run compiles without the race detector has these flags, it is
// compiled only once.
func Build(into, packages string) error {
	return BuildIn("", into, "-tags", "grpcnotrace", packages)
}

// BuildIn builds the program in the directory of another module, with the flags with which make vet has compiled what it needs.
// The arguments come last in the command.
func BuildIn(dir, into string, arguments ...string) error {
	build := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", into}, arguments...)...)
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	return nil
}
