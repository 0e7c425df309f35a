package sparkplug_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug"
	"iotmon/internal/source/sparkplug/nodes"
	"iotmon/internal/source/sparkplug/payload"
	"iotmon/tests/testenv"
)

// memory is a log.
type memory struct {
	mu sync.Mutex
	// readings are by device and time, statuses the last ones of each device.
	readings map[string]map[int64]iot.Reading
	statuses map[string]iot.StatusReport
	rejected []source.Rejected
	// stopped makes Append fail.
	stopped bool
}

func newMemory() *memory {
	return &memory{readings: make(map[string]map[int64]iot.Reading), statuses: make(map[string]iot.StatusReport)}
}

func (m *memory) Append(_ context.Context, readings []iot.Reading) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return fmt.Errorf("stopped")
	}
	for _, r := range readings {
		id := string(r.ID)
		if m.readings[id] == nil {
			m.readings[id] = make(map[int64]iot.Reading)
		}
		if _, first := m.readings[id][r.Time.UnixMicro()]; !first {
			m.readings[id][r.Time.UnixMicro()] = r
		}
	}
	return nil
}

func (m *memory) Report(_ context.Context, reports []source.Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range reports {
		if r.Interval == 0 {
			m.statuses[string(r.Device.ID)] = r.StatusReport
		}
	}
	return nil
}

func (m *memory) Reject(_ context.Context, rejected []source.Rejected) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rejected = append(m.rejected, rejected...)
	return nil
}

// latest returns the newest reading of a device.
func (m *memory) latest(device string) (iot.Reading, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.readings[device]
	if len(of) == 0 {
		return iot.Reading{}, false
	}
	return of[slices.Max(slices.Collect(maps.Keys(of)))], true
}

func (m *memory) status(device string) iot.Reported {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.statuses[device].Status
}

// host is a running source, with its log.
type host struct {
	*memory
	state *source.Status
	stop  func()
}

// startHost runs a source without a map until the test ends, or stop is called.
func startHost(t *testing.T, address string, change func(*sparkplug.Options)) *host {
	t.Helper()
	return startHostWith(t, address, nil, newMemory(), change)
}

func startHostWith(t *testing.T, address string, given []mapping.Rule, log *memory, change func(*sparkplug.Options)) *host {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwords, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := sparkplug.Options{
		Broker: mqtt.Options{
			URL: "tcp://" + address, Version: 3, ClientID: "iotmon", Username: "user", PasswordFile: passwords, KeepAlive: 2 * time.Second, ReceiveMaximum: 100,
		},
		Groups: []string{"Plant"}, HostID: "iotmon", Primary: true,
		Nodes:  nodes.Options{ReorderTimeout: 500 * time.Millisecond, AnswerTimeout: time.Second},
		ByUnit: sparkplug.NewByUnit(catalog),
	}
	if change != nil {
		change(&o)
	}
	rules, err := mapping.New(given, catalog)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{memory: log, state: source.NewStatus("edge", "sparkplug", time.Now)}
	runner := &source.Runner{
		Name: "edge", Adapter: sparkplug.New(o), Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler),
		FirstPause: 50 * time.Millisecond, LongestPause: time.Second,
		Pipeline: source.PipelineOptions{
			Name: "edge", Log: h.memory, Mapping: rules, Status: h.state, Logger: slog.New(slog.DiscardHandler),
			Admission: &iot.Admission{Catalog: catalog, Skew: time.Hour},
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := runner.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	h.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(h.stop)
	return h
}

// until waits until something holds.
func until(t *testing.T, what string, h *host, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s; %s", what, h)
		}
	}
}

func (h *host) String() string {
	if h == nil {
		return ""
	}
	s := h.state.Snapshot()
	h.mu.Lock()
	defer h.mu.Unlock()
	reasons := make(map[string]int)
	for _, r := range h.rejected {
		reasons[r.Reason]++
	}
	return fmt.Sprintf("state %s, error %q, devices %q, rejected %v", s.State, s.Error, slices.Sorted(maps.Keys(h.readings)), reasons)
}

