package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/mqtt"
	"iotmon/internal/mqtt/broker"
	"iotmon/tests/testenv"
)

// sink is the receiver of a broker that needs none.
type sink struct{ addresses chan []string }

func (s sink) Listening(addresses []string) { s.addresses <- addresses }
func (sink) Problem(error)                  {}

func (sink) Receive(_ context.Context, m *broker.Message) error {
	m.Done(nil)
	return nil
}

// inner runs a broker of our own, and returns its address.
func inner(t *testing.T) string {
	b := broker.New(broker.Options{
		Listeners: []broker.Listener{{Addr: "127.0.0.1:0"}}, Logger: slog.New(slog.DiscardHandler), Login: broker.Login{Anonymous: true},
		Limits: broker.Limits{
			MaxConnections: 100, MaxSessions: 100, SessionExpiry: time.Hour, MaxSubscriptions: 10, MaxPacket: 100_000, ReceiveMaximum: 100, MaxKeepAlive: time.Minute,
			MaxQueued: 100, MaxQueuedBytes: 1 << 20, MaxInflight: 20, MaxRetained: 10, MaxRetainedBytes: 1 << 20,
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	s, ended := sink{make(chan []string, 1)}, make(chan error, 1)
	go func() { ended <- b.Run(ctx, s) }()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case addresses := <-s.addresses:
		return strings.TrimPrefix(addresses[0], "tcp://")
	case err := <-ended:
		ended <- err
		t.Fatal(err)
		return ""
	}
}

// listener is a Receiver that passes on the topics of what it receives, and has the connection end by an error when that is the topic "break".
type listener struct{ connected, topics chan string }

func newListener() *listener { return &listener{make(chan string, 1), make(chan string, 100)} }

func (l *listener) Connected()    { l.connected <- "" }
func (l *listener) Problem(error) {}

func (l *listener) Receive(_ context.Context, m *mqtt.Message) error {
	m.Done(nil)
	if m.Topic == "break" {
		return errBroken
	}
	l.topics <- m.Topic
	return nil
}

var errBroken = errors.New("the connection ends by an error")

// within returns what comes.
func within[T any](t *testing.T, what string, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(30 * time.Second):
		t.Fatal("not within 30 s: ", what)
	}
	return got
}

// A broker publishes the will of a client whose connection ends by an error, and not that of one that leaves.
func TestTheWillIsPublishedUnlessTheClientLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Mosquitto")
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const mosquitto = "Mosquitto"
	for name, address := range map[string]string{
		"the broker inside": inner(t), mosquitto: testenv.NewMosquitto(t, t.TempDir(), false, "").Address(),
	} {
		for _, version := range []int{3, 5} {
			t.Run(fmt.Sprintf("%s, version %d", name, version), func(t *testing.T) {
				user, file := "user", password
				if name != mosquitto {
					user, file = "", "" // It lets everybody in who does not log in.
				}
				options := func(id string, topics ...string) mqtt.Options {
					return mqtt.Options{
						URL: "tcp://" + address, Version: version, ClientID: id, Username: user, PasswordFile: file, Topics: topics, QoS: 1, KeepAlive: 10 * time.Second,
						ReceiveMaximum: 10, MaxPacket: 1 << 20, Clean: true,
					}
				}
				// start runs a client until end is called.
				start := func(o mqtt.Options) (c *mqtt.Client, l *listener, ended chan error, end func()) {
					ctx, cancel := context.WithCancel(t.Context())
					c, l, ended = mqtt.New(o), newListener(), make(chan error, 1)
					done := make(chan struct{})
					go func() {
						defer close(done)
						ended <- c.Run(ctx, l)
					}()
					t.Cleanup(func() { cancel(); <-done })
					select {
					case <-l.connected:
					case err := <-ended:
						t.Fatal(err)
					}
					return c, l, ended, cancel
				}
				observer, seen, _, _ := start(options("observer", "will", "mark"))
				dying := options("dying", "break")
				dying.Will = &mqtt.Publication{Topic: "will", Payload: []byte("lost"), QoS: 1}
				publish := func(topic string) {
					if err := observer.Publish(mqtt.Publication{Topic: topic, Payload: []byte("1"), QoS: 1}); err != nil {
						t.Fatal(err)
					}
				}

				_, _, ended, _ := start(dying)
				publish("break")
				if err := within(t, "the end", ended); !errors.Is(err, errBroken) {
					t.Errorf("got %v", err)
				}
				if topic := within(t, "the will of a client whose connection has ended by an error", seen.topics); topic != "will" {
					t.Errorf("got the topic %q", topic)
				}

				_, _, ended, end := start(dying)
				end()
				if err := within(t, "the end", ended); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				start(options("dying", "break")) // Then the broker knows that the connection before has ended.
				publish("mark")
				if topic := within(t, "the mark", seen.topics); topic != "mark" {
					t.Errorf("got the topic %q of a client that has left", topic)
				}
			})
		}
	}
}
