package modbus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	t      *testing.T
	config map[string]any
	// at is where it listens, host and port.
	at      string
	records string
	// environment is more of the server's environment.
	environment []string
	running     *testenv.Commanded
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
	s := &pymodbus{t: t, records: filepath.Join(t.TempDir(), "records")}
	s.config = map[string]any{"records": s.records, "units": units, "behaviour": how}
	maps.Copy(s.config, more)
	t.Cleanup(func() {
		if s.running != nil {
			s.running.Kill()
		}
	})
	return s
}

// start starts it, at the address of the first start.
func (s *pymodbus) start() {
	s.t.Helper()
	s.running = testenv.StartModbus(s.t, s.at, s.environment, s.config)
	s.at = s.running.Address
}

func (s *pymodbus) behave(unit int, how behaviour) {
	s.t.Helper()
	text, err := json.Marshal(map[string]any{"unit": fmt.Sprint(unit), "how": how})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.running.Do(s.t.Context(), string(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *pymodbus) address(scheme string) string {
	return scheme + "://" + s.at
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
	// How often devices send is tested elsewhere.
	l.reports = append(l.reports, slices.DeleteFunc(slices.Clone(reports), func(r source.Report) bool { return r.Interval != 0 })...)
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