// client is an MQTT client of another library, which scripts what edge nodes and other hosts do.
type client struct {
	*paho.Client
	t *testing.T
	// received gets what was published to the subscriptions.
	received chan *paho.Publish
}

func newClient(t *testing.T, address, id string, will *paho.WillMessage, filters ...string) *client {
	t.Helper()
	c := &client{t: t, received: make(chan *paho.Publish, 1000)}
	var err error
	c.Client, err = dial(t.Context(), address, func(p paho.PublishReceived) (bool, error) {
		c.received <- p.Packet
		return true, nil
	}, id, will)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	for _, filter := range filters {
		if _, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1, RetainAsPublished: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// dial connects a client.
func dial(ctx context.Context, address string, receive func(paho.PublishReceived) (bool, error), id string, will *paho.WillMessage) (*paho.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn), OnPublishReceived: []func(paho.PublishReceived) (bool, error){receive}})
	_, err = client.Connect(ctx, &paho.Connect{
		ClientID: id, CleanStart: true, KeepAlive: 30, Username: "user", UsernameFlag: true, Password: []byte("secret"), PasswordFlag: true, WillMessage: will,
	})
	return client, err
}

func (c *client) publish(topic string, content []byte, qos byte, retained bool) {
	c.t.Helper()
	if _, err := c.Publish(c.t.Context(), &paho.Publish{Topic: topic, Payload: content, QoS: qos, Retain: retained}); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next message.
func (c *client) next() *paho.Publish {
	c.t.Helper()
	select {
	case p := <-c.received:
		return p
	case <-time.After(20 * time.Second):
		c.t.Fatal("no message within 20 s")
		return nil
	}
}

type hostState struct {
	Online    bool
	Timestamp int64
}

func (c *client) nextState() (hostState, *paho.Publish) {
	c.t.Helper()
	p := c.next()
	var s hostState
	if err := json.Unmarshal(p.Payload, &s); err != nil {
		c.t.Fatalf("%s: %v", p.Payload, err)
	}
	return s, p
}

func newBroker(t *testing.T) *testenv.Mosquitto {
	t.Helper()
	return testenv.NewMosquitto(t, t.TempDir(), false, "")
}

// TestTckMessageFlowHidSparkplugStateMessageDelivered: the death certificate of another host with the same name hides that this one is online.
func TestTckMessageFlowHidSparkplugStateMessageDelivered(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	observer := newClient(t, broker.Address(), "observer", nil, ownState)
	startHost(t, broker.Address(), nil)
	birth, _ := observer.nextState()
	observer.publish(ownState, []byte(`{"online":false,"timestamp":1}`), 1, true)
	if other, _ := observer.nextState(); other.Online {
		t.Errorf("got %+v", other)
	}
	if again, _ := observer.nextState(); again != birth {
		t.Errorf("after another host has published that this one is offline: got %+v, want %+v", again, birth)
	}
	future := time.Now().Add(time.Hour).UnixMilli() // Edge nodes ignore the birth after it, so there is a newer one.
	observer.publish(ownState, fmt.Appendf(nil, `{"online":false,"timestamp":%d}`, future), 1, true)
	observer.nextState()
	newer, _ := observer.nextState()
	for ; !newer.Online; newer, _ = observer.nextState() {
		if newer.Timestamp != birth.Timestamp { // The will, if the broker has not read DISCONNECT.
			t.Fatalf("got %+v, want nothing but the will", newer)
		}
	}
	if newer.Timestamp <= future {
		t.Errorf("got %+v, want a birth that is newer than %d", newer, future)
	}
}

// TestTckOperationalBehaviorHostApplicationConnectWill: the broker publishes the will of a host that was killed, with the timestamp of its birth.
func TestTckOperationalBehaviorHostApplicationConnectWill(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	observer := newClient(t, broker.Address(), "observer", nil, "spBv1.0/STATE/iotmon")
	startHost(t, broker.Address(), nil)
	birth, _ := observer.nextState()
	newClient(t, broker.Address(), "iotmon", nil) // It takes over the session, so the broker ends the host's connection.
	death, message := observer.nextState()
	if death.Online || death.Timestamp != birth.Timestamp || message.QoS != 1 || !message.Retain {
		t.Errorf("got %+v with QoS %d, retained %v, want offline at %d", death, message.QoS, message.Retain, birth.Timestamp)
	}
	if next, _ := observer.nextState(); !next.Online || next.Timestamp <= birth.Timestamp {
		t.Errorf("got %+v, want a new birth", next)
	}
}

// Edge nodes ignore a state that is older than the last one. So a host whose clock has been set back, even while it did not run, has a newer state than
// before.
func TestAStateIsNewerThanTheLastOneThoughTheClockIsNot(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	observer := newClient(t, broker.Address(), "observer", nil, "spBv1.0/STATE/iotmon")
	future := time.Now().Add(time.Hour).UnixMilli()
	observer.publish("spBv1.0/STATE/iotmon", fmt.Appendf(nil, `{"online":false,"timestamp":%d}`, future), 1, true)
	observer.nextState()
	startHost(t, broker.Address(), nil)
	birth, _ := observer.nextState()
	if !birth.Online || birth.Timestamp <= future {
		t.Errorf("got %+v, want online and newer than %d", birth, future)
	}
	newClient(t, broker.Address(), "iotmon", nil) // It takes over the session, so the broker ends the host's connection.
	observer.nextState()
	if next, _ := observer.nextState(); !next.Online || next.Timestamp <= birth.Timestamp {
		t.Errorf("got %+v, want online and newer than %d", next, birth.Timestamp)
	}
}

// TestOnlyAPrimaryHostPublishesItsState: without primary iotmon publishes no state, which Sparkplug 3.0 wants of every host application.
func TestOnlyAPrimaryHostPublishesItsState(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	observer := newClient(t, broker.Address(), "observer", nil, "spBv1.0/STATE/#")
	h := startHost(t, broker.Address(), func(o *sparkplug.Options) { o.Primary, o.HostID = false, "" })
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	select {
	case p := <-observer.received:
		t.Errorf("got %s %s", p.Topic, p.Payload)
	case <-time.After(time.Second):
	}
}

// TestTckOperationalBehaviorHostApplicationHostId: of two hosts with one name the first stays, and the other says what is wrong.
func TestTckOperationalBehaviorHostApplicationHostId(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	observer := newClient(t, broker.Address(), "observer", nil, "spBv1.0/STATE/iotmon")
	first := startHost(t, broker.Address(), nil)
	birth, _ := observer.nextState()
	second := startHost(t, broker.Address(), func(o *sparkplug.Options) { o.Broker.ClientID = "other" })
	until(t, "the second shows it", second, func() bool { return strings.Contains(second.state.Snapshot().Error, "another host") })
	until(t, "the second receives all the same", second, func() bool { return second.state.Snapshot().State == source.Connected })
	select {
	case p := <-observer.received:
		t.Errorf("the second host published %s", p.Payload)
	case <-time.After(time.Second):
	}
	first.stop()
	if death, _ := observer.nextState(); death.Online {
		t.Errorf("got %+v, want that the first is offline", death)
	}
	next, _ := observer.nextState()
	for ; !next.Online; next, _ = observer.nextState() { // The will of the first, if the broker has not read its DISCONNECT.
		if next.Timestamp != birth.Timestamp {
			t.Fatalf("got %+v, want nothing but the will of the first", next)
		}
	}
	if next.Timestamp <= birth.Timestamp {
		t.Errorf("got %+v, want a new birth, that of the second", next)
	}
}

// sequence makes the messages of a scripted edge node.
type sequence struct {
	node string
	seq  uint64
}

func (s *sequence) message(kind, device string, metrics ...payload.Metric) (string, []byte) {
	topic := "spBv1.0/Plant/" + kind + "/" + s.node
	if device != "" {
		topic += "/" + device
	}
	p := payload.Payload{Timestamp: uint64(time.Now().UnixMilli()), Metrics: metrics}
	if kind != "NDEATH" {
		if kind == "NBIRTH" {
			s.seq = 0
		}
		p.Seq, p.HasSeq = s.seq, true
		s.seq = (s.seq + 1) % 256
	}
	return topic, p.Append(nil)
}

func bdSeq(number uint64) payload.Metric {
	return payload.Metric{Name: []byte("bdSeq"), Type: payload.Int64, Value: payload.Value{Kind: payload.LongValue, Bits: number}, Properties: payload.NoProperties()}
}

func celsius(value uint64) payload.Metric {
	p := payload.NoProperties()
	p.Unit = []byte("°C")
	return payload.Metric{
		Name: []byte("temperature"), Alias: 1, HasAlias: true, Timestamp: uint64(time.Now().UnixMilli()), Type: payload.Int32,
		Value: payload.Value{Kind: payload.IntValue, Bits: value}, Properties: p,
	}
}

const device = "Plant/N/temperature"

// TestTckOperationalBehaviorDataCommandsNcmdRebirth: data of a node whose birth the host does not know leads to a request for it. Each check names the
// assertions that it shows.
func TestTckOperationalBehaviorDataCommandsNcmdRebirth(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	h := startHost(t, broker.Address(), nil)
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	node := newClient(t, broker.Address(), "node", nil, "spBv1.0/Plant/NCMD/N")
	s := &sequence{node: "N", seq: 17}
	topic, content := s.message("NDATA", "", payload.Metric{Alias: 1, HasAlias: true, Value: payload.Value{Kind: payload.IntValue, Bits: 20}, Properties: payload.NoProperties()})
	node.publish(topic, content, 0, false)
	request := node.next()
	var p payload.Payload
	if err := p.Decode(request.Payload); err != nil {
		t.Fatal(err)
	}
	if len(p.Metrics) != 1 {
		t.Fatalf("got %+v, want one metric", p)
	}
	recent := func(timestamp uint64) bool { return time.Since(time.UnixMilli(int64(timestamp))).Abs() < time.Minute }
	m := p.Metrics[0]
	if m.Type != payload.Boolean {
		t.Errorf("got type %d, want Boolean: libraries for edge nodes cannot decode the value without it", m.Type)
	}
	for _, c := range []struct {
		ok         bool
		assertions []string
	}{
		{request.Topic == "spBv1.0/Plant/NCMD/N", []string{"tck-id-topics-ncmd-topic", "tck-id-operational-behavior-data-commands-ncmd-rebirth-verb",
			"tck-id-operational-behavior-data-commands-ncmd-verb", "tck-id-topic-structure", "tck-id-topic-structure-namespace-device-id-non-associated-message-types"}},
		{request.QoS == 0 && !request.Retain, []string{"tck-id-topics-ncmd-mqtt", "tck-id-payloads-ncmd-qos", "tck-id-payloads-ncmd-retain"}},
		{recent(p.Timestamp), []string{"tck-id-topics-ncmd-timestamp", "tck-id-payloads-ncmd-timestamp", "tck-id-payloads-timestamp-in-UTC"}},
		{recent(m.Timestamp), []string{"tck-id-payloads-name-cmd-requirement", "tck-id-payloads-metric-timestamp-in-UTC"}},
		{!p.HasSeq, []string{"tck-id-payloads-ncmd-seq"}},
		{string(m.Name) == "Node Control/Rebirth" && !m.HasAlias, []string{"tck-id-operational-behavior-data-commands-ncmd-rebirth-name",
			"tck-id-operational-behavior-data-commands-ncmd-metric-name", "tck-id-topics-ncmd-payload", "tck-id-payloads-name-requirement"}},
		{m.Value.Kind == payload.BooleanValue && m.Value.Bits == 1, []string{"tck-id-operational-behavior-data-commands-ncmd-rebirth-value",
			"tck-id-operational-behavior-data-commands-ncmd-metric-value"}},
	} {
		if !c.ok {
			t.Errorf("got %+v on %s with QoS %d, retained %v: not %q", p, request.Topic, request.QoS, request.Retain, c.assertions)
		}
	}
	topic, content = s.message("NBIRTH", "", bdSeq(0), celsius(21))
	node.publish(topic, content, 0, false)
	until(t, "the value of the birth", h, func() bool { r, _ := h.latest(device); return r.Value == 21 && r.Type == iot.Temperature })
}

// TestTckOperationalBehaviorPrimaryApplicationStateWithMultipleServersState: the first message of a primary host is its birth, although nodes
// send data already that lead to requests.
func TestTckOperationalBehaviorPrimaryApplicationStateWithMultipleServersState(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	node := newClient(t, broker.Address(), "node", nil, "spBv1.0/Plant/NCMD/N", "spBv1.0/STATE/iotmon")
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		for s := (&sequence{node: "N", seq: 17}); ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			topic, content := s.message("NDATA", "", celsius(20))
			_, _ = node.Publish(ctx, &paho.Publish{Topic: topic, Payload: content})
		}
	})
	defer sending.Wait()
	defer stop()
	startHost(t, broker.Address(), nil)
	if first := node.next(); first.Topic != "spBv1.0/STATE/iotmon" {
		t.Errorf("the first message is %s", first.Topic)
	}
	if second := node.next(); second.Topic != "spBv1.0/Plant/NCMD/N" {
		t.Errorf("the second message is %s", second.Topic)
	}
}

