package testenv

import (
	"fmt"
	"os"
	"os/exec"
)

// Build builds programs into a file or directory, with the flags of the Makefile and scripts/build.sh: what is tested is what is
// shipped. And as everything that a run of all tests compiles without the race detector has the same flags, it is compiled once.
func Build(into, packages string) error {
	build := exec.Command("go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", into, packages)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", packages, err, out)
	}
	return nil
}
