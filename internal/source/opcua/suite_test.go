package opcua_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/opcua"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

// faultyServer is a server with certificates and a user that fails as the suite says. All faults of a way that stop or change the server have the same
// one, because each start takes seconds.
type faultyServer struct {
	product   product
	directory string
	clock     *testenv.Clock
	// mu guards what is below it.
	mu sync.Mutex
	// t is the test of the fault that is tried.
	t *testing.T
	// address is that of the first start.
	address   string
	running   *server
	arguments []string
}

func (s *faultyServer) Address() string { return s.address }

func (s *faultyServer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = &server{testenv.StartOPCUA(s.t, string(s.product), s.address, s.directory, s.clock.Environment(), s.arguments...)}
	s.address = s.running.Address
}

func (s *faultyServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running.Stop()
}

func (s *faultyServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Kill()
	}
}

// Pause and Resume come between a start and a stop, and a paused server holds mu.
func (s *faultyServer) Pause()  { s.running.Pause() }
func (s *faultyServer) Resume() { s.running.Resume() }

// restart starts the server with other arguments.
func (s *faultyServer) restart(arguments ...string) {
	s.Stop()
	s.mu.Lock()
	s.arguments = arguments
	s.mu.Unlock()
	s.Start()
}

// produce has the server write the number.
func (s *faultyServer) produce(ctx context.Context, number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Do(ctx, fmt.Sprintf("write Counter %d", number))
}

// bystander is a server for faults that it does not notice.
type bystander struct{ *server }

func (s bystander) Address() string { return s.server.Address }

func (bystander) Start() { panic("others use this server") }

// lossless are the faults after which the source must not say that values may be missing, and losing those after which it must.
var (
	lossless = []string{"cut", "network_lost_without_a_sign", "stalled", "slow", "another_address", "paused"}
	losing   = []string{"stopped", "killed", "another_state", "credentials_revoked", "certificates_rotated"}
)

func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server of OPC UA")
	}
	harnesses := make(map[string]func(t *testing.T) *sourcetest.Harness)
	for name, p := range map[string]product{"OPC UA of asyncua": asyncua, "OPC UA of node-opcua": nodeOPCUA} {
		faulty := &faultyServer{product: p, directory: t.TempDir(), clock: testenv.NewClock(t)}
		t.Cleanup(faulty.Kill)
		var variables atomic.Int32
		harnesses[name] = func(t *testing.T) *sourcetest.Harness {
			if !sourcetest.LeavesServerAlone(t) {
				return faulty.harness(t)
			}
			s, variable := p.shared(t), fmt.Sprint("Fault", variables.Add(1))
			s.do(t, "create %s 0", variable)
			h, o := newHarness(t, variable)
			h.Server = bystander{s}
			h.Produce = func(ctx context.Context, number int) error {
				return s.Do(ctx, fmt.Sprintf("write %s %d", variable, number))
			}
			trust(t, o.Trust, servers[p].certificate())
			return h
		}
	}
	sourcetest.Run(t, harnesses)
}

// newHarness returns a harness without a server for numbers in a variable, and the options of its source, which does not trust the server yet.
func newHarness(t *testing.T, variable string) (*sourcetest.Harness, *opcua.Options) {
	t.Helper()
	var adapter *opcua.Adapter
	fault := path.Base(t.Name())
	t.Cleanup(func() {
		switch gaps := opcua.Gaps(adapter); {
		case gaps > 0 && slices.Contains(lossless, fault):
			t.Errorf("got %d gaps although nothing was lost", gaps)
		case gaps == 0 && slices.Contains(losing, fault):
			t.Error("got no gap although values may be missing")
		}
	})
	o := newOptions(t, "")
	o.Security, o.User, o.PasswordFile, o.Queue = "Basic256Sha256/SignAndEncrypt", user, filepath.Join(t.TempDir(), "password"), 5000
	write(t, o.PasswordFile, password)
	if fault == "interruptions" {
		o.Security = "None" // Else most of the time would be that of a thousand keys.
		o.User, o.PasswordFile = "", ""
	}
	root, err := opcua.ParseNodeName("i=85")
	if err != nil {
		t.Fatal(err)
	}
	o.Browse = &opcua.Browse{Root: root, Include: []string{"Plant/*/" + variable}, Depth: 5, Max: 10}
	return &sourcetest.Harness{
		Silence: 7 * time.Second, Keeps: true, SilenceSays: "published nothing",
		Rules: []mapping.Rule{{Field: variable, Device: "counter", Type: iot.Current}},
		Adapter: func(address string) source.Adapter {
			o.Endpoint = "opc.tcp://" + address
			adapter = another(t, o)
			return adapter
		},
	}, &o
}

func (s *faultyServer) harness(t *testing.T) *sourcetest.Harness {
	s.mu.Lock()
	s.t = t
	s.mu.Unlock()
	if s.running == nil {
		_, s.arguments = testenv.OPCUASecurity(t, s.directory)
		s.Start()
	}
	certificate := filepath.Join(s.directory, "server.pem")
	if err := s.produce(t.Context(), 0); err != nil { // The last fault has left its last number.
		t.Fatal(err)
	}
	h, o := newHarness(t, "Counter")
	trust(t, o.Trust, certificate)
	arguments := slices.Clone(s.arguments)
	h.Server, h.Produce, h.SetClock = s, s.produce, s.clock.Set
	// After it, the nodes have other ids and the namespace another index.
	h.Reset = func() { s.arguments = append(s.arguments, "--numeric", "--shift") }
	h.Revoke = func() {
		changed := slices.Clone(arguments)
		changed[slices.Index(changed, "--password")+1] = "another"
		s.restart(changed...)
	}
	h.Allow = func() { s.restart(arguments...) }
	h.Rotate = func() {
		s.Stop()
		testenv.OPCUASecurity(t, s.directory) // The arguments are the same.
		for _, file := range []string{o.CertFile, o.KeyFile} {
			if err := os.Remove(file); err != nil {
				t.Error(err)
			}
		}
		s.Start()
		// The operator finds the new certificate among those that were refused.
		for deadline := time.Now().Add(back); ; time.Sleep(10 * time.Millisecond) {
			kept, err := filepath.Glob(filepath.Join(o.Refused, "*.der"))
			if err == nil && len(kept) == 1 {
				trust(t, o.Trust, kept[0])
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the new certificate was not refused: got %q, %v", kept, err)
			}
		}
	}
	return h
}