// TestNodeIsKilled: the broker publishes the death certificate of a node whose connection is lost.
func TestNodeIsKilled(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	h := startHost(t, broker.Address(), nil)
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	s := &sequence{node: "N"}
	topic, content := s.message("NDEATH", "", bdSeq(3))
	node := newClient(t, broker.Address(), "node", &paho.WillMessage{Topic: topic, Payload: content, QoS: 1})
	topic, content = s.message("NBIRTH", "", bdSeq(3), celsius(21))
	node.publish(topic, content, 0, false)
	until(t, "online", h, func() bool { return h.memory.status(device) == iot.ReportedOnline })
	newClient(t, broker.Address(), "node", nil) // It takes over the session, so the broker ends the node's connection.
	until(t, "offline", h, func() bool { return h.memory.status(device) == iot.ReportedOffline })
}

// TestBrokerIsKilled: what was online is not known to be current any more, until the node is born again.
func TestBrokerIsKilled(t *testing.T) {
	t.Parallel()
	broker := newBroker(t)
	h := startHost(t, broker.Address(), nil)
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	s := &sequence{node: "N"}
	born := func() {
		node := newClient(t, broker.Address(), "node", nil)
		topic, content := s.message("NBIRTH", "", bdSeq(3), celsius(21))
		node.publish(topic, content, 0, false)
	}
	born()
	until(t, "online", h, func() bool { return h.memory.status(device) == iot.ReportedOnline })
	broker.Kill()
	until(t, "bad", h, func() bool { return h.memory.status(device) == iot.ReportedBad })
	broker.Start()
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	born()
	until(t, "online again", h, func() bool { return h.memory.status(device) == iot.ReportedOnline })
}

// TestAcknowledgedOnceInTheLog: of what is sent with QoS 1, nothing is acknowledged while the log does not take it.
func TestAcknowledgedOnceInTheLog(t *testing.T) {
	t.Parallel()
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "max_inflight_messages 1\n")
	h := startHost(t, broker.Address(), nil)
	until(t, "connected", h, func() bool { return h.state.Snapshot().State == source.Connected })
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	node := newClient(t, broker.Address(), "node", nil)
	s := &sequence{node: "N"}
	topic, content := s.message("NBIRTH", "", bdSeq(3), celsius(21))
	node.publish(topic, content, 1, false)
	time.Sleep(2 * time.Millisecond) // Two values of one millisecond would be one reading.
	topic, content = s.message("NDATA", "", celsius(22))
	node.publish(topic, content, 1, false)
	time.Sleep(time.Second)
	if got := h.state.Snapshot().Messages; got > 2 { // The values and the report of the birth: the broker waits with the second message.
		t.Errorf("got %d messages while the log does not acknowledge, want those of the birth", got)
	}
	h.mu.Lock()
	h.stopped = false
	h.mu.Unlock()
	until(t, "the second value", h, func() bool { r, _ := h.latest(device); return r.Value == 22 })
}
