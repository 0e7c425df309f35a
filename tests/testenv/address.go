package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const (
	// firstPort and lastPort are below the ports that the kernel gives to clients, so none of them takes one while its server is stopped.
	firstPort, lastPort = 10_000, 29_999
	portTries           = 1000
)

// Address returns an address of the loopback for a server, which no other test has, in whatever process it runs, until this test ends.
func Address(t testing.TB) string {
	t.Helper()
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		release, ok := reserve(port)
		if !ok {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			t.Cleanup(release)
			return address
		}
		release()
	}
	t.Fatal("found no free port")
	return ""
}

// reserve makes the file by which processes of tests, and scripts/test-env.sh, know that a port is taken. A process that is gone has none any more.
func reserve(port int) (release func(), ok bool) {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("iotmon-test-port-%d-%d", os.Getuid(), port))
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) && abandoned(file) {
		_ = os.Remove(file) // The next try may take it.
	}
	if err != nil {
		return nil, false
	}
	_, err = fmt.Fprintf(f, "process %d\n", os.Getpid())
	_ = f.Close()
	return func() { _ = os.Remove(file) }, err == nil
}

// abandoned reports whether a port was reserved by a process that is gone.
func abandoned(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	owner, ofProcess := strings.CutPrefix(strings.TrimSpace(string(text)), "process ")
	process, err := strconv.Atoi(owner)
	return ofProcess && err == nil && errors.Is(syscall.Kill(process, 0), syscall.ESRCH)
}
