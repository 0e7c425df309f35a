package tests

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"iotmon/internal/config"
)

// oddRule is a rule about the deviation from other devices.
const oddRule = `{"name":"%v","device_type":"temperature_sensor","condition":{"kind":"deviation","threshold":%v,"hysteresis":1},"severity":"warning"}`

// sendUntil has devices send until the open alerts are as wanted.
func (p *plant) sendUntil(want string, values map[string]float64) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		p.sendAll(values)
		got := p.suppressions()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("got the alerts %q for a minute, want %q", got, want)
		}
	}
}

func (p *plant) sendAll(values map[string]float64) {
	p.t.Helper()
	for device, value := range values {
		send(p.t, p.addr, device, time.Now(), value)
	}
}

// sendFor has devices send for a time, in which the open alerts must stay as they are.
func (p *plant) sendFor(lasts time.Duration, want string, values map[string]float64) {
	p.t.Helper()
	for until := time.Now().Add(lasts); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		p.sendAll(values)
		if got := p.suppressions(); got != want {
			p.t.Fatalf("got the alerts %q, want %q all the time", got, want)
		}
	}
}

// One of six devices, which are in several partitions, differs from the others. Its alert stays open while medians are computed again and again, and over a
// restart, until it is as the others are.
func TestADeviceThatDiffersFromTheOthersIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	p := startPlant(t, func(cfg *config.Config) { cfg.Devices.OfflineAfter = time.Minute })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, _ := p.do(http.MethodPost, "/api/v1/rules", "application/json", fmt.Sprintf(oddRule, "odd", 3))
		if status == http.StatusCreated || status == http.StatusAccepted {
			break
		}
		if status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Fatalf("add the rule: got %d", status)
		}
	}
	if status, _ := p.do(http.MethodPost, "/api/v1/rules", "application/json", fmt.Sprintf(oddRule, "never", 0)); status != http.StatusUnprocessableEntity {
		t.Errorf("a deviation by more than 0: got %d", status)
	}
	values := map[string]float64{"oven-1": 20, "oven-2": 20.5, "oven-3": 21, "oven-4": 20, "oven-5": 20.5, "oven-6": 12}
	p.sendUntil("oven-6", values)
	p.sendFor(4*time.Second, "oven-6", values)
	p.stop()
	p.start()
	p.reach("oven-6")
	p.sendFor(4*time.Second, "oven-6", values)
	values["oven-6"] = 20
	p.sendUntil("", values)
}
