package opcua_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
	asyncua   product = "asyncua"
	nodeOPCUA product = "node-opcua"
)

var products = []product{asyncua, nodeOPCUA}

// server is a running server. One command after the other is given to it.
type server struct {
	port    int
	mu      sync.Mutex
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

func (s *server) endpoint() string { return fmt.Sprintf("opc.tcp://127.0.0.1:%d", s.port) }

// free returns a port that is free.
func free(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// start starts a server, which ends with the test. Port 0 is any free one.
func (p product) start(t testing.TB, port int, arguments ...string) *server {
	t.Helper()
	s := p.launch(t, t.TempDir(), port, arguments...)
	t.Cleanup(s.kill)
	return s
}

// launch starts a server with its files in a directory. It ends with the program of the tests at the latest, because its input does.
func (p product) launch(t testing.TB, directory string, port int, arguments ...string) *server {
	t.Helper()
	return p.launchIn(t, nil, directory, port, arguments...)
}

// launchIn is launch with more in the server's environment.
func (p product) launchIn(t testing.TB, environment []string, directory string, port int, arguments ...string) *server {
	t.Helper()
	if port == 0 {
		port = free(t)
	}
	s := &server{port: port}
	arguments = append([]string{"--port", strconv.Itoa(port)}, arguments...)
	if p == asyncua {
		s.command = exec.Command(testenv.Python(t, string(p)), append([]string{"testdata/asyncua_server.py"}, arguments...)...)
	} else {
		s.command = exec.Command("node", append([]string{"testdata/node_opcua_server.cjs"}, arguments...)...)
		s.command.Env = append(os.Environ(), "NODE_PATH="+testenv.NodeModules(t, string(p)), "OPCUA_DIRECTORY="+directory)
	}
	if s.command.Env == nil {
		s.command.Env = os.Environ()
	}
	s.command.Env = append(s.command.Env, environment...)
	errorsOf := &tail{}
	s.command.Stderr = errorsOf
	var err error
	if s.input, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	s.output = bufio.NewReader(output)
	if !s.answers("ready") {
		t.Fatalf("%s does not start: %s", p, errorsOf.String())
	}
	return s
}

// answers reads lines until the wanted one, and reports whether it came.
func (s *server) answers(want string) bool {
	for {
		line, err := s.output.ReadString('\n')
		if strings.TrimSpace(line) == want {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// do gives the server a command and waits until it is done.
func (s *server) do(t testing.TB, format string, arguments ...any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.input, format+"\n", arguments...); err != nil {
		t.Fatal(err)
	}
	if !s.answers("done") {
		t.Fatalf("the server does not do %q", fmt.Sprintf(format, arguments...))
	}
}

func (s *server) signal(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func (s *server) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// user and password are those of every server that has certificates.
const user, password = "iotmon", "päss-word"

// secured returns the arguments of a server with a certificate, which is made, and a user.
func secured(t testing.TB, directory string) (certificate string, arguments []string) {
	t.Helper()
	certificate, key := filepath.Join(directory, "server.pem"), filepath.Join(directory, "server-key.pem")
	for _, file := range []string{certificate, key} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := opcua.MakeIdentity(certificate, key); err != nil {
		t.Fatal(err)
	}
	return certificate, []string{"--cert", certificate, "--key", key, "--user", user, "--password", password}
}

// lasting is a server that all tests use that do not disturb it, since each takes seconds to start.
type lasting struct {
	mu      sync.Mutex
	running *server
}

var (
	servers          = map[product]*lasting{asyncua: {}, nodeOPCUA: {}}
	serversDirectory string
)

// shared returns a server with certificates and a user, which other tests use, too.
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
	directory := filepath.Join(serversDirectory, string(p))
	if err := os.MkdirAll(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	_, arguments := secured(t, directory)
	l.running = p.launch(t, directory, 0, arguments...)
	return l.running
}

func TestMain(m *testing.M) {
	var err error
	if serversDirectory, err = os.MkdirTemp("", "opcua"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, l := range servers {
		if l.running != nil {
			l.running.kill()
		}
	}
	if err := os.RemoveAll(serversDirectory); err != nil {
		panic(err)
	}
	os.Exit(code)
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
	r.reports = append(r.reports, reports...)
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
