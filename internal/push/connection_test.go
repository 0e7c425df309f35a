package push

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// stall connects a client that reads nothing after its hello, and whose side of the network holds little.
func (p *plant) stall() *browser {
	p.t.Helper()
	dialer := websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		}
		return conn, err
	}}
	conn, response, err := dialer.Dial(p.url(nil), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response.Body.Close()
	p.t.Cleanup(func() { conn.Close() })
	v := &browser{t: p.t, conn: conn}
	v.session = v.read().Session
	return v
}

func TestStalledClientDelaysNobodyAndCostsNothing(t *testing.T) {
	p := build(t, func(o *HubOptions) { o.Limits.WriteTimeout = time.Minute })
	const devices, updates = 400, 100
	all := func(update int) view.Batch {
		var b view.Batch
		for n := range devices {
			b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", float64(update)))
		}
		return b
	}
	p.Apply(all(-1))
	fast := p.enter(isSnapshot(wire.TypeDeviceData))
	var stalled []*browser
	for range 5 {
		stalled = append(stalled, p.stall())
	}
	before := heap()
	for update := range updates {
		p.Apply(all(update))
		began := time.Now()
		last := fmt.Appendf(nil, `"value":%d,`, update)
		for received := 0; received < devices; {
			received += bytes.Count(fast.readBytes(), last)
		}
		if took := time.Since(began); took > 30*time.Second { // Half of what a stalled one may take.
			t.Fatalf("update %d: a fast client waited %v", update, took)
		}
	}
	// Five clients with 100 updates of 400 devices, some 200 bytes each, would have 40 MB waiting.
	if grown := int64(heap()) - int64(before); grown > 10<<20 {
		t.Errorf("five stalled clients: the heap grew by %d bytes", grown)
	}
	// Once they read again, they get what is true now rather than all that was.
	for i, v := range stalled {
		latest, received := make(map[iot.DeviceID]float64), 0
		for !upToDate(latest, devices, updates-1) {
			for _, d := range v.read().Devices {
				latest[d.DeviceID] = d.Value
				received++
			}
		}
		if received > devices*updates/2 {
			t.Errorf("client %d received %d readings of %d: they were not conflated", i, received, devices*updates)
		}
	}
}

// A client that reads slowly may need longer for its messages than the timeout for the answer to a ping.
func TestClientThatIsBehindMayPing(t *testing.T) {
	p := build(t, func(o *HubOptions) { o.Limits.WriteTimeout = time.Minute })
	const devices, updates = 4000, 20
	v := p.stall()
	say := func(value float64) {
		var b view.Batch
		for n := range devices {
			b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", value))
		}
		p.Apply(b)
	}
	for update := range updates {
		say(float64(update))
		time.Sleep(20 * time.Millisecond)
	}
	if err := v.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	for _, value := range []float64{updates - 1, updates} {
		say(value)
		latest := make(map[iot.DeviceID]float64)
		for !upToDate(latest, devices, value) {
			for _, d := range v.read().Devices {
				latest[d.DeviceID] = d.Value
			}
		}
	}
}

func upToDate(latest map[iot.DeviceID]float64, devices int, value float64) bool {
	if len(latest) < devices {
		return false
	}
	for _, v := range latest {
		if v != value {
			return false
		}
	}
	return true
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestClientTooSlowForAlertsIsDisconnectedAndStartsAnew(t *testing.T) {
	p := build(t, func(o *HubOptions) { o.Limits.Alerts, o.Limits.AlertGrace = 8, time.Nanosecond })
	slow := p.stall()
	fast := p.enter(isSnapshot(wire.TypeDeviceStatus))
	const alarms = 100
	received := 0
	for n := range alarms {
		a := p.Alarm(n, iot.Temperature, "A", iot.Critical, iot.Raised)
		a.Message = strings.Repeat("x", 10_000)
		p.Apply(view.Batch{Alerts: []iot.Alert{a}})
		all := fast.readUntil(isChange(wire.TypeAlert))
		received += len(all[len(all)-1].Alerts)
	}
	if received != alarms {
		t.Errorf("a fast client received %d alerts of %d", received, alarms)
	}
	closed := slow.readToEnd()
	if closed.Code != websocket.CloseTryAgainLater || closed.Text != string(TooSlowAlerts) {
		t.Errorf("closed with %v, want %d %q", closed, websocket.CloseTryAgainLater, TooSlowAlerts)
	}
	back := p.connect(slow.resume())
	open := 0
	for open < alarms {
		open += len(back.read().Alerts)
	}
	if back.resumed {
		t.Error("resumed although alerts are gone")
	}
}

// readToEnd reads until the connection closes and returns how.
func (v *browser) readToEnd() *websocket.CloseError {
	v.t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		v.t.Fatal(err)
	}
	for {
		if _, _, err := v.conn.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			if !errors.As(err, &closed) {
				v.t.Fatalf("connection ended by %v, want a close message", err)
			}
			return closed
		}
	}
}

