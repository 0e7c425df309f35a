//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// raiseFileLimit raises the limit of open files to the maximum.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // With an error the limit stays lower.
	}
}

// usage returns the CPU time of the process so far, and its peak memory in bytes.
func usage() (cpu time.Duration, rss int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	rss = int64(u.Maxrss) //nolint:unconvert // It is an int32 on some platforms.
	if runtime.GOOS != "darwin" {
		rss <<= 10 // Everywhere else it is in KiB.
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), rss
}
