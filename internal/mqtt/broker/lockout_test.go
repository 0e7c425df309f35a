package broker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/mqtt/stream"
)

// dialWebsocket connects to the first listener, which must be one of websockets.
func (r *rig) dialWebsocket(version byte) *client {
	r.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}, WriteBufferSize: 1 << 20}
	conn, answer, err := dialer.Dial(r.addresses[0], http.Header{})
	if err != nil {
		r.t.Fatal(err)
	}
	_ = answer.Body.Close()
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{r.t, stream.Of(conn), version}
}

// A client of MQTT 3.1.1 sends a message until it is acknowledged. One that is too long must not keep the client from all that follows.
func TestAMessageThatIsTooLongIsPassedOverInAWebsocket(t *testing.T) {
	l := limits()
	l.MaxPacket = 64 << 10
	r := start(t, Options{Limits: l, Listeners: []Listener{{Addr: "127.0.0.1:0", Path: "/mqtt"}}})
	c := r.dialWebsocket(4)
	c.send(hello{id: "a", clean: true}.packet(4))
	c.want(packet.Connack)
	c.send(c.publishPacket("a", strings.Repeat("x", 300<<10), 1, 1, 0))
	c.want(packet.Puback)
	c.send(c.publishPacket("a", "next", 1, 2, 0))
	c.want(packet.Puback)
}

// failing is a receiver that fails once.
type failing struct {
	*sink
	failed atomic.Bool
}

func (f *failing) Receive(ctx context.Context, m *Message) error {
	if !f.failed.Swap(true) {
		panic("a fault")
	}
	return f.sink.Receive(ctx, m)
}

// A fault at one message ends one connection, and not the client's session for ever.
func TestAFaultDoesNotLockAClientOut(t *testing.T) {
	r := start(t, Options{})
	var receiver Receiver = &failing{sink: r.sink}
	r.receiver.Store(&receiver)
	c, _ := r.connect(5, hello{id: "a", clean: true})
	c.send(c.publishPacket("a", "1", 1, 1, 0))
	c.closed()
	c, _ = r.connect(5, hello{id: "a", clean: true})
	c.send(c.publishPacket("a", "2", 1, 1, 0))
	c.want(packet.Puback)
	if failures := r.counts.failures.Load(); failures != 1 {
		t.Errorf("got %d failures, want 1", failures)
	}
}

// A client whose network was cut comes back although the broker is still writing to its last connection.
func TestAClientComesBackWhileItsLastConnectionReadsNothing(t *testing.T) {
	for _, path := range []string{"", "/mqtt"} {
		t.Run("path "+path, func(t *testing.T) {
			t.Parallel()
			l := limits()
			l.MaxQueuedBytes = 64 << 20
			r := start(t, Options{Limits: l, Listeners: []Listener{{Addr: "127.0.0.1:0", Path: path}}})
			dial := r.dial
			if path != "" {
				dial = r.dialWebsocket
			}
			connect := func(id string) *client {
				c := dial(5)
				c.send(hello{id: id, clean: true}.packet(5))
				c.want(packet.Connack)
				return c
			}
			deaf, writer := connect("deaf"), connect("writer")
			deaf.subscribe("a", 0)
			for range 40 {
				writer.send(writer.publishPacket("a", strings.Repeat("x", 1<<19), 1, 1, 0))
				writer.want(packet.Puback)
			}
			r.until("write that waits", func() bool { return r.Stats().Dropped[dropQueueFull] > 0 })
			began := time.Now()
			connect("deaf")
			if took := time.Since(began); took > 3*leaveTimeout {
				t.Errorf("the client was taken after %v, want %v", took, leaveTimeout)
			}
		})
	}
}

// Connections of nobody knows whom do not use up what clients need for their messages.
func TestLongConnectsThatDoNotComeDoNotHoldUpMessages(t *testing.T) {
	l := limits()
	l.MaxConnections = 3000
	r := start(t, Options{Limits: l})
	c, _ := r.connect(5, hello{id: "a", clean: true})
	head := packet.AppendLength([]byte{packet.Connect << 4}, maxConnect)
	for range maxBodies/maxConnect + 10 {
		r.dial(5).send(head)
	}
	r.until("connections that wait", func() bool {
		r.Broker.mu.Lock()
		defer r.Broker.mu.Unlock()
		return r.unknown.Len() > maxBodies/maxConnect
	})
	began := time.Now()
	c.send(c.publishPacket("a", strings.Repeat("x", 2*bufferSize), 1, 1, 0))
	c.want(packet.Puback)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("acknowledged after %v", took)
	}
}

// What a client may not publish costs a bounded amount, too.
func TestMessagesThatAreNotAllowedAreBounded(t *testing.T) {
	r := start(t, Options{Permissions: []Permission{{User: "*", Publish: []string{"allowed"}}}})
	c, _ := r.connect(4, hello{id: "a", clean: true})
	go func() { _, _ = io.Copy(io.Discard, c) }()
	for id := range uint16(10 * maxReleases) {
		if _, err := c.Write(c.publishPacket("forbidden", "", 2, id+1, 0)); err != nil {
			break
		}
	}
	r.until("end of the connection", func() bool {
		r.Broker.mu.Lock()
		defer r.Broker.mu.Unlock()
		return len(r.online) == 0
	})
}

// Nobody takes the name of somebody else by a user property, or by one of a last will.
func TestAnonymousClientsHaveNoUsername(t *testing.T) {
	r := start(t, Options{})
	name := packet.AppendText(packet.AppendText([]byte{packet.PropUser}, "username"), "boss")
	c, _ := r.connect(5, hello{id: "a", clean: true, will: &publication{topic: "will", payload: []byte("w")}, willProperties: name})
	body := append(packet.AppendLength(packet.AppendText(nil, "a"), len(name)), name...)
	c.send(packet.Append(nil, packet.Publish, 0, append(body, 'p')))
	r.until("message", func() bool { return len(r.payloads()) == 1 })
	_ = c.Close()
	r.until("will", func() bool { return len(r.payloads()) == 2 })
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	for _, m := range r.messages {
		if got := fmt.Sprint(m.Tags); got != "map[client_id:a]" {
			t.Errorf("%s: got tags %s", m.Topic, got)
		}
	}
}

// A retained message that no longer holds is not sent to anybody, though there is no room for the one that replaces it.
func TestARetainedMessageEndsWhenTheNextHasNoRoom(t *testing.T) {
	l := limits()
	l.MaxPacket = 2 << 20
	r := start(t, Options{Limits: l})
	c, _ := r.connect(5, hello{id: "a", clean: true})
	for id, payload := range []string{"open", strings.Repeat("closed", 180_000)} {
		c.send(c.publishPacket("door", payload, 1, uint16(id+1), packet.PublishRetain))
		c.want(packet.Puback)
	}
	if m := r.retained.get("door"); m != nil {
		t.Errorf("got %q retained, want nothing", m.payload)
	}
	if count, bytes := r.retained.size(); count != 0 || bytes != 0 {
		t.Errorf("got %d messages of %d bytes, want none", count, bytes)
	}
}
