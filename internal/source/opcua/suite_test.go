package opcua_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/opcua"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

// faultyServer is a server with certificates and a user that fails as the suite says.
type faultyServer struct {
	t           *testing.T
	product     product
	directory   string
	port        int
	environment []string
	// mu guards what is below it.
	mu        sync.Mutex
	running   *server
	arguments []string
}

func (s *faultyServer) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *faultyServer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.product.launchIn(s.t, s.environment, s.directory, s.port, s.arguments...)
}

func (s *faultyServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.running.input.Close() // It ends with its input.
	_ = s.running.command.Wait()
}

func (s *faultyServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running.kill()
}

func (s *faultyServer) Pause()  { s.signal(syscall.SIGSTOP) }
func (s *faultyServer) Resume() { s.signal(syscall.SIGCONT) }

func (s *faultyServer) signal(signal syscall.Signal) {
	_ = s.running.command.Process.Signal(signal) // The suite does so between a start and a stop, and a paused server holds mu.
}

// restart starts the server with other arguments.
func (s *faultyServer) restart(arguments ...string) {
	s.Stop()
	s.mu.Lock()
	s.arguments = arguments
	s.mu.Unlock()
	s.Start()
}

// produce has the server write the number.
func (s *faultyServer) produce(_ context.Context, number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.running.input, "write Counter %d\n", number); err != nil {
		return err
	}
	if !s.running.answers("done") {
		return errors.New("the server has ended")
	}
	return nil
}

// lossless are the faults after which the source must not say that values may be missing.
var lossless = []string{"cut", "network_lost_without_a_sign", "stalled", "slow", "another_address", "paused"}

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server of OPC UA")
	}
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{
		"OPC UA of asyncua": asyncua.harness, "OPC UA of node-opcua": nodeOPCUA.harness,
	})
}

func (p product) harness(t *testing.T) *sourcetest.Harness {
	clock := testenv.NewClock(t)
	s := &faultyServer{t: t, product: p, directory: t.TempDir(), port: free(t), environment: clock.Environment()}
	certificate, arguments := secured(t, s.directory)
	s.arguments = arguments
	s.Start()
	var adapter *opcua.Adapter
	t.Cleanup(func() {
		s.Kill()
		if gaps := opcua.Gaps(adapter); gaps > 0 && slices.Contains(lossless, path.Base(t.Name())) {
			t.Errorf("got %d gaps although nothing was lost", gaps)
		}
	})
	o := newOptions(t, "")
	o.Security, o.User, o.PasswordFile, o.Queue = "Basic256Sha256/SignAndEncrypt", user, filepath.Join(t.TempDir(), "password"), 5000
	write(t, o.PasswordFile, password)
	trust(t, o.Trust, certificate)
	if strings.Contains(t.Name(), "interruptions") {
		o.Security = "None" // Else most of the time would be that of a thousand keys.
		o.User, o.PasswordFile = "", ""
	}
	root, err := opcua.ParseNodeName("i=85")
	if err != nil {
		t.Fatal(err)
	}
	o.Browse = &opcua.Browse{Root: root, Include: []string{"Plant/*/Counter"}, Depth: 5, Max: 10}
	return &sourcetest.Harness{
		Server: s, Silence: 7 * time.Second, Keeps: true, Produce: s.produce,
		Rules: []mapping.Rule{{Field: "Counter", Device: "counter", Type: iot.Current}},
		Adapter: func(address string) source.Adapter {
			o.Endpoint = "opc.tcp://" + address
			adapter = another(t, o)
			return adapter
		},
		SetClock: clock.Set,
		// After it, the nodes have other ids and the namespace another index.
		Reset:  func() { s.arguments = append(s.arguments, "--numeric", "--shift") },
		Revoke: func() { s.restart(append(slices.Clone(arguments[:len(arguments)-1]), "another")...) },
		Allow:  func() { s.restart(arguments...) },
		Rotate: func() {
			s.Stop()
			certificate, arguments := secured(t, s.directory)
			trust(t, o.Trust, certificate)
			for _, file := range []string{o.CertFile, o.KeyFile} {
				if err := os.Remove(file); err != nil {
					t.Error(err)
				}
			}
			s.arguments = arguments
			s.Start()
		},
	}
}
