package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Clock is the clock of a server that a test may set, while the server runs, by libfaketime. The server's timers go on as they do when a
// real clock is set.
type Clock struct{ file, library string }

// NewClock returns a clock that is right.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	provide(t, "faketime", "faketime")
	libraries, err := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if err != nil || len(libraries) == 0 {
		t.Fatalf("no libfaketime beside faketime: %v", err)
	}
	c := &Clock{filepath.Join(t.TempDir(), "clock"), libraries[0]}
	c.Set(t, 0)
	return c
}

// Set sets the clock; offset is how far it is ahead of the truth.
func (c *Clock) Set(t testing.TB, offset time.Duration) {
	t.Helper()
	fresh := c.file + ".new"
	if err := os.WriteFile(fresh, fmt.Appendf(nil, "%+.0f\n", offset.Seconds()), 0o644); err != nil { // The server may be another user.
		t.Fatal(err)
	}
	if err := os.Rename(fresh, c.file); err != nil {
		t.Fatal(err)
	}
}

// Environment is what a server needs in its environment to have the clock. It is nil if c is.
func (c *Clock) Environment() []string {
	if c == nil {
		return nil
	}
	return []string{"LD_PRELOAD=" + c.library, "FAKETIME_TIMESTAMP_FILE=" + c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"}
}
