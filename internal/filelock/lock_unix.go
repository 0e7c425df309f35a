//go:build !windows

// Package filelock keeps two processes from using the same files.
package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks the file for this process. It fails at once if another process has locked it. The system unlocks the file when the
// process ends, even by a kill.
func Lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
