package mqttbroker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/mqtt/packet"
	"iotmon/internal/source"
	"iotmon/internal/source/mqttbroker"
)

const patience = 15 * time.Second

// plant is a log, as texts. While full is set, it fails as on a disk that is full.
type plant struct {
	mu    sync.Mutex
	full  bool
	texts map[string]int
}

func (p *plant) note(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return syscall.ENOSPC
	}
	p.texts[text]++
	return nil
}

func (p *plant) set(full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = full
}

func (p *plant) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.texts))
}

func (p *plant) Append(_ context.Context, readings []iot.Reading) error {
	for i := range readings {
		if err := p.note(fmt.Sprintf("%s %v", readings[i].ID, readings[i].Value)); err != nil {
			return err
		}
	}
	return nil
}

func (p *plant) Report(_ context.Context, reports []source.Report) error {
	for i := range reports {
		if err := p.note(fmt.Sprintf("%s is %s", reports[i].Device.ID, reports[i].Status)); err != nil {
			return err
		}
	}
	return nil
}

func (p *plant) Reject(_ context.Context, rejected []source.Rejected) error {
	for i := range rejected {
		if err := p.note(fmt.Sprintf("rejected %s, %d bytes of %d", rejected[i].Topic, len(rejected[i].Payload), rejected[i].Length)); err != nil {
			return err
		}
	}
	return nil
}

// peer is a client of MQTT 3.1.1 that sends and reads packets one by one.
type peer struct {
	t *testing.T
	net.Conn
}

func connect(t *testing.T, address, id, will string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	flags := byte(packet.ConnectClean)
	body := append(packet.AppendText(nil, "MQTT"), 4, flags, 0, 60)
	body = packet.AppendText(body, id)
	if will != "" {
		body[7] |= packet.ConnectWill | packet.ConnectWillRetain
		body = packet.AppendText(packet.AppendText(body, id+"/status"), will)
	}
	p := &peer{t, conn}
	p.send(packet.Append(nil, packet.Connect, 0, body))
	p.want(packet.Connack)
	return p
}

func (p *peer) send(packets ...[]byte) {
	p.t.Helper()
	for _, each := range packets {
		if _, err := p.Write(each); err != nil {
			p.t.Fatal(err)
		}
	}
}

// want reads a short packet of a type.
func (p *peer) want(kind byte) []byte {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(p, head[:]); err != nil {
		p.t.Fatal(err)
	}
	body := make([]byte, head[1])
	if _, err := io.ReadFull(p, body); err != nil || head[0]>>4 != kind {
		p.t.Fatalf("got a packet of type %d %x, %v, want type %d", head[0]>>4, body, err, kind)
	}
	return body
}

func message(topic, payload string, id byte) []byte {
	return packet.Append(nil, packet.Publish, 1<<1, append(append(packet.AppendText(nil, topic), 0, id), payload...))
}

// While the log takes nothing, nothing is acknowledged, but all clients are served and subscribers get what is published. When it is back, everything is in it.
func TestALogThatIsFull(t *testing.T) {
	t.Parallel()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{
		{Topic: "+/current", Device: "{{topic 1}}-{{tag client_id}}", Type: iot.Current},
		{Topic: "+/status", Status: &mapping.Status{Online: []string{"on"}, Offline: []string{"off"}}, Device: "{{topic 1}}-{{tag client_id}}"},
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	quiet, log := slog.New(slog.DiscardHandler), &plant{texts: make(map[string]int)}
	status, decoder := source.NewStatus("test", "mqtt_broker", time.Now), payload.NewDecoder(payload.Auto)
	runner := &source.Runner{
		Name: "test", Owner: source.Alone{}, Logger: quiet,
		Adapter: mqttbroker.New(broker.New(broker.Options{
			Listeners: []broker.Listener{{Addr: "127.0.0.1:0"}}, Login: broker.Login{Anonymous: true}, Logger: quiet,
			Limits: broker.Limits{
				MaxConnections: 100, MaxSessions: 100, SessionExpiry: time.Hour, MaxSubscriptions: 10, MaxPacket: 100_000, ReceiveMaximum: 100, MaxKeepAlive: time.Minute,
				MaxQueued: 100, MaxQueuedBytes: 1 << 20, MaxInflight: 20, MaxRetained: 10, MaxRetainedBytes: 1 << 20,
			},
		}), []string{"+/current", "+/status"}),
		Pipeline: source.PipelineOptions{
			Name: "test", Log: log, Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Hour}, Status: status, Logger: quiet,
			Decode: func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
				return decoder.Decode(m.Payload, points)
			},
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %s: got %q, status %+v", what, log.all(), status.Snapshot())
			}
		}
	}
	until("address", func() bool { return status.Snapshot().State == source.Connected })
	address := strings.TrimPrefix(status.Snapshot().Address, "tcp://")

	log.set(true)
	panel, press, saw := connect(t, address, "panel", ""), connect(t, address, "press", "off"), connect(t, address, "saw", "")
	panel.send(packet.Append(nil, packet.Subscribe, packet.Reserved, append(packet.AppendText([]byte{0, 1}, "#"), 0)))
	panel.want(packet.Suback)
	press.send(message("press/current", "1.5", 1), message("press/current", `{"value": "x"}`, 2), []byte{packet.Pingreq << 4, 0})
	press.want(packet.Pingresp)
	panel.want(packet.Publish)
	panel.want(packet.Publish)
	saw.send(message("commands/press", "stop", 1))
	saw.want(packet.Puback) // It is for subscribers alone.
	panel.want(packet.Publish)
	until("problem of the log", func() bool { return strings.Contains(status.Snapshot().LogError, "no space") })
	if got := log.all(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	log.set(false)
	if first, second := press.want(packet.Puback), press.want(packet.Puback); first[1] != 1 || second[1] != 2 {
		t.Errorf("acknowledged %x and %x", first, second)
	}
	press.send(message("press/current", strings.Repeat("x", 200_000), 3))
	press.want(packet.Puback)
	_ = press.Close() // Without DISCONNECT.
	until("last will", func() bool { return slices.Contains(log.all(), "press-press is offline") })
	want := []string{"press-press 1.5", "press-press is offline", "rejected press/current, 14 bytes of 14", "rejected press/current, 65519 bytes of 65519"}
	if got := log.all(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
