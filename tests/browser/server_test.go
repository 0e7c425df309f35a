// Package browser tests the dashboard where it lives: in a real browser, against the real program.
package browser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// binary builds iotmon once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "iotmon-browser-")
	if err != nil {
		return "", err
	}
	if err := testenv.Build(dir, "iotmon"); err != nil {
		return "", err
	}
	return filepath.Join(dir, "iotmon"), nil
})

func TestMain(m *testing.M) {
	if err := liveAtNoon(); err != nil {
		panic(err)
	}
	code := m.Run()
	if !testing.Short() {
		if c, err := browser(); err == nil {
			c.stop()
		}
		if path, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// liveAtNoon sets the time zone of the tests, of the browser and of the programs to one in which it is about noon. The pages write a date
// beside times of another day, so around midnight they would show other words than at any other time.
func liveAtNoon() error {
	east := 12 - time.Now().UTC().Hour()
	name := fmt.Sprintf("Etc/GMT%+d", -east) // Such names count the hours to the west.
	time.Local = time.FixedZone(name, east*60*60)
	return os.Setenv("TZ", name)
}

// plant is the program in a process of its own, with what it has archived kept over a restart.
type plant struct {
	t    testing.TB
	addr string
	// broker is the address of the embedded broker.
	broker string
	args   []string
	log    bytes.Buffer
	cmd    *exec.Cmd
	exited chan error
}

// startPlant runs the program until the test ends. The windows are short, so that a test sees several.
func startPlant(t *testing.T, flags ...string) *plant {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser and the whole system")
	}
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return newPlant(t, path, flags...)
}

// newPlant runs a build of the program until the test ends.
func newPlant(t testing.TB, path string, flags ...string) *plant {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "iotmon.yaml")
	p := &plant{t: t, addr: testenv.Address(t), broker: testenv.Address(t)}
	_, port, err := net.SplitHostPort(p.broker)
	if err != nil {
		t.Fatal(err)
	}
	settings := "aggregation: {window_seconds: 2, allowed_lateness: 1s}\n" +
		// On a busy machine a test takes longer than a device may be silent.
		"devices: {offline_after: 10m}\nkafka: {embedded: {port: " + port + "}}\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	p.args = append([]string{path, "-config", config, "-addr", p.addr, "-data-dir", filepath.Join(dir, "data")}, flags...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the server's log:\n%s", p.log.Bytes())
		}
	})
	p.start()
	return p
}

// start runs the program and returns when it is ready.
func (p *plant) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(p.cmd, p.exited)
	deadline := time.After(patience)
	for {
		response, err := http.Get(p.url("/ready"))
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			p.t.Fatalf("the server ended before it was ready: %v", err)
		case <-deadline:
			p.t.Fatalf("the server is not ready after %v; last error %v", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill ends the process at once, as kill -9 does.
func (p *plant) kill() {
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.exited
	p.cmd = nil
}

func (p *plant) url(path string) string { return "http://" + p.addr + path }

// reading is what a test posts; everything else is left to the server.
type reading struct {
	ID       string    `json:"device_id"`
	Type     string    `json:"device_type"`
	Time     time.Time `json:"timestamp"`
	Value    float64   `json:"value"`
	Status   string    `json:"status,omitempty"`
	Location location  `json:"location,omitzero"`
	Quality  string    `json:"quality,omitempty"`
}

type location struct {
	Building string `json:"building"`
	Floor    int    `json:"floor"`
	Room     string `json:"room"`
}

// post sends readings, of now and of temperature unless they say otherwise. All of them must be accepted.
func (p *plant) post(readings ...reading) {
	p.t.Helper()
	for i := range readings {
		if readings[i].Time.IsZero() {
			readings[i].Time = time.Now()
		}
		if readings[i].Type == "" {
			readings[i].Type = "temperature_sensor"
		}
	}
	body, err := json.Marshal(readings)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.Post(p.url("/api/v1/readings"), "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(response.Body)
		p.t.Fatalf("post readings: %s: %s", response.Status, answer)
	}
}

// get decodes the answer to a GET.
func (p *plant) get(path string, answer any) {
	p.t.Helper()
	response, err := http.Get(p.url(path))
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
}
