//go:build !windows

package embedded

import (
	"os"
	"syscall"
)

// lockFile takes the file for this process and fails at once if another has it. The system gives it free when the process
// ends, however it ends.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
