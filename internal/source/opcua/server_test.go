package opcua_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/opcua"
	"iotmon/tests/testenv"
)

const plant = "urn:iotmon:test:plant"

// product is a program that serves OPC UA.
type product string

const (
	asyncua   product = testenv.Asyncua
	nodeOPCUA product = testenv.NodeOPCUA
)

var products = []product{asyncua, nodeOPCUA}

// server is a running server. One command after the other is given to it.
type server struct{ *testenv.Commanded }

func (s *server) endpoint() string { return "opc.tcp://" + s.Address }

// start starts a server, which ends with the test.
func (p product) start(t testing.TB, arguments ...string) *server {
	t.Helper()
	s := &server{testenv.StartOPCUA(t, string(p), "", t.TempDir(), nil, arguments...)}
	t.Cleanup(s.Kill)
	return s
}

// do gives the server a command and waits until it is done.
func (s *server) do(t testing.TB, format string, arguments ...any) {
	t.Helper()
	if err := s.Do(t.Context(), fmt.Sprintf(format, arguments...)); err != nil {
		t.Fatal(err)
	}
}

// user and password are those of every server that has certificates.
const user, password = testenv.OPCUAUser, testenv.OPCUAPassword

// lasting is a server that all tests use that do not disturb it, since each takes seconds to start. It has certificates and users, by password and by
// certificate.
type lasting struct {
	directory string
	mu        sync.Mutex
	running   *server
}

var servers = map[product]*lasting{asyncua: {}, nodeOPCUA: {}}

// certificate is the file of the server's certificate, userCert and userKey those of the user who logs in by certificate.
func (l *lasting) certificate() string { return filepath.Join(l.directory, "server.pem") }
func (l *lasting) userCert() string    { return filepath.Join(l.directory, "user.pem") }
func (l *lasting) userKey() string     { return filepath.Join(l.directory, "user-key.pem") }

// shared returns a server that other tests use, too.
func (p product) shared(t testing.TB) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a server of OPC UA")
	}
	l := servers[p]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running != nil {
		return l.running
	}
	_, arguments := testenv.OPCUASecurity(t, l.directory)
	if err := opcua.MakeIdentity(l.userCert(), l.userKey()); err != nil {
		t.Fatal(err)
	}
	l.running = &server{testenv.StartOPCUA(t, string(p), "", l.directory, nil, append(arguments, "--user-cert", l.userCert())...)}
	return l.running
}

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "opcua")
	if err != nil {
		panic(err)
	}
	for p, l := range servers {
		l.directory = filepath.Join(directory, string(p))
		if err := os.MkdirAll(l.directory, 0o700); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	for _, l := range servers {
		if l.running != nil {
			l.running.Kill()
		}
	}
	if err := os.RemoveAll(directory); err != nil {
		panic(err)
	}
	if code == 0 {
		// It answers until the process ends.
		if err := goleak.Find(goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// record is a log of readings in memory.
type record struct {
	mu       sync.Mutex
	readings []iot.Reading
	reports  []source.Report
	rejected []source.Rejected
	changed  chan struct{}
	down     bool
}

func (r *record) note() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *record) Append(_ context.Context, readings []iot.Reading) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return errors.New("the log is down")
	}
	r.readings = append(r.readings, readings...)
	r.note()
	return nil
}

func (r *record) Report(_ context.Context, reports []source.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// How often devices send is tested elsewhere.
	r.reports = append(r.reports, slices.DeleteFunc(slices.Clone(reports), func(r source.Report) bool { return r.Interval != 0 })...)
	r.note()
	return nil
}

func (r *record) Reject(_ context.Context, rejected []source.Rejected) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range rejected {
		one.Payload = append([]byte(nil), one.Payload...)
		r.rejected = append(r.rejected, one)
	}
	r.note()
	return nil
}

// of returns the readings of a device.
func (r *record) of(device string) (all []iot.Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.readings {
		if string(r.readings[i].ID) == device {
			all = append(all, r.readings[i])
		}
	}
	return all
}

func (r *record) has(device string, value float64) bool {
	for _, reading := range r.of(device) {
		if reading.Value == value {
			return true
		}
	}
	return false
}

