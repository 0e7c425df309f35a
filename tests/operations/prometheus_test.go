package operations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// process is a real program in a process of its own.
type process struct {
	name, addr string
	cmd        *exec.Cmd
	log        bytes.Buffer
}

// launch runs a program that listens on addr, and kills it when the test ends.
func launch(t *testing.T, name, addr string, environment []string, command ...string) *process {
	t.Helper()
	p := &process{name: name, addr: addr, cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Dir = t.TempDir() // Away from configs/ and .env.
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the log of %s ends with:\n%s", name, p.log.Bytes()[max(0, p.log.Len()-4000):])
		}
	})
	return p
}

// serve runs one of our programs and returns when it is ready.
func serve(t *testing.T, name string, environment ...string) *process {
	t.Helper()
	return serveConfigured(t, name, nil, environment...)
}

// serveConfigured is serve with more arguments, such as -config.
func serveConfigured(t *testing.T, name string, arguments []string, environment ...string) *process {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	addr := testenv.Address(t)
	p := launch(t, name, addr, environment, append([]string{filepath.Join(dir, name), "-addr", addr}, arguments...)...)
	if !eventually(patience, func() bool { return answers("http://" + addr + "/ready") }) {
		t.Fatalf("%s is not ready in time", name)
	}
	return p
}

// kill ends the process at once. A second call does nothing.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func answers(url string) bool {
	response, err := http.Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// faster is how much faster time passes for the rules under test than for those of a plant.
const faster = 10

var durations = regexp.MustCompile(`(for: |\[)(\d+)([smh])\b`)

// hurry shortens the durations of rules.
func hurry(rules []byte) []byte {
	return durations.ReplaceAllFunc(rules, func(found []byte) []byte {
		parts := durations.FindSubmatch(found)
		n, _ := strconv.Atoi(string(parts[2])) // The expression lets nothing else through.
		unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[string(parts[3])]
		return fmt.Appendf(nil, "%s%dms", parts[1], (time.Duration(n) * unit / faster).Milliseconds())
	})
}

// prometheus is a real one with the project's configuration and rules.
type prometheus struct {
	t    *testing.T
	base string
}

// watch starts a Prometheus that scrapes the services every second.
func watch(t *testing.T, services ...*process) *prometheus {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "monitoring"))); err != nil {
		t.Fatal(err)
	}
	edit := func(name string, change func([]byte) []byte) {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("alerts/recording.rules.yml", hurry)
	edit("alerts/iotmon.rules.yml", hurry)
	edit("prometheus/prometheus.yml", func(text []byte) []byte {
		return regexp.MustCompile(`(_interval|_timeout): \d+s`).ReplaceAll(text, []byte("$1: 1s"))
	})
	edit("prometheus/services.yml", func([]byte) []byte {
		var targets []byte
		for _, s := range services {
			plant := "works"
			if s.name == "iotmon" {
				plant = "edge" // One process is a plant by itself.
			}
			targets = fmt.Appendf(targets, "- targets: [%q]\n  labels: {service: %s, plant: %s}\n", s.addr, s.name, plant)
		}
		return targets
	})
	addr := testenv.Address(t)
	launch(t, "prometheus", addr, nil, "prometheus", "--config.file="+filepath.Join(dir, "prometheus", "prometheus.yml"),
		"--web.listen-address="+addr, "--storage.tsdb.path="+t.TempDir(), "--log.level=warn")
	p := &prometheus{t, "http://" + addr}
	if !eventually(patience, func() bool { return answers(p.base + "/-/ready") }) {
		t.Fatal("Prometheus is not ready in time")
	}
	return p
}

// get decodes the data of an answer of Prometheus's API.
func (p *prometheus) get(path string, query url.Values, into any) {
	p.t.Helper()
	response, err := http.Get(p.base + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          json.RawMessage
	}{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	if answer.Status != "success" {
		p.t.Fatalf("%s?%s: %s", path, query.Encode(), answer.Error)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		p.t.Fatal(err)
	}
}

// query returns the present values of an expression, without those that are not numbers.
func (p *prometheus) query(expression string) []float64 {
	p.t.Helper()
	var answer struct {
		Result []struct {
			Value [2]any
		}
	}
	p.get("/api/v1/query", url.Values{"query": {expression}}, &answer)
	var values []float64
	for _, series := range answer.Result {
		text, _ := series.Value[1].(string)
		if value, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(value) {
			values = append(values, value)
		}
	}
	return values
}

// firing returns the names of our alerts that fire, sorted.
func (p *prometheus) firing() []string {
	p.t.Helper()
	var answer struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	p.get("/api/v1/alerts", nil, &answer)
	var names []string
	for _, a := range answer.Alerts {
		if a.State == "firing" && strings.HasPrefix(a.Labels["alertname"], "Iotmon") {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// await waits until the alert fires, or until it does no more.
func (p *prometheus) await(alert string, fires bool) {
	p.t.Helper()
	begun := time.Now()
	if !eventually(patience, func() bool { return slices.Contains(p.firing(), alert) == fires }) {
		p.t.Fatalf("%s: firing is not %v within %v; these fire: %v", alert, fires, patience, p.firing())
	}
	p.t.Logf("%s: firing is %v after %v", alert, fires, time.Since(begun).Round(100*time.Millisecond))
}
