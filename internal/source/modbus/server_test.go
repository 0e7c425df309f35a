package modbus_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
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
	"iotmon/internal/source/modbus"
	"iotmon/tests/testenv"
)

// served is one request that the server has answered.
type served struct {
	Unit, Function, Address, Count int
	// Number is what the answer had in its first register, if the unit counts.
	Number    *int
	Exception int
	Written   bool
}

// behaviour is how a unit of the server answers. Counter, if not nil, has it count its answers from there.
type behaviour struct {
	Counter   *int           `json:"counter,omitempty"`
	Exception int            `json:"exception,omitempty"`
	Delay     float64        `json:"delay,omitempty"`
	Set       map[string]int `json:"set,omitempty"`
}

// tables are the contents of a unit: by the name of the table and the first address, what follows from there.
type tables map[string]map[string]any

// pymodbus is a Modbus server by pymodbus.
type pymodbus struct {
	t       *testing.T
	config  map[string]any
	port    int
	records string
	// environment is more of the server's environment.
	environment []string

	process *exec.Cmd
	input   io.WriteCloser
	// answers are the lines that the server prints as answers.
	answers chan string
}

func startServer(t *testing.T, units map[int]tables, how map[int]behaviour, more map[string]any) *pymodbus {
	t.Helper()
	s := newServer(t, units, how, more)
	s.start()
	return s
}

// newServer returns a server that is not started yet.
func newServer(t *testing.T, units map[int]tables, how map[int]behaviour, more map[string]any) *pymodbus {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &pymodbus{t: t, port: listener.Addr().(*net.TCPAddr).Port, records: filepath.Join(t.TempDir(), "records")}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.config = map[string]any{"port": s.port, "records": s.records, "units": units, "behaviour": how}
	maps.Copy(s.config, more)
	t.Cleanup(s.kill)
	return s
}

func (s *pymodbus) start() {
	s.t.Helper()
	s.process = exec.Command(testenv.Python(s.t, "pymodbus"), "testdata/server.py")
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	input, err1 := s.process.StdinPipe()
	output, err2 := s.process.StdoutPipe()
	if err1 != nil || err2 != nil {
		s.t.Fatal(err1, err2)
	}
	s.process.Stderr = s.t.Output()
	s.process.Env = append(os.Environ(), s.environment...)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	answers := make(chan string, 10)
	s.input, s.answers = input, answers
	go func() {
		defer close(answers)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if line := lines.Text(); line == "ok" || line == "ready" { // The others are what the library prints.
				answers <- line
			}
		}
	}()
	s.command(s.config, "ready")
}

// command sends a line, and waits for the answer.
func (s *pymodbus) command(message any, want string) {
	s.t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.input.Write(append(text, '\n')); err != nil {
		s.t.Fatal(err)
	}
	if got := <-s.answers; got != want {
		s.t.Fatalf("the server: got %q, want %q", got, want)
	}
}

func (s *pymodbus) behave(unit int, how behaviour) {
	s.t.Helper()
	s.command(map[string]any{"unit": fmt.Sprint(unit), "how": how}, "ok")
}

func (s *pymodbus) signal(signal os.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Error(err)
	}
}

func (s *pymodbus) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // It may have ended.
	_ = s.process.Wait()
}

func (s *pymodbus) address(scheme string) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
}

func (s *pymodbus) served() []served {
	s.t.Helper()
	text, err := os.ReadFile(s.records)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []served
	for line := range strings.Lines(string(text)) {
		var one served
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

// memoryLog is a log in memory.
type memoryLog struct {
	mu       sync.Mutex
	readings []iot.Reading
	reports  []source.Report
	rejected []source.Rejected
}

func (l *memoryLog) Append(_ context.Context, readings []iot.Reading) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readings = append(l.readings, readings...)
	return nil
}

func (l *memoryLog) Report(_ context.Context, reports []source.Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, reports...)
	return nil
}

func (l *memoryLog) Reject(_ context.Context, rejected []source.Rejected) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rejected = append(l.rejected, rejected...)
	return nil
}

// of returns the readings of a device.
func (l *memoryLog) of(device string) []iot.Reading {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []iot.Reading
	for _, r := range l.readings {
		if string(r.ID) == device {
			found = append(found, r)
		}
	}
	return found
}

func (l *memoryLog) reportsOf(device string) []source.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.reports), func(r source.Report) bool { return string(r.Device.ID) != device })
}

// running is a source that polls until the test ends. Each value is a reading of the device that is called like its field.
type running struct {
	*memoryLog
	status *source.Status
	stop   func()
}

func poll(t testing.TB, o modbus.Options) *running {
	t.Helper()
	adapter, err := modbus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "number", Min: -1e300, Max: 1e300}, iot.TypeSpec{Name: "mode", States: []string{"STOP", "RUN"}, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	var rules []mapping.Rule
	for _, u := range o.Units {
		for _, r := range u.Registers {
			kind := iot.DeviceType("number")
			if strings.HasPrefix(r.Type.String(), "string") {
				kind = "mode"
			}
			rules = append(rules, mapping.Rule{Field: r.Field, Device: "{field}", Type: kind})
		}
	}
	mapped, err := mapping.New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	s := &running{memoryLog: &memoryLog{}, status: source.NewStatus("test", "modbus", time.Now)}
	runner := &source.Runner{
		Name: "test", Adapter: adapter, Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler),
		FirstPause: 20 * time.Millisecond, LongestPause: 100 * time.Millisecond,
		Pipeline: source.PipelineOptions{
			Name: "test", Log: s.memoryLog, Mapping: mapped, Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second},
			Status: s.status, Logger: slog.New(slog.DiscardHandler),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// until waits for something to become true.
func until(t testing.TB, what string, within time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// register returns a register whose field is its name.
func register(t testing.TB, name string, kind modbus.Kind, offset int, format, order string) modbus.Register {
	t.Helper()
	parsed, err1 := modbus.ParseType(format)
	ordered, err2 := modbus.ParseOrder(order)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return modbus.Register{Kind: kind, Offset: uint16(offset), Type: parsed, Order: ordered, Field: name}
}
