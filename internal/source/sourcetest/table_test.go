package sourcetest

import "testing"

// The long form of the tests interrupts every way as often.
func TestTheLongFormInterruptsEveryWayAsOften(t *testing.T) {
	for _, w := range Ways {
		t.Setenv("TEST_CHAOS", "")
		if got := w.interruptions(); got != 1000 && got != w.Interruptions {
			t.Errorf("%s: got %d interruptions, want %d", w.Name, got, w.Interruptions)
		}
		t.Setenv("TEST_CHAOS", "long")
		if got := w.interruptions(); got != 1000 {
			t.Errorf("%s: got %d interruptions in the long form, want 1,000", w.Name, got)
		}
	}
}