// reported reports whether there is a bad report about a device with a reason that contains the text.
func (r *record) reported(device, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.reports {
		if string(one.Device.ID) == device && one.Status == iot.ReportedBad && strings.Contains(one.Reason, reason) {
			return true
		}
	}
	return false
}

// refused reports whether there is a dead letter whose reason contains the text.
func (r *record) refused(reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.rejected {
		if strings.Contains(one.Reason, reason) {
			return true
		}
	}
	return false
}

// running is a source that runs.
type running struct {
	t testing.TB
	*record
	adapter *opcua.Adapter
	status  *source.Status
	stop    func()
}

// fields are the names of the values that the tests map to a device of the same name.
var fields = []string{
	"Temp", "Bool", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "NaN", "String", "Empty", "Date", "Guid", "Bytes",
	"Text", "Counter", "Cut", "Beaten", "Gone", "Paused", "Held", "Stamped", "Filled", "Bad", "Uncertain", "Array/0", "Array/1", "Array/2", "Motor/Speed", "Motor/Count", "Motor/Name", "Motor/Phases/2", "Span/Low", "Span/High",
}

const number = "number"

func newOptions(t testing.TB, endpoint string, names ...string) opcua.Options {
	t.Helper()
	o := opcua.Options{
		Name: "test", Endpoint: endpoint, Security: "None", Trust: filepath.Join(t.TempDir(), "trusted"), Refused: filepath.Join(t.TempDir(), "refused"),
		Publishing: 100 * time.Millisecond, Queue: 100,
	}
	directory := t.TempDir()
	o.CertFile, o.KeyFile = filepath.Join(directory, "own", "cert.pem"), filepath.Join(directory, "own", "key.pem")
	for _, name := range names {
		node, err := opcua.ParseNodeName("nsu=" + plant + ";s=Line1." + name)
		if err != nil {
			t.Fatal(err)
		}
		o.Nodes = append(o.Nodes, opcua.Node{Node: node})
	}
	return o
}

// run runs a source until the test ends.
func run(t testing.TB, o opcua.Options, more ...string) *running {
	t.Helper()
	adapter, err := opcua.New(o)
	if err != nil {
		t.Fatal(err)
	}
	opcua.SetRetry(adapter, time.Second)
	types := append(iot.BuiltinTypes(), iot.TypeSpec{Name: number, Min: -1e300, Max: 1e300})
	catalog, err := iot.NewCatalog(types...)
	if err != nil {
		t.Fatal(err)
	}
	var rules []mapping.Rule
	for _, field := range append(fields, more...) {
		rules = append(rules, mapping.Rule{Field: field, Device: "{field}", Type: number})
	}
	rules[0].Type = iot.Temperature
	mapped, err := mapping.New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, adapter: adapter, record: &record{changed: make(chan struct{}, 1)}, status: source.NewStatus("test", "opcua", time.Now)}
	logger := slog.New(slog.DiscardHandler)
	runner := &source.Runner{
		Name: "test", Adapter: adapter, Owner: source.Alone{}, Logger: logger, FirstPause: 100 * time.Millisecond, LongestPause: time.Second,
		Pipeline: source.PipelineOptions{
			Name: "test", Log: r.record, Decode: opcua.Decode, Mapping: mapped, Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second},
			Status: r.status, Logger: logger,
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(r.stop)
	return r
}

// within waits until the condition holds.
func (r *running) within(limit time.Duration, what string, holds func() bool) {
	r.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-r.changed:
		case <-again.C:
		case <-deadline.C:
			snapshot := r.status.Snapshot()
			r.mu.Lock()
			for _, one := range r.readings[max(0, len(r.readings)-40):] {
				r.t.Logf("%s %v %s", one.ID, one.Value, one.Time.Format(time.StampMicro))
			}
			r.t.Logf("%d readings, reports %v, rejected %v", len(r.readings), r.reports, r.rejected[max(0, len(r.rejected)-5):])
			r.mu.Unlock()
			r.t.Fatalf("not within %v: %s (state %s, error %q, %d connections)", limit, what, snapshot.State, snapshot.Error, snapshot.Connections)
		}
	}
}
