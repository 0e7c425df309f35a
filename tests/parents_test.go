package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
)

// suppressions returns the open alerts of the plant with what suppresses them, in order.
func (p *plant) suppressions() string {
	p.t.Helper()
	response, err := http.Get("http://" + p.addr + "/api/v1/alerts?state=open")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Items []struct {
			Device string `json:"device_id"`
			Why    string `json:"suppressed"`
			By     string `json:"suppressed_by"`
		} `json:"items"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	var words []string
	for _, a := range answer.Items {
		words = append(words, strings.TrimSpace(fmt.Sprint(a.Device, " ", a.Why, " ", a.By)))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// reach waits until the open alerts are as wanted.
func (p *plant) reach(want string) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		got := p.suppressions()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("got the alerts %q for a minute, want %q", got, want)
		}
	}
}

// A gateway with two devices loses its connection: one alert asks for somebody, that of the gateway, also after a restart. The gateway returns, and one of
// its devices; that the other one is dead is found then.
func TestAGatewayThatIsOfflineSilencesItsDevices(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	const grace = 5 * time.Second
	p := startPlant(t, func(cfg *config.Config) { cfg.Devices.OfflineAfter, cfg.Devices.ParentGrace = 2*time.Second, grace })
	for _, device := range []string{"press-1", "press-2"} {
		got := p.decide(http.MethodPut, "/api/v1/devices/"+device, "application/json", `{"parent":"gateway"}`)
		p.await(device, got.Version)
		send(t, p.addr, device, time.Now(), 20)
	}
	send(t, p.addr, "gateway", time.Now(), 20)
	const silenced = "gateway, press-1 by_parent gateway, press-2 by_parent gateway"
	p.reach(silenced)
	for until := time.Now().Add(grace + 2*time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if got := p.suppressions(); got != silenced {
			t.Fatalf("got %q, want %q as long as the gateway is silent", got, silenced)
		}
	}
	p.stop()
	p.start()
	for until := time.Now().Add(grace + 2*time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if got := p.suppressions(); got != silenced {
			t.Fatalf("after a restart: got %q, want %q", got, silenced)
		}
	}
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			send(t, p.addr, "gateway", time.Now(), 20)
			send(t, p.addr, "press-1", time.Now(), 20)
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	p.reach("press-2 by_parent gateway")
	returned := time.Now()
	p.reach("press-2")
	if took := time.Since(returned); took < grace/2 {
		t.Errorf("somebody was asked %v after the gateway returned, want the device to have %v", took, grace)
	}
	if status, _ := p.do(http.MethodPut, "/api/v1/devices/gateway", "application/json", `{"parent":"press-2"}`); status != http.StatusUnprocessableEntity {
		t.Errorf("a gateway below its device: got %d", status)
	}
}
