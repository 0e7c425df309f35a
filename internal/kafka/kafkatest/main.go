package kafkatest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is for how long goroutines of closed clients may still run. Close does not wait for each of them, and on a busy machine they take
// longer than the second that goleak waits.
const leakPatience = 15 * time.Second

// Main runs the tests of a package and then finds the goroutines that they have left behind.
func Main(m *testing.M) {
	code := m.Run()
	if code != 0 {
		os.Exit(code)
	}
	deadline := time.Now().Add(leakPatience)
	err := goleak.Find()
	for err != nil && time.Now().Before(deadline) {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests have left goroutines behind:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
