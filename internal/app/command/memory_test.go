package command

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedAsOftenAsTheEnvironmentSays(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })

	t.Setenv("GOGC", "100")
	saveMemory()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("with GOGC: got %d %%, want 100", got)
	}
	if err := os.Unsetenv("GOGC"); err != nil {
		t.Fatal(err)
	}
	saveMemory()
	if got := debug.SetGCPercent(100); got != gcPercent {
		t.Errorf("without GOGC: got %d %%, want %d", got, gcPercent)
	}
}
