package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/view/viewtest"
	"iotmon/internal/wire"
)

// noon is when everything in these tests happens.
var noon = viewtest.Noon

const windowLength = viewtest.WindowLength

// testOptions returns options with a view of their own; change may adjust them.
func testOptions(t testing.TB, change func(*HubOptions)) HubOptions {
	t.Helper()
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), iot.TypeSpec{Name: "valve", Max: 2, States: []string{"CLOSED", "MOVING", "OPEN"}})...)
	if err != nil {
		t.Fatal(err)
	}
	o := HubOptions{
		View:    view.New(view.Options{WindowLength: windowLength}),
		Catalog: catalog,
		Version: "test",
	}
	if change != nil {
		change(&o)
	}
	return o
}

// plant is a hub behind a real HTTP server, with its log played by the test.
type plant struct {
	*Hub
	viewtest.Script
	t      *testing.T
	server *httptest.Server
	// stop cancels Run and waits for it.
	stop func()
}

// build starts a plant; change may adjust its options.
func build(t *testing.T, change func(*HubOptions)) *plant {
	p := prepare(t, change)
	p.start()
	return p
}

// prepare makes a plant that serves but does not run.
func prepare(t *testing.T, change func(*HubOptions)) *plant {
	t.Helper()
	p := &plant{Hub: NewHub(testOptions(t, change)), t: t}
	p.server = httptest.NewServer(p.Hub)
	t.Cleanup(p.server.Close)
	return p
}

// start runs the plant until its test ends, or stop is called.
func (p *plant) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			p.t.Errorf("run: %v", err)
		}
	})
	p.stop = func() {
		cancel()
		running.Wait()
	}
	p.t.Cleanup(p.stop)
}

// browser is a client of a plant, at the other end of a connection.
type browser struct {
	t    *testing.T
	conn *websocket.Conn
	// session and seq are what resuming needs: the session of the hello, and the number of the last message.
	session string
	seq     uint64
	resumed bool
}

// received is a message as a client sees it: every field that any type of message has.
type received struct {
	wire.Envelope
	Session           string                                `json:"session"`
	Resumed           bool                                  `json:"resumed"`
	WindowStart       time.Time                             `json:"window_start"`
	Final             bool                                  `json:"final"`
	Corrected         bool                                  `json:"corrected"`
	Data              map[iot.DeviceType]wire.AggregateData `json:"data"`
	DeviceStatus      wire.StatusCounts                     `json:"device_status"`
	Devices           []wire.Device                         `json:"devices"`
	DeviceIDs         []iot.DeviceID                        `json:"device_ids"`
	Total             int64                                 `json:"total_devices"`
	ByType            map[iot.DeviceType]wire.StatusCounts  `json:"by_type"`
	Changed           []wire.StatusChange                   `json:"changed"`
	Alerts            []wire.Alert                          `json:"alerts"`
	DeviceTypes       []wire.TypeSpec                       `json:"device_types"`
	AlertRules        []wire.AlertRule                      `json:"alert_rules"`
	Code              string                                `json:"code"`
	Message           string                                `json:"message"`
	ReadingsPerSecond float64                               `json:"readings_per_second"`
}

func (p *plant) url(query url.Values) string {
	return "ws" + strings.TrimPrefix(p.server.URL, "http") + "/ws?" + query.Encode()
}

// connect opens a connection and reads its hello.
func (p *plant) connect(query url.Values) *browser {
	p.t.Helper()
	v := p.open(query)
	hello := v.read()
	if hello.Type != wire.TypeHello {
		p.t.Fatalf("first message: got %q, want %q", hello.Type, wire.TypeHello)
	}
	v.session, v.resumed = hello.Session, hello.Resumed
	return v
}

// open opens a connection.
func (p *plant) open(query url.Values) *browser {
	p.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(p.url(query), nil)
	if err != nil {
		p.t.Fatalf("connect: %v (%v)", err, response)
	}
	response.Body.Close()
	v := &browser{t: p.t, conn: conn}
	p.t.Cleanup(func() { conn.Close() })
	return v
}

// enter connects and reads up to the first message that until accepts.
func (p *plant) enter(until func(*received) bool) *browser {
	p.t.Helper()
	v := p.connect(nil)
	v.readUntil(until)
	return v
}

func (v *browser) readBytes() []byte {
	v.t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		v.t.Fatal(err)
	}
	_, data, err := v.conn.ReadMessage()
	if err != nil {
		v.t.Fatalf("read after message %d: %v", v.seq, err)
	}
	var message any
	if err := json.Unmarshal(data, &message); err != nil {
		v.t.Fatalf("decode the message after %d: %v\n%s", v.seq, err, data)
	}
	checkNulls(v.t, "message", message)
	return data
}

// checkNulls reports what is null but for the values of a window without readings: pages read the fields of objects, and go through arrays.
func checkNulls(t testing.TB, at string, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			if child == nil && name != "avg_value" && name != "max_value" && name != "min_value" {
				t.Errorf("%s.%s is null", at, name)
			}
			checkNulls(t, at+"."+name, child)
		}
	case []any:
		for _, child := range value {
			checkNulls(t, at+"[]", child)
		}
	}
}

// read returns the next message. Numbers must grow on every connection.
func (v *browser) read() *received {
	v.t.Helper()
	data := v.readBytes()
	m := decode(v.t, data)
	if m.Seq <= v.seq {
		v.t.Fatalf("seq went from %d to %d:\n%s", v.seq, m.Seq, data)
	}
	v.seq = m.Seq
	return m
}

func decode(t testing.TB, data []byte) *received {
	t.Helper()
	m := new(received)
	if err := json.Unmarshal(data, m); err != nil {
		t.Fatalf("message is not JSON: %v\n%s", err, data)
	}
	return m
}

// readUntil reads to the first message that accept accepts and returns all messages, that one last.
func (v *browser) readUntil(accept func(*received) bool) []*received {
	v.t.Helper()
	var all []*received
	for {
		m := v.read()
		all = append(all, m)
		if accept(m) {
			return all
		}
	}
}

func (v *browser) send(message string) {
	v.t.Helper()
	if err := v.conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		v.t.Fatal(err)
	}
}

// resume returns the query that resumes the connection of v.
func (v *browser) resume() url.Values {
	return url.Values{"session": {v.session}, "since": {fmt.Sprint(v.seq)}}
}

// Conditions for readUntil.

func hasDevice(id string, value float64) func(*received) bool {
	return func(m *received) bool {
		for _, d := range m.Devices {
			if d.DeviceID == iot.DeviceID(id) && d.Value == value {
				return true
			}
		}
		return false
	}
}

func isChange(kind string) func(*received) bool {
	return func(m *received) bool { return m.Type == kind && !m.Snapshot }
}

func isSnapshot(kind string) func(*received) bool {
	return func(m *received) bool { return m.Type == kind && m.Snapshot }
}
