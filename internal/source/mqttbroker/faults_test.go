package mqttbroker_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/source"
	"iotmon/internal/source/mqttbroker"
	"iotmon/internal/source/sourcetest"
)

// serverName is the name in the broker's certificate.
const serverName = "broker.test"

// The broker is the server, so its other side is a device. What it has acknowledged is in the log: so none of that is lost, whatever happens to the
// network, the device, its login or the certificates.
func TestASourceSurvivesFaults(t *testing.T) {
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{"The MQTT broker inside, encrypted": harness})
}

func harness(t *testing.T) *sourcetest.Harness {
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverName)
	users := filepath.Join(dir, "users")
	login := func(token string) {
		line := fmt.Appendf(nil, "press:sha256:%x\n", sha256.Sum256([]byte(token)))
		if err := os.WriteFile(users, line, 0o600); err != nil {
			t.Error(err)
		}
	}
	login("secret")
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listening.Addr().String()
	listening.Close()
	d := newPress(t, filepath.Join(dir, "ca.pem"), address)
	quiet, decoder := slog.New(slog.DiscardHandler), payload.NewDecoder(payload.Auto)
	b := broker.New(broker.Options{
		Listeners: []broker.Listener{{Addr: address, TLS: true}}, Logger: quiet, Login: broker.Login{File: users}, StateFile: filepath.Join(dir, "sessions.jsonl"),
		TLS: broker.TLS{CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")},
		Limits: broker.Limits{
			MaxConnections: 100, MaxSessions: 100, SessionExpiry: time.Hour, MaxSubscriptions: 10, MaxPacket: 100_000, ReceiveMaximum: 100, MaxKeepAlive: time.Minute,
			MaxQueued: 100, MaxQueuedBytes: 1 << 20, MaxInflight: 20, MaxRetained: 10, MaxRetainedBytes: 1 << 20,
		},
	})
	return &sourcetest.Harness{
		Server: d,
		Adapter: func(address string) source.Adapter {
			d.connectTo(address)
			return mqttbroker.New(b, []string{"#"})
		},
		Clients: func() int64 { return int64(b.Stats().Clients) },
		Decode: func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
			return decoder.Decode(m.Payload, points)
		},
		Rules:   []mapping.Rule{{Field: "value", Device: "motor", Type: iot.Current}},
		Produce: d.number,
		Silence: 4 * time.Second,
		Keeps:   true, KeepsStopped: true, KeepsKilled: true,
		SetClock: func(_ testing.TB, offset time.Duration) { d.offset.Store(int64(offset)) },
		Reset:    d.forget,
		Revoke:   func() { login("changed") },
		Allow:    func() { login("secret") },
		Rotate: func() {
			sourcetest.WriteCertificates(t, dir, serverName)
			d.drop(false)
		},
	}
}

// press is a device that publishes with QoS 1 by a client library that is not ours, and connects again when it must. As a process that is paused, it keeps its
// connection and says nothing.
type press struct {
	broker, authority string
	// offset is how far its clock is ahead of the truth, in nanoseconds.
	offset atomic.Int64
	gate   gate

	mu sync.Mutex
	// What follows is guarded by mu. address is where it connects to, off whether it is.
	address string
	off     bool
	client  *paho.Client
	clean   bool
	conn    net.Conn
}

var _ sourcetest.Server = (*press)(nil)

func newPress(t *testing.T, authority, broker string) *press {
	d := &press{authority: authority, broker: broker}
	t.Cleanup(func() { d.gate.set(false); d.drop(true) })
	return d
}

// Address returns that of the broker, where the proxy connects to.
func (d *press) Address() string { return d.broker }

func (d *press) Stop()   { d.turn(true); d.drop(true) }
func (d *press) Kill()   { d.turn(true); d.drop(false) }
func (d *press) Start()  { d.turn(false) }
func (d *press) Pause()  { d.gate.set(true) }
func (d *press) Resume() { d.gate.set(false) }

func (d *press) turn(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = off
}

func (d *press) connectTo(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address = address
}

// forget has the device connect without its session.
func (d *press) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clean = true
}

// drop ends the connection, with or without a goodbye.
func (d *press) drop(goodbye bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		return
	}
	if !goodbye {
		_ = d.conn.Close()
	}
	_ = d.client.Disconnect(&paho.Disconnect{})
	<-d.client.Done()
	d.client = nil
}

// number publishes a number with the time of the device's clock, and returns when the broker has acknowledged it.
func (d *press) number(ctx context.Context, number int) error {
	client, err := d.connected(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	lost := client.Done() // Publish does not end by itself with the connection.
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	at := time.Now().Add(time.Duration(d.offset.Load())).UnixMilli()
	text := fmt.Appendf(nil, `{"value": %d, "timestamp": %s}`, number, strconv.FormatInt(at, 10))
	if _, err = client.Publish(ctx, &paho.Publish{Topic: "press/current", QoS: 1, Payload: text}); err != nil {
		d.drop(false)
	}
	return err
}

// connected returns a client that is connected.
func (d *press) connected(ctx context.Context) (*paho.Client, error) {
	d.gate.pass()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil || d.off {
		return d.client, map[bool]error{true: errors.New("the device is off")}[d.off]
	}
	text, err := os.ReadFile(d.authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: serverName}}
	conn, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(gated{conn, &d.gate})})
	_, err = client.Connect(ctx, &paho.Connect{
		ClientID: "press", CleanStart: d.clean, KeepAlive: 2, Username: "press", UsernameFlag: true, Password: []byte("secret"), PasswordFlag: true,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: new(uint32(3600))},
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	d.client, d.conn, d.clean = client, conn, false
	return client, nil
}

// gate holds up what passes through it while it is shut.
type gate struct {
	sync.RWMutex
	// shut is whether set has locked it. The test's goroutine owns it.
	shut bool
}

func (g *gate) set(shut bool) {
	switch {
	case shut && !g.shut:
		g.Lock()
	case !shut && g.shut:
		g.Unlock()
	}
	g.shut = shut
}

func (g *gate) pass() {
	g.RLock()
	defer g.RUnlock()
}

// gated is a connection whose process may be paused.
type gated struct {
	net.Conn
	gate *gate
}

func (g gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.gate.pass()
	return n, err
}

func (g gated) Write(b []byte) (int, error) {
	g.gate.pass()
	return g.Conn.Write(b)
}
