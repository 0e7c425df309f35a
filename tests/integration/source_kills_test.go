package integration

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// TestKillsOfOneProgramLoseNothingOfItsSources kills iotmon while devices publish by MQTT with QoS 1 and an edge node of Sparkplug measures. What the
// MQTT broker has acknowledged, and what the node has recorded and replays as its history, is in the archive once.
func TestKillsOfOneProgramLoseNothingOfItsSources(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := fmt.Sprintf("url: \"tcp://%s\", username: user, password_file: %s", broker.Address(), password)
	s := newServer(t, t.TempDir(), killConfig+fmt.Sprintf(`
sources:
  - name: mqtt
    mqtt: {%[1]s, client_id: gateway, topics: ["plant/#"]}
  - name: nodes
    sparkplug: {%[1]s, host_id: iotmon, groups: [Plant], primary: true}
    map:
      - {field: supply, device: "{group}/{node}/{field}", type: current_sensor}
      - {field: temperature, device: "{group}/{node}/{device}/{field}", type: temperature_sensor}
      - {field: running, device: "{group}/{node}/{device}/{field}", type: switch_sensor}
`, login), "-no-simulator")
	connected := func() {
		t.Helper()
		waitFor(t, patience, "the sources are connected", func() bool {
			shown := sources(s)
			return shown["mqtt"].State == "connected" && shown["nodes"].State == "connected"
		})
	}
	s.start()
	connected()
	node := startNode(t, broker)
	messages := publishReadings(t, broker)
	node.do("data 100")
	for range briefly(3, 30) {
		waitFor(t, patience, "what the node has sent is in the archive", func() bool { return node.missing(t, s) == "" })
		s.kill() // Messages of the MQTT session are under way.
		node.do("store 50")
		s.start()
		connected()
		node.do("data 1") // The host asks for its births.
		time.Sleep(time.Second)
		node.do("replay")
		node.do("data 50")
	}
	sent := messages.stop()
	var missing string
	if !eventually(patience, func() bool { missing = node.missing(t, s); return missing == "" }) {
		t.Error(missing)
	}
	byDevice := make(map[string]map[int64]float64)
	for _, m := range sent {
		if byDevice[m.device] == nil {
			byDevice[m.device] = make(map[int64]float64)
		}
		byDevice[m.device][m.at.UnixMicro()] = m.value
	}
	for device, want := range byDevice {
		var got map[int64]float64
		if !eventually(patience, func() bool { got = recent(t, s, device); return maps.Equal(got, want) }) {
			t.Errorf("%s: got %d archived readings, want %d", device, len(got), len(want))
		}
	}
	t.Logf("%d messages and %d values of the edge node are in the archive, each once", len(sent), node.count())
}

// recent returns the archived readings of a device of the last minutes.
func recent(t *testing.T, s *server, device string) map[int64]float64 {
	t.Helper()
	return readingsBetween(t, s, device, time.Now().Add(-briefly(5*time.Minute, time.Hour)), time.Now().Add(time.Minute))
}

// edgeNode is an edge node on the library pysparkplug.
type edgeNode struct {
	t     *testing.T
	input io.Writer
	done  chan struct{}

	mu       sync.Mutex
	recorded map[string]map[int64]float64
}

func startNode(t *testing.T, broker *testenv.Mosquitto) *edgeNode {
	t.Helper()
	host, port, _ := net.SplitHostPort(broker.Address())
	script := filepath.Join("..", "..", "internal", "source", "sparkplug", "testdata", "edge.py")
	command := exec.Command(testenv.Python(t, "pysparkplug"), script, host, port)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stderr = t.Output()
	n := &edgeNode{t: t, done: make(chan struct{}, 10), recorded: make(map[string]map[int64]float64)}
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	n.input = input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			n.line(lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-read
		_ = command.Wait()
	})
	n.wait()
	return n
}

func (n *edgeNode) line(text string) {
	var device string
	var at int64
	var value float64
	if !strings.HasPrefix(text, "value ") {
		n.done <- struct{}{}
		return
	}
	if _, err := fmt.Sscanf(text, "value %s %d %g", &device, &at, &value); err != nil {
		n.t.Error(err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.recorded[device] == nil {
		n.recorded[device] = make(map[int64]float64)
	}
	n.recorded[device][at*1000] = value
}

func (n *edgeNode) wait() {
	n.t.Helper()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Fatal("the edge node does not answer")
	}
}

// do sends a line, and returns when the node has done what it says.
func (n *edgeNode) do(line string) {
	n.t.Helper()
	if _, err := fmt.Fprintln(n.input, line); err != nil {
		n.t.Fatal(err)
	}
	n.wait()
}

// missing says which values of the node are not in the archive; empty if it has exactly those.
func (n *edgeNode) missing(t *testing.T, s *server) string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for device, want := range n.recorded {
		if got := recent(t, s, device); !maps.Equal(got, want) {
			return fmt.Sprintf("%s: got %d archived readings, want %d", device, len(got), len(want))
		}
	}
	return ""
}

// count returns how many values the node has recorded.
func (n *edgeNode) count() (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, values := range n.recorded {
		count += len(values)
	}
	return count
}
