package modbus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/modbus"
	"iotmon/internal/source/sourcetest"
)

// faultyServer is a pymodbus that fails as the suite says.
type faultyServer struct {
	*pymodbus
	// mu guards the process, its input and its answers.
	mu sync.Mutex
}

func (s *faultyServer) Address() string { return strings.TrimPrefix(s.address(""), "://") }

func (s *faultyServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.input.Close() // It ends with its input.
	_ = s.process.Wait()
}

func (s *faultyServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *faultyServer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

func (s *faultyServer) Pause()  { s.signal(syscall.SIGSTOP) }
func (s *faultyServer) Resume() { s.signal(syscall.SIGCONT) }

// produce has the number in the register from now on.
func (s *faultyServer) produce(ctx context.Context, number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.input, `{"unit": "1", "how": {"set": {"0": %d}}}`+"\n", number); err != nil {
		return err
	}
	select {
	case _, ok := <-s.answers:
		if !ok {
			return errors.New("the server has ended")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestFaults(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Harness {
		server := &faultyServer{pymodbus: startServer(t, map[int]tables{1: {"holding": {"0": []int{0}}}}, nil, nil)}
		value := register(t, "value", modbus.Holding, 0, "uint16", "")
		return &sourcetest.Harness{
			Server:  server,
			Silence: 2 * time.Second,
			Produce: server.produce,
			Rules:   []mapping.Rule{{Field: "value", Device: "meter", Type: iot.Current}},
			Adapter: func(address string) source.Adapter {
				adapter, err := modbus.New(modbus.Options{
					Connection: modbus.Connection{Address: "tcp://" + address, Timeout: 500 * time.Millisecond},
					Units:      []modbus.Unit{{ID: 1, Every: 10 * time.Millisecond, Registers: []modbus.Register{value}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				return adapter
			},
		}
	})
}
