package iot_test

import (
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// Whatever version is in force, the next number may follow it, and the last one of all may not follow any but the one before.
func TestAVersionThatMayFollowLeavesOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inForce := rapid.OneOf(rapid.Int64Range(0, iot.MaxVersion-1), rapid.Int64Range(iot.MaxVersion-9, iot.MaxVersion-1)).Draw(t, "in force")
		if err := iot.CheckNextVersion("version", inForce+1, inForce); err != nil {
			t.Fatal(err)
		}
		if err := iot.CheckNextVersion("version", iot.MaxVersion, inForce); err == nil && inForce < iot.MaxVersion-1 {
			t.Fatalf("the last version may follow %d", inForce)
		}
		next := rapid.Int64Range(inForce, iot.MaxVersion).Draw(t, "next")
		if left := iot.MaxVersion - inForce; iot.CheckNextVersion("version", next, inForce) == nil && iot.MaxVersion-next < left/2 {
			t.Fatalf("after %d follows %d, which leaves less than half", inForce, next)
		}
	})
	if err := iot.CheckNextVersion("revision", 1, -1<<63); err != nil {
		t.Error(err)
	}
}
