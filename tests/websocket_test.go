// Package tests connects to a whole running system as a browser would.
package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/app"
	"iotmon/internal/config"
	"iotmon/internal/wire"
)

// start runs the whole system on a free port, with a few simulated devices that send every second, until the test ends.
// It returns the address.
func start(t *testing.T) string {
	t.Helper()
	return startWith(t, func(*config.Config) {})
}

// startWith does the same with another configuration.
func startWith(t *testing.T, change func(*config.Config)) string {
	t.Helper()
	cfg := config.Default(config.Iotmon, app.Builtin())
	cfg.DataDir = t.TempDir()
	cfg.Server.Addr = "127.0.0.1:0"
	cfg.Simulator.DeviceCount = 20
	cfg.Simulator.SendInterval = time.Second
	change(&cfg)
	ctx, stop := context.WithCancel(context.Background())
	service, err := app.New(ctx, config.Iotmon, &cfg, app.Options{Version: "test", Logger: slog.New(slog.DiscardHandler), Started: time.Now()})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := service.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return service.Addr()
}

// message has every field of the server's messages that these tests look at.
type message struct {
	Type     string `json:"type"`
	Seq      uint64 `json:"seq"`
	Snapshot bool   `json:"snapshot"`
	Session  string `json:"session"`
	Resumed  bool   `json:"resumed"`
	Total    int    `json:"total_devices"`
	Types    []struct {
		Name string `json:"name"`
	} `json:"device_types"`
	AlertRules  []wire.AlertRule `json:"alert_rules"`
	WindowStart time.Time        `json:"window_start"`
	Final       bool             `json:"final"`
	Corrected   bool             `json:"corrected"`
	DeviceIDs   []string         `json:"device_ids"`
	Data        map[string]struct {
		Count   int      `json:"count"`
		Average *float64 `json:"avg_value"`
	} `json:"data"`
	DeviceStatus struct {
		Total int `json:"total_devices"`
	} `json:"device_status"`
	Devices []struct {
		ID    string  `json:"device_id"`
		Value float64 `json:"value"`
	} `json:"devices"`
	Alerts []struct {
		DeviceID string `json:"device_id"`
		Type     string `json:"alert_type"`
		State    string `json:"state"`
	} `json:"alerts"`
}

// page is one connection.
type page struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	seq     uint64
	resumed bool
	hello   *message
}

// visit connects and reads the hello.
func visit(t *testing.T, addr string, query url.Values) *page {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws?"+query.Encode(), nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	response.Body.Close()
	t.Cleanup(func() { conn.Close() })
	p := &page{t: t, conn: conn}
	hello := p.read()
	if hello.Type != "hello" || hello.Session == "" || len(hello.Types) != 5 {
		t.Fatalf("first message: got %+v, want hello with a session and five device types", hello)
	}
	p.session, p.resumed, p.hello = hello.Session, hello.Resumed, hello
	return p
}

func (p *page) read() *message {
	p.t.Helper()
	m := new(message)
	if err := p.conn.ReadJSON(m); err != nil {
		p.t.Fatalf("read after message %d: %v", p.seq, err)
	}
	if m.Seq <= p.seq {
		p.t.Fatalf("seq went from %d to %d", p.seq, m.Seq)
	}
	p.seq = m.Seq
	return m
}

// await reads until want has seen all it wants, for at most half a minute.
func (p *page) await(want func(*message) bool) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	for !want(p.read()) {
	}
}

// post sends one reading in by HTTP.
func post(t *testing.T, addr, device string, value float64) {
	t.Helper()
	reading := map[string]any{
		"device_id": device, "device_type": "temperature_sensor", "timestamp": time.Now().UTC(), "value": value, "unit": "°C",
	}
	body, err := json.Marshal(reading)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post("http://"+addr+"/api/v1/readings", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("post a reading: got %s, want 200", response.Status)
	}
}

func (m *message) has(device string, value float64) bool {
	for _, d := range m.Devices {
		if d.ID == device && d.Value == value {
			return true
		}
	}
	return false
}

func (m *message) alarms(device, state string) bool {
	for _, a := range m.Alerts {
		if a.DeviceID == device && a.Type == "temperature_high" && a.State == state {
			return true
		}
	}
	return false
}

func TestWebSocketShowsTheRunningPlant(t *testing.T) {
	addr := start(t)
	p := visit(t, addr, nil)

	var devices, window, status bool
	p.await(func(m *message) bool {
		devices = devices || len(m.Devices) > 0 && !m.Snapshot
		window = window || len(m.Data) > 0 && m.DeviceStatus.Total > 0
		status = status || m.Type == "device_status" && m.Total > 0
		return devices && window && status
	})

	post(t, addr, "boiler", 31)
	var read, raised bool
	p.await(func(m *message) bool {
		read = read || m.has("boiler", 31)
		raised = raised || m.alarms("boiler", "raised")
		return read && raised
	})

	// A page that resumes after an outage gets each message that it missed once.
	p.conn.Close()
	post(t, addr, "boiler", 20)
	back := visit(t, addr, url.Values{"session": {p.session}, "since": {fmt.Sprint(p.seq)}})
	if !back.resumed {
		t.Error("not resumed")
	}
	back.await(func(m *message) bool {
		if m.alarms("boiler", "raised") {
			t.Error("got the same alert again")
		}
		return m.alarms("boiler", "cleared")
	})
}

func TestWebSocketFilterNarrows(t *testing.T) {
	addr := start(t)
	post(t, addr, "boiler", 21)
	p := visit(t, addr, nil)
	p.await(func(m *message) bool { return m.has("boiler", 21) })
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"filter","device_ids":["boiler"]}`)); err != nil {
		t.Fatal(err)
	}
	// Messages that were sent before the filter are followed by the snapshot for the filter.
	p.await(func(m *message) bool { return m.Type == "device_status" && m.Snapshot && m.Total == 1 })
	post(t, addr, "boiler", 22)
	p.await(func(m *message) bool {
		for _, d := range m.Devices {
			if d.ID != "boiler" {
				t.Fatalf("got device %s", d.ID)
			}
		}
		if m.Type == "aggregated_data" && m.DeviceStatus.Total != 1 {
			t.Fatalf("aggregated_data counts %d devices, want 1", m.DeviceStatus.Total)
		}
		return m.has("boiler", 22)
	})
}
