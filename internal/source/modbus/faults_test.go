package modbus_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/modbus"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

// faultyServer is a pymodbus that fails as the suite says.
type faultyServer struct {
	*pymodbus
	// mu guards what runs.
	mu sync.Mutex
}

func (s *faultyServer) Address() string { return s.at }

func (s *faultyServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running.Stop()
}

func (s *faultyServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running.Kill()
}

func (s *faultyServer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

// Pause and Resume come between a start and a stop, and a paused server holds mu.
func (s *faultyServer) Pause()  { s.running.Pause() }
func (s *faultyServer) Resume() { s.running.Resume() }

// produce has the number in the register from now on.
func (s *faultyServer) produce(ctx context.Context, number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Do(ctx, fmt.Sprintf(`{"unit": "1", "how": {"set": {"0": %d}}}`, number))
}

// serverNames are the names in the server's certificate.
var serverNames = []string{"localhost", "*.test"}

func TestFaults(t *testing.T) {
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{
		"Modbus TCP": func(t *testing.T) *sourcetest.Harness { return harness(t, "tcp", nil, modbus.TLS{}) },
		"Modbus RTU over TCP": func(t *testing.T) *sourcetest.Harness {
			return harness(t, "rtuovertcp", map[string]any{"framer": "rtu"}, modbus.TLS{})
		},
		"Modbus TLS": encrypted,
	})
}

func harness(t *testing.T, scheme string, more map[string]any, files modbus.TLS) *sourcetest.Harness {
	clock := testenv.NewClock(t)
	server := &faultyServer{pymodbus: newServer(t, map[int]tables{1: {"holding": {"0": []int{0}}}}, nil, more)}
	server.environment = clock.Environment()
	server.start()
	value := register(t, "value", modbus.Holding, 0, "uint16", "")
	return &sourcetest.Harness{
		Server:   server,
		Silence:  2 * time.Second,
		Produce:  server.produce,
		SetClock: clock.Set,
		// It is busy until it gets a number.
		Reset: func() { server.config["behaviour"] = map[int]behaviour{1: {Exception: 6}} },
		Rules: []mapping.Rule{{Field: "value", Device: "meter", Type: iot.Current}},
		Adapter: func(address string) source.Adapter {
			adapter, err := modbus.New(modbus.Options{
				Connection: modbus.Connection{Address: scheme + "://" + address, Timeout: 500 * time.Millisecond, TLS: files},
				Units:      []modbus.Unit{{ID: 1, Every: 10 * time.Millisecond, Registers: []modbus.Register{value}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			return adapter
		},
	}
}

// encrypted is a harness with certificates on both sides: that of the client is its login.
func encrypted(t *testing.T) *sourcetest.Harness {
	dir, others := t.TempDir(), t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverNames...)
	sourcetest.WriteCertificates(t, others, serverNames...)
	files := certificates(dir)
	more := serverFiles(dir)
	h := harness(t, "tls", more, files)
	server := h.Server.(*faultyServer)
	restart := func(change func()) {
		server.Stop()
		change()
		server.Start()
	}
	h.Revoke = func() { restart(func() { server.config["ca"] = filepath.Join(others, "ca.pem") }) }
	h.Allow = func() { restart(func() { server.config["ca"] = files.CAFile }) }
	h.Rotate = func() { restart(func() { sourcetest.WriteCertificates(t, dir, serverNames...) }) }
	return h
}

func certificates(dir string) modbus.TLS {
	return modbus.TLS{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key")}
}

// serverFiles are the settings of a server that encrypts.
func serverFiles(dir string) map[string]any {
	return map[string]any{"ca": filepath.Join(dir, "ca.pem"), "cert": filepath.Join(dir, "server.pem"), "key": filepath.Join(dir, "server.key")}
}
