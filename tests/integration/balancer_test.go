package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/tests/testenv"
)

// TestWebInstancesBehindABalancer runs two web instances behind the balancers of deployments/. They show the same numbers. When
// one is killed, its viewers only have to connect again.
func TestWebInstancesBehindABalancer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	config := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", testenv.Postgres(t), testenv.Redis(t)) + killConfig
	newProgram(t, "consumer", config).start()
	newProgram(t, "producer", config, "-devices", "50", "-interval", "500ms").start()
	one, other := newProgram(t, "web", config), newProgram(t, "web", config)
	one.start()
	other.start()
	for name, start := range map[string]func(*testing.T, ...*server) string{"nginx": startNginx, "HAProxy": startHAProxy} {
		t.Run(name, func(t *testing.T) {
			balancer := start(t, one, other)
			v := startViewer(t, &server{addr: balancer})
			waitFor(t, patience, "windows close before the viewer's eyes", func() bool { return v.closed() > 3 })
			sendThrough(t, balancer)
			sameNumbers(t, one, other)

			one.kill()
			before := v.closed()
			waitFor(t, patience, "windows close after one instance is gone", func() bool { return v.closed() > before+3 })
			for range 6 {
				sendThrough(t, balancer)
			}
			one.start()
			other.kill()
			before = v.closed()
			waitFor(t, patience, "windows close after the other is gone", func() bool { return v.closed() > before+3 })
			other.start()
		})
	}
}

// sendThrough sends a reading and opens a WebSocket as a page of the balancer does. It sends again what is answered with 503, as a producer
// has to: Kafka may be slow. What the balancer sends to an instance that is gone is answered with another status.
func sendThrough(t *testing.T, balancer string) {
	t.Helper()
	batch := encode([]sample{{device: "through", kind: "temperature_sensor", at: time.Now(), value: 20}})
	waitFor(t, patience, "the reading is accepted", func() bool {
		response, err := http.Post("http://"+balancer+"/api/v1/readings", "application/x-ndjson", bytes.NewReader(batch))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		switch {
		case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
			return false
		case response.StatusCode != http.StatusOK:
			t.Errorf("POST: got status %d, %s, want 200", response.StatusCode, answer)
		}
		return true
	})
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+balancer+"/ws", http.Header{"Origin": {"http://" + balancer}})
	if err != nil {
		t.Errorf("WebSocket of the page's own origin: %v", err)
		return
	}
	conn.Close()
}

// sameNumbers compares the closed windows of both instances.
func sameNumbers(t *testing.T, one, other *server) {
	t.Helper()
	query := "/api/v1/summaries?alerts=false&from=2020-01-01T00:00:00Z&to=" + time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
	waitFor(t, patience, "all of these windows are archived", func() bool {
		a, b := fetch(t, one.base()+query), fetch(t, other.base()+query)
		return a == b && strings.Contains(a, "temperature_sensor")
	})
}

func startNginx(t *testing.T, instances ...*server) string {
	t.Helper()
	addr := testenv.Address(t)
	config := deployed(t, "nginx/iotmon.conf", map[string]string{
		"listen 80;": "listen " + addr + ";", "127.0.0.1:8080": instances[0].addr, "127.0.0.1:8180": instances[1].addr,
	})
	dir := t.TempDir()
	main := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off;\nerror_log stderr warn;\npid %[1]s/pid;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\n"+
		"scgi_temp_path %[1]s/s;\n%[2]s\n}\n", dir, config)
	if os.Getuid() == 0 {
		text = "user root;\n" + text // The directory of a test is nobody else's.
	}
	runBalancer(t, addr, main, text, "nginx", "-c", main)
	return addr
}

func startHAProxy(t *testing.T, instances ...*server) string {
	t.Helper()
	addr := testenv.Address(t)
	config := deployed(t, "haproxy/haproxy.cfg", map[string]string{
		"bind :80": "bind " + addr, "127.0.0.1:8080": instances[0].addr, "127.0.0.1:8180": instances[1].addr,
	})
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	runBalancer(t, addr, file, config, "haproxy", "-db", "-f", file)
	return addr
}

// deployed returns a file of deployments/ with some of its texts replaced, each of which it must have.
func deployed(t *testing.T, name string, replace map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deployments", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	for old, replacement := range replace {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("%s has no %q", name, old)
		}
		text = bytes.ReplaceAll(text, []byte(old), []byte(replacement))
	}
	return string(text)
}

// runBalancer writes the file, and runs the command until the test ends.
func runBalancer(t *testing.T, addr, file, config, name string, args ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // Where Debian has what only root needs, according to it.
	}
	var output bytes.Buffer
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		t.Fatalf("%v; make provision installs it", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait() // It was killed.
		if t.Failed() {
			t.Logf("%s says:\n%s", name, output.Bytes())
		}
	})
	waitFor(t, patience, name+" listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}
