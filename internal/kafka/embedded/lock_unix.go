//go:build !windows

package embedded

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the file for this process and fails at once if another has it. The system gives it free when the process
// ends, however it ends.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
