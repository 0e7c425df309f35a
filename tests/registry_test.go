package tests

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

// plant is a whole system that can be started again on the same data.
type plant struct {
	t    *testing.T
	cfg  config.Config
	addr string
	stop func()
}

// startPlant starts a system without simulated devices.
func startPlant(t *testing.T, change ...func(*config.Config)) *plant {
	t.Helper()
	p := &plant{t: t, cfg: config.Default(config.Iotmon, app.Builtin())}
	p.cfg.DataDir, p.cfg.Server.Addr = t.TempDir(), "127.0.0.1:0"
	quiet(&p.cfg)
	for _, change := range change {
		change(&p.cfg)
	}
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *plant) start() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	service, err := app.New(ctx, config.Iotmon, &p.cfg, app.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Started: time.Now()})
	if err != nil {
		cancel()
		p.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := service.Run(ctx); err != nil {
			p.t.Errorf("run: %v", err)
		}
	})
	p.addr = service.Addr()
	p.stop = func() { cancel(); running.Wait() }
}

// device is what the REST interface says of a device.
type registeredDevice struct {
	ID     string `json:"device_id"`
	Status string `json:"status"`
	Alerts []struct {
		Type string `json:"alert_type"`
	} `json:"alerts"`
	Area    string `json:"area"`
	Version int64  `json:"version"`
	InForce bool   `json:"in_force"`
	Entry   *struct {
		Version int64  `json:"version"`
		Name    string `json:"name"`
	} `json:"registered"`
}

// do sends a request and decodes the answer.
func (p *plant) do(method, path, contentType, body string, headers ...string) (status int, answer registeredDevice) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	_ = json.NewDecoder(response.Body).Decode(&answer) // Some answers have no body.
	return response.StatusCode, answer
}

// decide repeats a change until it is made: at first it is not known yet what is in force.
func (p *plant) decide(method, path, contentType, body string, headers ...string) registeredDevice {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, answer := p.do(method, path, contentType, body, headers...)
		switch {
		case status == http.StatusOK || status == http.StatusCreated || status == http.StatusAccepted || status == http.StatusNoContent:
			return answer
		case status != http.StatusServiceUnavailable || time.Now().After(deadline):
			p.t.Fatalf("%s %s: got %d", method, path, status)
		}
	}
}

// await waits until the entry of a device has the version in force; 0 means that there is none.
func (p *plant) await(device string, version int64) registeredDevice {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, answer := p.do(http.MethodGet, "/api/v1/devices/"+device, "", "")
		inForce := int64(0)
		if answer.Entry != nil {
			inForce = answer.Entry.Version
		}
		if inForce == version && (status == http.StatusOK || version == 0) {
			return answer
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: version %d is not in force after a minute: %d %+v", device, version, status, answer)
		}
	}
}

// What people decide about a device comes into force, stays in force after a restart, and comes into force again when the log is lost.
func TestADeviceIsWhatPeopleDecide(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	p := startPlant(t)
	const patch = "application/merge-patch+json"
	p.decide(http.MethodPut, "/api/v1/devices/press-1", "application/json", `{"name":"Press 1","area":"hall/line 1"}`)
	p.await("press-1", 1)
	send(t, p.addr, "press-1", time.Now(), 20)
	for deadline := time.Now().Add(time.Minute); p.await("press-1", 1).Status != "online"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the device is not online after a minute")
		}
	}
	if got := p.await("press-1", 1); got.Area != "hall/line 1" || got.Entry.Name != "Press 1" {
		t.Errorf("got %+v", got)
	}

	p.stop()
	p.start()
	p.await("press-1", 1)
	p.decide(http.MethodPatch, "/api/v1/devices/press-1", patch, `{"name":"Press 7"}`, "If-Match", `"1"`)
	p.await("press-1", 2)

	p.stop()
	if err := os.RemoveAll(filepath.Join(p.cfg.DataDir, "kafka")); err != nil {
		t.Fatal(err)
	}
	p.start()
	if got := p.await("press-1", 2); got.Entry.Name != "Press 7" {
		t.Errorf("after the log was lost: got %+v", got)
	}
	p.decide(http.MethodDelete, "/api/v1/devices/press-1", "", "")
	p.await("press-1", 0)

	// A database that is lost learns from what is in force. Versions go on.
	p.decide(http.MethodPut, "/api/v1/devices/press-2", "application/json", `{"name":"Press 2"}`)
	p.await("press-2", 1)
	p.stop()
	for _, name := range []string{"control.db", "control.db-wal", "control.db-shm"} {
		if err := os.Remove(filepath.Join(p.cfg.DataDir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	p.start()
	p.await("press-2", 1)
	if got := p.decide(http.MethodPatch, "/api/v1/devices/press-2", patch, `{"area":"hall"}`); got.Version != 2 {
		t.Errorf("got version %d, want 2", got.Version)
	}
	p.await("press-2", 2)
}

// Somebody who sees that a device is offline, and decides that it need not send so often or is retired, sees the effect at once.
func TestADecisionChangesTheOpenOfflineAlert(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	p := startPlant(t, func(cfg *config.Config) { cfg.Devices.OfflineAfter = 2 * time.Second })
	const path, patch = "/api/v1/devices/press-1", "application/merge-patch+json"
	offline := func() string {
		_, got := p.do(http.MethodGet, path, "", "")
		alerts := ""
		for _, a := range got.Alerts {
			alerts += " " + a.Type
		}
		return got.Status + alerts
	}
	reach := func(want string, within time.Duration) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			got := offline()
			if got == want {
				return
			}
			if time.Since(began) > within {
				t.Fatalf("got %q for %v, want %q", got, within, want)
			}
		}
	}
	send(t, p.addr, "press-1", time.Now(), 20)
	reach("offline device_offline", time.Minute)
	for _, step := range []struct{ change, want string }{
		{`{"interval_seconds":3600}`, "online"},
		{`{"interval_seconds":null}`, "offline device_offline"},
		{`{"retired":true}`, "offline"},
		{`{"retired":false}`, "offline device_offline"},
		{`{"retired":true,"interval_seconds":3600}`, "online"},
		{`{"retired":false}`, "online"},
	} {
		if got := p.decide(http.MethodPatch, path, patch, step.change); !got.InForce {
			t.Logf("%s: not in force when it was answered; the machine is busy", step.change)
			p.await("press-1", got.Version)
		}
		reach(step.want, 2*time.Second)
	}
}
