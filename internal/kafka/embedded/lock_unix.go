//go:build !windows

package embedded

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile locks the file for this process. It fails at once if another process has locked it. The system unlocks the file when the
// process ends, even by a kill.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