func TestThousandClientsGetEveryAlertAndTheNewestWindow(t *testing.T) {
	p := build(t, nil)
	const clients, alarms = 1000, 20
	var connecting, reading sync.WaitGroup
	viewers := make([]*browser, clients)
	for i := range viewers {
		connecting.Add(1)
		go func() {
			defer connecting.Done()
			viewers[i] = p.enter(isSnapshot(wire.TypeDeviceStatus))
		}()
	}
	connecting.Wait()
	for _, v := range viewers {
		reading.Go(func() {
			events, count := make(map[string]int), int64(0)
			for len(events) < alarms || count < alarms {
				m := v.read()
				for _, a := range m.Alerts {
					events[a.ID]++
				}
				if m.Type == wire.TypeAggregatedData {
					count = m.Data[iot.Temperature].Count
				}
			}
			for id, times := range events {
				if times != 1 {
					t.Errorf("alert %s came %d times", id, times)
				}
			}
		})
	}
	readings := []float64(nil)
	for n := range alarms {
		readings = append(readings, 20)
		p.Apply(view.Batch{
			Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, n == alarms-1, readings...)},
			Alerts:    []iot.Alert{p.Alarm(n, iot.Temperature, "A", iot.Warning, iot.Raised)},
		})
	}
	reading.Wait()
}

func TestClientThatConnectsWhileAlertsAreRaisedReceivesEachOnce(t *testing.T) {
	p := build(t, nil)
	const alarms = 500
	var raising, watching sync.WaitGroup
	raising.Go(func() {
		for n := range alarms {
			p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(n, iot.Temperature, "A", iot.Warning, iot.Raised)}})
		}
	})
	for range 40 {
		v := p.connect(nil)
		watching.Go(func() {
			events := make(map[string]int)
			for len(events) < alarms {
				for _, a := range v.read().Alerts {
					events[a.ID]++
				}
			}
			for id, times := range events {
				if times != 1 {
					t.Errorf("alert %s came %d times", id, times)
				}
			}
		})
	}
	raising.Wait()
	watching.Wait()
}

func TestGarbageIsAnsweredOrEndsTheConnection(t *testing.T) {
	long := `{"type":"filter","device_ids":["` + strings.Repeat(`a","`, 300) + `"]}`
	for _, test := range []struct {
		name    string
		send    func(*websocket.Conn) error
		answer  bool
		closing int
	}{
		{"no JSON", text("hello"), true, 0},
		{"an array", text("[]"), true, 0},
		{"an unknown type", text(`{"type":"subscribe"}`), true, 0},
		{"an unknown key", text(`{"type":"filter","devices":[]}`), true, 0},
		{"an unknown severity", text(`{"type":"filter","min_severity":"bad"}`), true, 0},
		{"a list too long", text(long), true, 0},
		{"no UTF-8", text("{\"type\":\"\xff\"}"), true, 0},
		{"nothing", text(""), true, 0},
		{"a binary message", func(c *websocket.Conn) error {
			return c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"filter"}`))
		}, false, websocket.CloseUnsupportedData},
		{"a huge message", text(strings.Repeat(" ", 100_000)), false, websocket.CloseMessageTooBig},
		{"a flood", func(c *websocket.Conn) error {
			for range 100 {
				if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"filter"}`)); err != nil {
					return err
				}
			}
			return nil
		}, false, websocket.ClosePolicyViolation},
		{"no frames", func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			return err
		}, false, websocket.CloseProtocolError},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := build(t, nil)
			v := p.connect(nil)
			if err := test.send(v.conn); err != nil {
				t.Fatal(err)
			}
			if test.answer {
				all := v.readUntil(isChange(wire.TypeError))
				if answer := all[len(all)-1]; answer.Code != "bad_filter" || answer.Message == "" {
					t.Errorf("answer: got %+v, want code bad_filter and a message", answer)
				}
			} else if closed := v.readToEnd(); closed.Code != test.closing {
				t.Errorf("closed with %v, want code %d", closed, test.closing)
			}
			// Whatever that was, others are served.
			p.enter(isSnapshot(wire.TypeDeviceStatus))
		})
	}
}

