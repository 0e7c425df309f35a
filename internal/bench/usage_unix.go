//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// raiseFileLimit lets the process have as many connections as it may.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // Then there are fewer.
	}
}

// usage returns what the process has taken so far, and the most memory that it has had at once, in bytes.
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
