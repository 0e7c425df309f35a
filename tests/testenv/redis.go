package testenv

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Redis returns the URL of an empty Redis of this test alone, without files, which ends with the test. Tests that stop their
// Redis use Own.
func Redis(t testing.TB) string {
	t.Helper()
	skip(t)
	provide(t, "redis-server", RedisServer)
	// Between the moment that a port is found free and the server's start, somebody else may take it.
	var err error
	for range 3 {
		var address string
		if address, err = startRedis(t); err == nil {
			return "redis://" + address + "/0"
		}
	}
	t.Fatal(err)
	return ""
}

func startRedis(t testing.TB) (string, error) {
	t.Helper()
	address, port, err := freeAddress()
	if err != nil {
		return "", err
	}
	var output bytes.Buffer
	command := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	command.Stdout, command.Stderr = &output, &output
	return address, start(t, command, &output, address)
}

// freeAddress returns an address of the loopback where nobody listens now.
func freeAddress() (address, port string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	address = listener.Addr().String()
	_, port, err = net.SplitHostPort(address)
	if closing := listener.Close(); err == nil {
		err = closing
	}
	return address, port, err
}

// start starts a server that lives as long as the test, and returns when it listens.
func start(t testing.TB, command *exec.Cmd, output *bytes.Buffer, address string) error {
	t.Helper()
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var result error
	go func() {
		defer close(ended)
		result = command.Wait()
	}()
	t.Cleanup(func() {
		// An error says that it has ended already.
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	})
	deadline := time.After(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("%s: %w\n%s", command.Path, result, output)
		case <-deadline:
			return fmt.Errorf("%s does not listen on %s: %w", command.Path, address, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// provide sees to it that a program is installed: by bringing up the shared server that needs it.
func provide(t testing.TB, program, server string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		shared(t, server)
	}
}
