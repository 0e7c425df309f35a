package sparkplug_test

import (
	"testing"

	"go.uber.org/goleak"
)

// The names that the fault suite invents are answered until the process ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer"))
}
