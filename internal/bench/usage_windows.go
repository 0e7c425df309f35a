package bench

import (
	"time"

	"golang.org/x/sys/windows"
)

// raiseFileLimit does nothing: there is no such limit.
func raiseFileLimit() {}

// usage returns the CPU time of the process so far; its memory is not known.
func usage() (cpu time.Duration, rss int64) {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user) != nil {
		return 0, 0
	}
	ticks := func(t windows.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }
	return time.Duration(ticks(kernel)+ticks(user)) * 100, 0
}
