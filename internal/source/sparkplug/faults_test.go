package sparkplug_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	"iotmon/internal/source/sourcetest"
	"iotmon/internal/source/sparkplug"
	"iotmon/internal/source/sparkplug/nodes"
	"iotmon/internal/source/sparkplug/payload"
	"iotmon/tests/testenv"
)

// Edge nodes send their data with QoS 0, and host applications have no persistent sessions: so what is sent during a fault may be lost, and
// the births afterwards bring the newest values.
func TestASourceSurvivesFaults(t *testing.T) {
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{"Sparkplug B encrypted": harness})
}

func harness(t *testing.T) *sourcetest.Harness {
	const serverName = "broker.test"
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverName)
	broker := testenv.NewMosquittoWithClock(t, dir, true)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := newScripted(t, broker.Address())
	return &sourcetest.Harness{
		Server:  broker,
		Address: broker.TLS,
		Adapter: func(address string) source.Adapter {
			return sparkplug.New(sparkplug.Options{
				Broker: mqtt.Options{
					URL: "ssl://" + address, Version: 3, ClientID: "source", Username: "user", PasswordFile: password, KeepAlive: 2 * time.Second,
					TLS: mqtt.TLS{
						CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key"), ServerName: serverName,
					},
				},
				Groups: []string{"Plant"}, HostID: "iotmon", Primary: true,
				Nodes: nodes.Options{ReorderTimeout: 500 * time.Millisecond, AnswerTimeout: time.Second},
			})
		},
		Rules:   []mapping.Rule{{Field: "value", Device: "motor", Type: iot.Current}},
		Produce: node.number,
		Silence: 4 * time.Second,
		Reset: func() {
			if err := os.Remove(filepath.Join(dir, "mosquitto.db")); err != nil {
				t.Error(err)
			}
		},
		SetClock: func(t testing.TB, offset time.Duration) {
			broker.Clock.Set(t, offset)
			node.offset.Store(int64(offset))
		},
		Revoke: func() {
			broker.Stop()
			broker.Password(t, "changed")
			broker.Start()
		},
		Allow: func() {
			broker.Password(t, "secret")
			broker.Reload()
		},
		Rotate: func() {
			broker.Stop()
			sourcetest.WriteCertificates(t, dir, serverName)
			broker.Start()
		},
	}
}

// scripted is an edge node that is born when it connects and when it is asked, and sends its data by alias.
type scripted struct {
	t       *testing.T
	address string
	// offset is how far the clock of the node is ahead of the truth, in nanoseconds.
	offset atomic.Int64

	mu     sync.Mutex
	client *paho.Client
	s      sequence
	bdSeq  uint64
	value  int
}

func newScripted(t *testing.T, address string) *scripted {
	n := &scripted{t: t, address: address, s: sequence{node: "N"}}
	t.Cleanup(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.close()
	})
	return n
}

func (n *scripted) close() {
	if n.client != nil {
		_ = n.client.Disconnect(&paho.Disconnect{})
		n.client = nil
	}
}

func (n *scripted) metric() payload.Metric {
	return payload.Metric{
		Alias: 7, HasAlias: true, Timestamp: uint64(time.Now().Add(time.Duration(n.offset.Load())).UnixMilli()), Value: payload.Value{Kind: payload.IntValue, Bits: uint64(n.value)},
		Properties: payload.NoProperties(),
	}
}

// birth publishes the birth certificate. The caller has locked the node.
func (n *scripted) birth(ctx context.Context) error {
	m := n.metric()
	m.Name, m.Type = []byte("value"), payload.Int32
	return n.publish(ctx, "NBIRTH", bdSeq(n.bdSeq), m)
}

func (n *scripted) publish(ctx context.Context, kind string, metrics ...payload.Metric) error {
	topic, content := n.s.message(kind, "", metrics...)
	_, err := n.client.Publish(ctx, &paho.Publish{Topic: topic, Payload: content})
	return err
}

func (n *scripted) connect(ctx context.Context) error {
	n.bdSeq = (n.bdSeq + 1) % 256
	topic, content := n.s.message("NDEATH", "", bdSeq(n.bdSeq))
	client, err := dial(ctx, n.address, func(p paho.PublishReceived) (bool, error) {
		go func() { // The library must not be called from here.
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.client != nil {
				_ = n.birth(context.Background())
			}
		}()
		return true, nil
	}, "node", &paho.WillMessage{Topic: topic, Payload: content, QoS: 1})
	if err != nil {
		return err
	}
	if _, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "spBv1.0/Plant/NCMD/N", QoS: 1}}}); err != nil {
		return err
	}
	n.client = client
	return n.birth(ctx)
}

// number publishes a number.
func (n *scripted) number(ctx context.Context, number int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.value = number
	if n.client == nil {
		return n.connect(ctx)
	}
	err := n.publish(ctx, "NDATA", n.metric())
	if err != nil {
		n.close()
	}
	return err
}
