package testenv

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// While a server is stopped nobody listens at its address, and still no other test gets it.
func TestAnAddressBelongsToOneTest(t *testing.T) {
	t.Parallel()
	var port int
	t.Run("owner", func(t *testing.T) {
		_, text, err := net.SplitHostPort(Address(t))
		if err == nil {
			port, err = strconv.Atoi(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := reserve(port); ok {
			t.Error("another test got the address")
		}
	})
	release, ok := reserve(port)
	if !ok {
		t.Fatal("nobody gets the address after the test")
	}
	release()

	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("iotmon-test-port-%d-%d", os.Getuid(), port))
	if err := os.WriteFile(file, fmt.Appendf(nil, "process %d\n", gone.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := reserve(port); ok {
		t.Error("a reservation was taken over without looking at it again")
	}
	if release, ok = reserve(port); !ok {
		t.Fatal("the port of a process that is gone stays reserved")
	}
	release()
}
