package browser

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// strangeID has something of all that an address cannot hold as it is.
const strangeID = `site/a?b#c%2F d "e" 设备 🔥 ` + "0123456789012345678901234567890123456789012345678901234567890123456789"

// startNginx runs nginx by a file of deployments/ in front of the plant until the test ends, and returns its address.
func (p *plant) startNginx(file string, change ...string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deployments/nginx", file))
	if err != nil {
		p.t.Fatal(err)
	}
	addr, dir := testenv.Address(p.t), p.t.TempDir()
	changes := strings.NewReplacer(append([]string{"listen 80;", "listen " + addr + ";", "127.0.0.1:8080", p.addr}, change...)...)
	config := fmt.Sprintf("daemon off;\nmaster_process off;\nerror_log stderr warn;\npid %[1]s/pid;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\n"+
		"scgi_temp_path %[1]s/s;\n%[2]s\n}\n", dir, changes.Replace(string(text)))
	main := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(main, []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // Where Debian has what only root needs, according to it.
	}
	var output bytes.Buffer
	command := exec.Command(path, "-c", main)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		p.t.Fatalf("%v; make provision installs it", err)
	}
	p.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGKILL)
		_ = command.Wait() // It was killed.
		if p.t.Failed() {
			p.t.Logf("nginx says:\n%s", output.Bytes())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return addr
		}
		if time.Now().After(deadline) {
			p.t.Fatal("nginx does not listen")
		}
	}
}

// Under a path of another server everything works without a setting: the page, its files, the WebSocket, the API, and ids with
// whatever they contain.
func TestPageWorksUnderAPathOfAProxy(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	for _, value := range []float64{20, 21} {
		plant.post(reading{ID: strangeID, Value: value, Location: location{Building: "A/B & “C”"}})
	}
	at := plant.startNginx("subpath.conf")
	tab := plant.open(options{addr: at, path: "/iotmon/", hash: "#device=" + url.PathEscape(strangeID)})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.until(`document.querySelector("#drawer").open && document.querySelector(".drawer-value").textContent === "21.0\u00a0°C"`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length === 2)`, chart("#device-chart")))
	for path, want := range map[string]int{
		"/iotmon/docs": http.StatusOK, "/iotmon/docs/style.css": http.StatusOK, "/iotmon/api/v1/devices/" + url.PathEscape(strangeID): http.StatusOK,
		"/iotmon/api/v1/devices/nothing": http.StatusNotFound, "/iotmon": http.StatusOK,
	} {
		response, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s: got %s, want %d", path, response.Status, want)
		}
	}
	docs := plant.open(options{addr: at, path: "/iotmon/docs"})
	docs.tryOut("#operations-System-get-limits")
}

// A page that cannot connect asks with POST whether that is for its origin; one that may is shown no notice.
func TestServerSaysWhyAPageIsRefused(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	request, err := http.NewRequest(http.MethodPost, plant.url("/ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://plant.example")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("asked as a page of another origin: got %s, want 403", response.Status)
	}
	tab := plant.open(options{})
	tab.until(`document.querySelector("#connection").dataset.phase === "open" && document.querySelector("#refused-notice").hidden`)
}
