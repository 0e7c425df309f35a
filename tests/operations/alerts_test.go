package operations

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPrometheusAcceptsConfigurationAndRules(t *testing.T) {
	rules, err := filepath.Glob(filepath.Join(root, "monitoring", "alerts", "*.rules.yml"))
	if err != nil || len(rules) != 2 {
		t.Fatalf("got %v, %v, want two files of rules", rules, err)
	}
	tests, err := filepath.Glob(filepath.Join(root, "monitoring", "alerts", "tests", "*.yml"))
	if err != nil || len(tests) == 0 {
		t.Fatalf("got %v, %v, want tests of the rules", tests, err)
	}
	for _, arguments := range [][]string{
		{"check", "config", filepath.Join(root, "monitoring", "prometheus", "prometheus.yml")},
		append([]string{"check", "rules"}, rules...),
		append([]string{"test", "rules"}, tests...),
	} {
		if output, err := exec.Command("promtool", arguments...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", arguments, err, output)
		}
	}
}

// TestEveryAlertHasRunbookAndTest checks that every alert has a runbook, and a test in which it fires and one in which it does
// not.
func TestEveryAlertHasRunbookAndTest(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rules, cases, operations := read("monitoring/alerts/iotmon.rules.yml"), read("monitoring/alerts/tests/iotmon.test.yml"), read("docs/operations.md")
	alerts := regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 15 {
		t.Fatalf("got %d alerts, want more", len(alerts))
	}
	for _, found := range alerts {
		alert := found[1]
		if !strings.Contains(rules, "runbook: docs/operations.md#"+strings.ToLower(alert)+"\n") {
			t.Errorf("%s: no annotation names its runbook", alert)
		}
		section := regexp.MustCompile(`(?s)\n### ` + alert + `\n\n(.*?)\n##`).FindStringSubmatch(operations)
		if section == nil || len(section[1]) < 80 {
			t.Errorf("%s: docs/operations.md has no section on it, or an empty one", alert)
		}
		if n := strings.Count(cases, "alertname: "+alert+"\n"); n == 0 {
			t.Errorf("%s: no test shows it firing", alert)
		}
		if !strings.Contains(cases, "{eval_time: 20m, alertname: "+alert+", exp_alerts: []}") {
			t.Errorf("%s: no test shows that it is silent in a healthy plant", alert)
		}
	}
	for _, found := range regexp.MustCompile(`(?m)^### (Iotmon\w+)$`).FindAllStringSubmatch(operations, -1) {
		if !slices.ContainsFunc(alerts, func(a []string) bool { return a[1] == found[1] }) {
			t.Errorf("docs/operations.md: there is no alert %s", found[1])
		}
	}
}

// gateway posts a reading of each of ten devices several times a second until it is stopped.
type gateway struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

func startGateway(t *testing.T, addr string) *gateway {
	ctx, cancel := context.WithCancel(t.Context())
	g := &gateway{stop: cancel}
	g.done.Go(func() {
		for ctx.Err() == nil {
			post(ctx, addr)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	t.Cleanup(g.end)
	return g
}

func (g *gateway) end() {
	g.stop()
	g.done.Wait()
}

// post sends a reading of each device, one of them too hot, so that there are alerts. It ignores errors: the metrics show them.
func post(ctx context.Context, addr string) {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	var body bytes.Buffer
	for i := range 10 {
		separator := ","
		if i == 0 {
			separator = "["
		}
		fmt.Fprintf(&body, `%s{"device_id":"oven-%d","device_type":"temperature_sensor","timestamp":%q,"value":%d}`, separator, i, now, 20+i)
	}
	body.WriteString("]")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/v1/readings", &body)
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
	}
}

// TestAlertsFireWhileAFaultLasts has a real Prometheus scrape the real program, for whose rules time passes ten times faster.
func TestAlertsFireWhileAFaultLasts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	t.Parallel()
	plant := serve(t, "iotmon", "IOTMON_DEVICE_SIMULATOR_ENABLED=false", "IOTMON_DATA_DIR="+t.TempDir())
	readings := startGateway(t, plant.addr)
	p := watch(t, plant)
	if !eventually(patience, func() bool {
		rate := p.query("iotmon:readings_processed:rate1m")
		return len(rate) == 1 && rate[0] > 10
	}) {
		t.Fatal("Prometheus sees no readings in time")
	}
	p.await("IotmonNoReadings", false)
	time.Sleep(5 * time.Second) // Whatever would fire without a fault has the time to.
	if names := p.firing(); len(names) > 0 {
		t.Errorf("without a fault these fire: %v", names)
	}

	readings.end()
	p.await("IotmonNoReadings", true)
	startGateway(t, plant.addr)
	p.await("IotmonNoReadings", false)

	plant.kill()
	p.await("IotmonServiceDown", true)
}
