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

// Server is a server of one test, which the test may stop, kill, pause and start again at the same address. It ends with the test.
type Server struct {
	t       testing.TB
	address string
	prepare func(address string) *exec.Cmd

	command *exec.Cmd
	output  *bytes.Buffer
	// ended is closed when the process has ended.
	ended chan struct{}
}

// NewServer starts a server on a free address of the loopback. prepare returns the command that makes it listen on an address; it is called at every
// start, so that a server may start with another configuration.
func NewServer(t testing.TB, prepare func(address string) *exec.Cmd) *Server {
	t.Helper()
	s := &Server{t: t, address: Address(t), prepare: prepare}
	t.Cleanup(func() {
		s.signal(syscall.SIGKILL)
	})
	s.Start()
	return s
}

// Address returns host and port.
func (s *Server) Address() string { return s.address }

// Start starts the server again, and returns when it accepts connections.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server as an operator would, Kill by force.
func (s *Server) Stop() { s.signal(syscall.SIGTERM) }

// Kill ends the server without giving it time for anything.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

// Pause stops the process: its connections stay and nothing answers. Resume lets it go on.
func (s *Server) Pause() { _ = s.command.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { _ = s.command.Process.Signal(syscall.SIGCONT) }

// Reload sends SIGHUP, by which many servers read their files again.
func (s *Server) Reload() { _ = s.command.Process.Signal(syscall.SIGHUP) }

func (s *Server) start() error {
	s.command, s.output, s.ended = s.prepare(s.address), new(bytes.Buffer), make(chan struct{})
	s.command.Stdout, s.command.Stderr = s.output, s.output
	// The server also ends when the test's process ends without its cleanups, for example by a kill.
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return err
	}
	go func(command *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = command.Wait()
	}(s.command, s.ended)
	deadline := time.After(startPatience)
	for {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s has ended:\n%s", s.command.Path, s.output)
		case <-deadline:
			s.signal(syscall.SIGKILL)
			return fmt.Errorf("%s does not listen:\n%s", s.command.Path, s.output)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// signal ends the process, and waits until it has ended.
func (s *Server) signal(signal syscall.Signal) {
	if s.command == nil || s.command.Process == nil {
		return
	}
	_ = s.command.Process.Signal(signal)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		_ = s.command.Process.Kill()
		<-s.ended
	}
}
