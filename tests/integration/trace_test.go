package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/tests/testenv"
)

// span is one span, as the receiver of traces prints it.
type span struct {
	Service    string         `json:"service"`
	Name       string         `json:"name"`
	Trace      string         `json:"trace_id"`
	ID         string         `json:"span_id"`
	Parent     string         `json:"parent_span_id"`
	Start      int64          `json:"start_unix_nano"`
	End        int64          `json:"end_unix_nano"`
	Status     string         `json:"status"`
	Attributes map[string]any `json:"attributes"`
}

// receiver is the receiver of traces of the OpenTelemetry Collector.
type receiver struct {
	addr  string
	mu    sync.Mutex
	spans []span // guarded by mu
}

var receiverProgram = sync.OnceValues(func() (string, error) {
	dir, err := programs() // Removed with the others.
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "otlp")
	return program, testenv.BuildModule("otlp", program)
})

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	program, err := receiverProgram()
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{addr: testenv.Address(t)}
	command := exec.Command(program, r.addr)
	stdin, err := command.StdinPipe() // It ends with it.
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := json.NewDecoder(stdout); ; {
			var s span
			if lines.Decode(&s) != nil {
				return
			}
			r.mu.Lock()
			r.spans = append(r.spans, s)
			r.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		stdin.Close()
		reading.Wait()
		if err := command.Wait(); err != nil {
			t.Errorf("the receiver of traces: %v", err)
		}
	})
	waitFor(t, patience, "the receiver of traces listens", func() bool {
		conn, err := net.Dial("tcp", r.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return r
}

// of returns the spans of a trace, by name.
func (r *receiver) of(trace string) map[string]span {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make(map[string]span)
	for _, s := range r.spans {
		if s.Trace == trace {
			found[s.Name] = s
		}
	}
	return found
}

// look connects a viewer that reads and ignores all messages. It returns when the hello message has arrived.
func look(t *testing.T, s *server) {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
}

// sendTraced posts a reading as part of a trace.
func sendTraced(t *testing.T, s *server, device, traceparent string) {
	t.Helper()
	body := encode([]sample{{device: device, kind: iot.Temperature, at: time.Now().UTC().Truncate(time.Millisecond), value: 21}})
	request, err := http.NewRequest(http.MethodPost, s.base()+"/api/v1/readings", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if traceparent != "" {
		request.Header.Set("traceparent", traceparent)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got status %d", response.StatusCode)
	}
}

const (
	sampledTrace, itsSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	unsampledTrace        = "1bf7651916cd43dd8448eb211c80319d"
)

// followed checks that one trace leads from a request to a socket, each step within the one before.
func followed(t *testing.T, r *receiver, steps []span) {
	t.Helper()
	waitFor(t, patience, "every span has been sent", func() bool { return len(r.of(sampledTrace)) >= len(steps) })
	spans, parent := r.of(sampledTrace), itsSpan
	for _, want := range steps {
		got := spans[want.Name]
		if got.Service != want.Service || got.Parent != parent || got.End < got.Start || got.Status == "Error" {
			t.Errorf("%s: got %+v, want it by %s within %s", want.Name, got, want.Service, parent)
		}
		parent = got.ID
	}
	if got := spans[steps[3].Name].Attributes["iotmon.outcome"]; got != "viewed" {
		t.Errorf("the reading was %v, want it viewed", got)
	}
	if got := r.of(unsampledTrace); len(got) > 0 {
		t.Errorf("a trace that its sender had not sampled was followed: %v", got)
	}
}

// exemplar checks that the histogram of latencies leads to the trace, where OpenMetrics is asked for.
func exemplar(t *testing.T, s *server) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.base()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `# {trace_id="` + sampledTrace + `"}`; !strings.Contains(string(text), want) {
		t.Errorf("no exemplar %s among the metrics", want)
	}
}

// sendBoth posts a reading whose trace is sampled and one whose is not, and some that begin a trace here.
func sendBoth(t *testing.T, in *server) {
	t.Helper()
	sendTraced(t, in, "followed", "00-"+sampledTrace+"-"+itsSpan+"-01")
	sendTraced(t, in, "not-followed", "00-"+unsampledTrace+"-"+itsSpan+"-00")
}

func TestTraceFollowsAReadingThroughOneProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the OpenTelemetry Collector's receiver; make test runs it")
	}
	inTurn(t)
	traces := startReceiver(t)
	s := newServer(t, t.TempDir(), fmt.Sprintf("tracing: {endpoint: 'http://%s', sample_ratio: 0}", traces.addr)+killConfig, "-no-simulator")
	s.start()
	look(t, s)
	sendBoth(t, s)
	followed(t, traces, []span{
		{Service: "iotmon", Name: "POST /api/v1/readings"},
		{Service: "iotmon", Name: "send device-data"},
		{Service: "iotmon", Name: "process device-data"},
		{Service: "iotmon", Name: "process device-state"},
		{Service: "iotmon", Name: "send websocket"},
	})
	exemplar(t, s)
}

func TestTraceFollowsAReadingThroughTheServices(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	traces := startReceiver(t)
	c := joinCluster(t)
	config := c.config("readings") + fmt.Sprintf(`
postgres: {url: %q}
redis: {url: %q}
tracing: {endpoint: 'http://%s', sample_ratio: 0}
`, testenv.Postgres(t), testenv.Redis(t), traces.addr) + killConfig
	producer, web := newProgram(t, "producer", config, "-no-simulator"), newProgram(t, "web", config)
	producer.start()
	newProgram(t, "consumer", config).start()
	web.start()
	look(t, web)
	sendBoth(t, producer)
	waitFor(t, patience, "every span has been sent", func() bool { return len(traces.of(sampledTrace)) >= 5 })
	followed(t, traces, []span{
		{Service: "iotmon-producer", Name: "POST /api/v1/readings"},
		{Service: "iotmon-producer", Name: "send " + c.prefix + "readings"},
		{Service: "iotmon-consumer", Name: "process " + c.prefix + "readings"},
		{Service: "iotmon-web", Name: "process " + c.prefix + "states"},
		{Service: "iotmon-web", Name: "send websocket"},
	})
	exemplar(t, web)
}

// TestTracesGoNowhereWithoutHarm configures a receiver that does not exist: readings are accepted, the fault is logged once, and
// the program ends in time.
func TestTracesGoNowhereWithoutHarm(t *testing.T) {
	inTurn(t)
	s := newServer(t, t.TempDir(), fmt.Sprintf("tracing: {endpoint: 'http://%s', sample_ratio: 1}", testenv.Address(t))+killConfig)
	begun := time.Now()
	s.start()
	started := time.Since(begun)
	sendTraced(t, s, "followed", "")
	waitFor(t, patience, "the log says that spans are lost", func() bool { return strings.Contains(s.log.String(), "spans are lost") })
	if took := s.stop(); took > 10*time.Second+started {
		t.Errorf("stopping took %v, and starting %v", took, started)
	}
	if n := strings.Count(s.log.String(), "spans are lost"); n != 1 {
		t.Errorf("the log says %d times that spans are lost", n)
	}
}