func text(message string) func(*websocket.Conn) error {
	return func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte(message)) }
}

func TestShutdownSaysGoodbye(t *testing.T) {
	var reasons sync.Map
	t.Run("", func(t *testing.T) {
		p := build(t, func(o *HubOptions) { o.Metrics.Disconnected = func(r Reason) { reasons.Store(r, true) } })
		p.stall()
		v := p.enter(isSnapshot(wire.TypeDeviceStatus))
		var goodbye sync.WaitGroup
		goodbye.Go(func() {
			if closed := v.readToEnd(); closed.Code != websocket.CloseGoingAway || closed.Text != string(ShuttingDown) {
				t.Errorf("closed with %v, want %d %q", closed, websocket.CloseGoingAway, ShuttingDown)
			}
		})
		began := time.Now()
		p.stop()
		goodbye.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("shutdown took %v", took)
		}
		if _, response, err := websocket.DefaultDialer.Dial(p.url(nil), nil); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("afterwards: got %v, %v, want 503", response, err)
		}
	})
	if _, ok := reasons.Load(ShuttingDown); !ok {
		t.Errorf("reasons: want %q among them", ShuttingDown)
	}
}

func TestClientThatDoesNotAnswerPingsIsLetGo(t *testing.T) {
	left := make(chan Reason, 2)
	p := build(t, func(o *HubOptions) {
		o.Limits.PingInterval, o.Limits.PongTimeout = 20*time.Millisecond, 100*time.Millisecond
		o.Metrics.Disconnected = func(r Reason) { left <- r }
	})
	p.connect(nil) // Reads its hello and nothing after, pings neither.
	if reason := <-left; reason != NoPong {
		t.Errorf("got %q, want %q", reason, NoPong)
	}
}

func TestMetricsAreReported(t *testing.T) {
	var mu sync.Mutex
	counts := make(map[string]int)
	note := func(what string, n int) {
		mu.Lock()
		defer mu.Unlock()
		counts[what] += n
	}
	p := build(t, func(o *HubOptions) {
		o.Metrics = Metrics{
			Connections: func(open int) {
				mu.Lock()
				defer mu.Unlock()
				counts["open"] = open
			},
			Sent:      func(kind string, bytes int) { note(kind, 1); note("bytes", bytes) },
			Conflated: func(kind string, n int) { note("conflated "+kind, n) },
			Delivered: func(time.Duration, string) { note("delivered", 1) },
			Queued:    func(int) { note("rounds", 1) },
		}
	})
	v := p.enter(isSnapshot(wire.TypeDeviceStatus))
	states := []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 1), p.Says("device_001", iot.Temperature, "A", 2)}
	sums := []iot.WindowSummary{p.Sums(0, iot.Temperature, false, 1), p.Sums(0, iot.Temperature, false, 1, 2)}
	p.Apply(view.Batch{States: states, Summaries: sums})
	v.readUntil(hasDevice("device_001", 2))
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 3)}})
	v.readUntil(hasDevice("device_001", 3)) // By now the one before has been counted as written.
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"hello", "device_status", "device_data", "aggregated_data", "bytes", "conflated device", "conflated window", "delivered", "rounds"} {
		if counts[want] == 0 {
			t.Errorf("%s: not counted; got %v", want, counts)
		}
	}
}
