package filelock

import (
	"os"

	"golang.org/x/sys/windows"
)

// Lock locks the file for this process. It fails at once if another process has locked it. The system unlocks the file when the
// process ends, even by a kill.
func Lock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}
