package sparkplug_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug"
	"iotmon/tests/testenv"
)

// independent is an edge node on a library of somebody else, in a process of its own.
type independent struct {
	t       *testing.T
	command *exec.Cmd
	input   io.Writer
	done    chan struct{}

	mu sync.Mutex
	// recorded are the values of the node, by device and time.
	recorded map[string]map[int64]float64
}

func startIndependent(t *testing.T, program string, args ...string) *independent {
	t.Helper()
	n := &independent{t: t, command: exec.Command(program, args...), done: make(chan struct{}, 10), recorded: make(map[string]map[int64]float64)}
	n.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.command.Stderr = os.Stderr
	var err error
	if n.input, err = n.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := n.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.command.Start(); err != nil {
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
		n.kill()
		<-read
		_ = n.command.Wait()
	})
	n.wait()
	return n
}

func (n *independent) line(text string) {
	words := strings.Fields(text)
	if len(words) == 4 && words[0] == "value" {
		timestamp, _ := strconv.ParseInt(words[2], 10, 64)
		value, _ := strconv.ParseFloat(words[3], 64)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.recorded[words[1]] == nil {
			n.recorded[words[1]] = make(map[int64]float64)
		}
		n.recorded[words[1]][timestamp*1000] = value
		return
	}
	n.done <- struct{}{}
}

func (n *independent) kill() { _ = n.command.Process.Kill() }

func (n *independent) wait() {
	n.t.Helper()
	select {
	case <-n.done:
	case <-time.After(30 * time.Second):
		n.t.Fatal("the edge node does not answer")
	}
}

// do sends a line, and returns when the node has done what it says.
func (n *independent) do(line string) {
	n.t.Helper()
	if _, err := fmt.Fprintln(n.input, line); err != nil {
		n.t.Fatal(err)
	}
	n.wait()
}

// missing compares what the node has recorded with what is in the log.
func (n *independent) missing(h *host) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	all, missing, wrong := 0, 0, 0
	for path, values := range n.recorded {
		for at, value := range values {
			all++
			r, ok := h.readings[path][at]
			switch {
			case !ok:
				missing++
			case r.Value != value:
				wrong++
			}
		}
		for at := range h.readings[path] {
			if _, ok := values[at]; !ok {
				wrong++
			}
		}
	}
	if missing+wrong == 0 && all > 0 {
		return ""
	}
	return fmt.Sprintf("of %d values %d are missing and %d are wrong", all, missing, wrong)
}

// historical counts the readings of a device that were sent late.
func (m *memory) historical(device string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := 0
	for _, r := range m.readings[device] {
		if r.Historical {
			count++
		}
	}
	return count
}

// TestIndependentEdgeNodes compares reading by reading what edge nodes on two libraries record with what comes into the log: live, and replayed after the
// host was away.
func TestIndependentEdgeNodes(t *testing.T) {
	for _, c := range []struct {
		name, node string
		start      func(t *testing.T, host, port string) *independent
		// rules are for a library that sends no units.
		rules []mapping.Rule
	}{
		{"pysparkplug", "python", func(t *testing.T, host, port string) *independent {
			return startIndependent(t, testenv.Python(t, "pysparkplug"), filepath.Join("testdata", "edge.py"), host, port)
		}, []mapping.Rule{
			{Field: "supply", Device: "{group}/{node}/{field}", Type: iot.Current},
			{Field: "temperature", Device: "{group}/{node}/{device}/{field}", Type: iot.Temperature},
			{Field: "running", Device: "{group}/{node}/{device}/{field}", Type: iot.Switch},
		}},
		{"sparkplug-client", "javascript", func(t *testing.T, host, port string) *independent {
			return startIndependent(t, "node", filepath.Join("testdata", "edge.js"), testenv.NodeModules(t, "sparkplug-client"), host, port)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broker := newBroker(t)
			change := func(o *sparkplug.Options) {
				if c.rules != nil {
					o.ByUnit = nil
				}
			}
			address, port, _ := net.SplitHostPort(broker.Address())
			h := startHostWith(t, broker.Address(), c.rules, newMemory(), change)
			until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
			n := c.start(t, address, port)
			n.do("data 300")
			until(t, "every value", h, func() bool { return n.missing(h) == "" })

			// The host is away, and what was measured meanwhile is replayed.
			h.stop()
			n.do("store 100")
			h = startHostWith(t, broker.Address(), c.rules, h.memory, change)
			until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
			n.do("data 1") // Its births follow.
			until(t, "births", h, func() bool { return h.memory.status("Plant/"+c.node+"/supply") == iot.ReportedOnline })
			time.Sleep(time.Second)
			n.do("replay")
			n.do("data 10")
			temperature := "Plant/" + c.node + "/press/temperature"
			until(t, "every value", h, func() bool { return n.missing(h) == "" })
			if r, _ := h.latest(temperature); r.Historical {
				t.Errorf("the newest reading is a replayed one: %+v", r)
			}
			if got := h.historical(temperature); got != 100 {
				t.Errorf("got %d historical readings of the temperature, want 100", got)
			}

			n.kill()
			until(t, "offline", h, func() bool { return h.memory.status(temperature) == iot.ReportedOffline })
		})
	}
}
