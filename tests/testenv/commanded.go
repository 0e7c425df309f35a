package testenv

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Commanded is a server that is given commands by its standard input, a line each, and answers each by a line of its standard output. It ends with
// its input, and so with the process of the tests at the latest.
type Commanded struct {
	// Address is where it listens, host and port.
	Address string

	process *exec.Cmd
	input   io.WriteCloser
	// answers are the lines by which it answers. It is closed when the server has ended.
	answers chan string
	errors  tail
	// mu lets one command be given after the other, and guards pending.
	mu sync.Mutex
	// pending is how many commands have no answer yet.
	pending int
}

// startCommanded starts a server at an address, or at any free one if that is empty, and returns when the server has said that it is ready. prepare
// returns the command for an address, and the first line of the server's input if it wants one before.
func startCommanded(t testing.TB, address string, prepare func(address string) (command *exec.Cmd, first string)) *Commanded {
	t.Helper()
	if address == "" {
		address = Address(t)
	}
	s := &Commanded{Address: address}
	if err := s.start(prepare(address)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Commanded) start(command *exec.Cmd, first string) error {
	s.process = command
	s.process.Stderr = &s.errors
	// It also ends when it is paused while the process of the tests ends.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := s.process.StdoutPipe()
	if err != nil {
		return err
	}
	if s.input, err = s.process.StdinPipe(); err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	answers := make(chan string)
	s.answers = answers
	go func() {
		defer close(answers)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if line := lines.Text(); line == "ready" || line == "done" { // The others are what the libraries print.
				answers <- line
			}
		}
	}()
	if first == "" {
		s.pending++
		err = s.answered(context.Background())
	} else {
		err = s.Do(context.Background(), first)
	}
	if err != nil {
		s.Kill()
		return fmt.Errorf("%s does not start: %w", s.process, err)
	}
	return nil
}

// Do gives the server a command and waits until it is done, or the context ends. After an error it may be done, or be done later.
func (s *Commanded) Do(ctx context.Context, command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.input, command+"\n"); err != nil {
		return fmt.Errorf("%q: %w", command, err)
	}
	s.pending++
	if err := s.answered(ctx); err != nil {
		return fmt.Errorf("%q: %w", command, err)
	}
	return nil
}

// answered waits for the answer to the last command.
func (s *Commanded) answered(ctx context.Context) error {
	for s.pending > 0 {
		select {
		case _, ok := <-s.answers:
			if !ok {
				return fmt.Errorf("the server has ended: %s", &s.errors)
			}
			s.pending--
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Pause stops the process: its connections stay and nothing answers. Resume lets it go on.
func (s *Commanded) Pause() { _ = s.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Commanded) Resume() { _ = s.process.Process.Signal(syscall.SIGCONT) }

// Stop ends the server as an operator would, and waits until it has ended.
func (s *Commanded) Stop() {
	_ = s.input.Close()
	s.wait()
}

// Kill ends the server by force, and waits until it has ended. It may have ended before.
func (s *Commanded) Kill() {
	_ = s.process.Process.Kill()
	s.wait()
}

func (s *Commanded) wait() {
	for range s.answers { // The process must not be waited for while its output is read.
	}
	_ = s.process.Wait()
}

// ofTestenv returns the path of a file of this package.
func ofTestenv(t testing.TB, name string) string {
	t.Helper()
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "tests", "testenv", "testdata", name)
}

// tail keeps the last output of a process.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 4 << 10
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
