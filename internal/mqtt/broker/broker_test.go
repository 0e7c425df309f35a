package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/mqtt/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// sink is a receiver that keeps what it gets. While held is set it is not finished with anything.
type sink struct {
	mu        sync.Mutex
	held      bool
	waiting   []*Message
	messages  []*Message
	problems  []error
	addresses chan []string
}

func (s *sink) Listening(addresses []string) { s.addresses <- addresses }

func (s *sink) Problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err)
}

func (s *sink) Receive(_ context.Context, m *Message) error {
	s.mu.Lock()
	s.messages = append(s.messages, m)
	held := s.held
	if held {
		s.waiting = append(s.waiting, m)
	}
	s.mu.Unlock()
	if !held {
		m.Done(nil)
	}
	return nil
}

// hold stops finishing with messages, or finishes with all.
func (s *sink) hold(held bool) {
	s.mu.Lock()
	s.held = held
	var waiting []*Message
	if !held {
		waiting, s.waiting = s.waiting, nil
	}
	s.mu.Unlock()
	for _, m := range waiting {
		m.Done(nil)
	}
}

func (s *sink) payloads() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		all = append(all, string(m.Payload))
	}
	return all
}

// rig is a broker that runs until the test ends.
type rig struct {
	*Broker
	*sink
	t         testing.TB
	addresses []string
	stop      func()
}

func limits() Limits {
	return Limits{
		MaxConnections: 1000, MaxSessions: 1000, SessionExpiry: time.Hour, MaxSubscriptions: 100, MaxPacket: 1 << 20, ReceiveMaximum: 100, MaxKeepAlive: time.Minute,
		MaxQueued: 1000, MaxQueuedBytes: 16 << 20, MaxInflight: 20, MaxRetained: 1000, MaxRetainedBytes: 1 << 20,
	}
}

func start(t testing.TB, o Options) *rig {
	t.Helper()
	if o.Limits == (Limits{}) {
		o.Limits = limits()
	}
	if o.Listeners == nil {
		o.Listeners = []Listener{{Addr: "127.0.0.1:0"}}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Login.File == "" && o.TLS.ClientCAFile == "" {
		o.Login.Anonymous = true
	}
	r := &rig{Broker: New(o), sink: &sink{addresses: make(chan []string, 1)}, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, r.sink) }()
	select {
	case r.addresses = <-r.sink.addresses:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the broker has ended with %v", err)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// host returns the address of a listener without its scheme.
func (r *rig) host(i int) string {
	_, address, _ := strings.Cut(r.addresses[i], "://")
	host, _, _ := strings.Cut(address, "/")
	return host
}

func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("no %s: got %q, problems %v, stats %+v", what, r.payloads(), r.problems, r.Stats())
		}
	}
}

// client is a client that sends and reads packets one by one.
type client struct {
	t testing.TB
	net.Conn
	version byte
}

func (r *rig) dial(version byte) *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.host(0))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{r.t, conn, version}
}

func (c *client) send(packets ...[]byte) {
	c.t.Helper()
	for _, p := range packets {
		if _, err := c.Write(p); err != nil {
			c.t.Fatal(err)
		}
	}
}

// next reads a packet.
func (c *client) next() (kind byte, body []byte, err error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var head [1]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	kind = head[0]
	size := 0
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return 0, nil, err
		}
		size |= int(head[0]&0x7f) << shift
		if head[0] < 0x80 {
			break
		}
	}
	body = make([]byte, size)
	_, err = io.ReadFull(c, body)
	return kind, body, err
}

// want reads a packet of a type.
func (c *client) want(kind byte) []byte {
	c.t.Helper()
	got, body, err := c.next()
	if err != nil || got>>4 != kind {
		c.t.Fatalf("got a packet of type %d %x, %v, want type %d", got>>4, body, err, kind)
	}
	return body
}

// closed waits until the broker ends the connection, and returns the reason of its DISCONNECT.
func (c *client) closed() (reason byte) {
	c.t.Helper()
	for {
		kind, body, err := c.next()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.t.Fatal("the broker does not end the connection")
			}
			return reason
		}
		if kind>>4 == packet.Disconnect {
			reason = body[0]
		}
	}
}

// hello is what a CONNECT says.
type hello struct {
	id, username, password string
	clean                  bool
	keepAlive              byte
	properties             []byte
	will                   *publication
	willProperties         []byte
}

func (h hello) packet(version byte) []byte {
	flags := byte(0)
	if h.clean {
		flags |= packet.ConnectClean
	}
	if h.username != "" {
		flags |= packet.ConnectUsername
	}
	if h.password != "" {
		flags |= packet.ConnectPassword
	}
	if h.will != nil {
		flags |= packet.ConnectWill | h.will.qos<<packet.ConnectWillQoS
		if h.will.retain {
			flags |= packet.ConnectWillRetain
		}
	}
	body := append(packet.AppendText(nil, "MQTT"), version, flags, 0, h.keepAlive)
	if version == 5 {
		body = append(packet.AppendLength(body, len(h.properties)), h.properties...)
	}
	body = packet.AppendText(body, h.id)
	if h.will != nil {
		if version == 5 {
			body = append(packet.AppendLength(body, len(h.willProperties)), h.willProperties...)
		}
		body = packet.AppendText(packet.AppendText(body, h.will.topic), h.will.payload)
	}
	if h.username != "" {
		body = packet.AppendText(body, h.username)
	}
	if h.password != "" {
		body = packet.AppendText(body, h.password)
	}
	return packet.Append(nil, packet.Connect, 0, body)
}

// connect connects a client and returns whether its session was there.
func (r *rig) connect(version byte, h hello) (c *client, present bool) {
	r.t.Helper()
	c = r.dial(version)
	c.send(h.packet(version))
	body := c.want(packet.Connack)
	if body[1] != 0 {
		r.t.Fatalf("refused with %x", body[1])
	}
	return c, body[0] == 1
}

// publishPacket returns PUBLISH.
func (c *client) publishPacket(topic, payload string, qos byte, id uint16, flags byte) []byte {
	body := packet.AppendText(nil, topic)
	if qos > 0 {
		body = append(body, byte(id>>8), byte(id))
	}
	if c.version == 5 {
		body = append(body, 0)
	}
	return packet.Append(nil, packet.Publish, qos<<1|flags, append(body, payload...))
}

func (c *client) subscribe(filter string, options byte) (code byte) {
	c.t.Helper()
	body := []byte{0, 1}
	if c.version == 5 {
		body = append(body, 0)
	}
	c.send(packet.Append(nil, packet.Subscribe, packet.Reserved, append(packet.AppendText(body, filter), options)))
	answer := c.want(packet.Suback)
	return answer[len(answer)-1]
}

// message reads a PUBLISH and returns what it says.
func (c *client) message() (p publish, topic, payload string) {
	c.t.Helper()
	kind, body, err := c.next()
	if err != nil || kind>>4 != packet.Publish {
		c.t.Fatalf("got a packet of type %d %x, %v, want a message", kind>>4, body, err)
	}
	version := c.version
	if p, err = decodePublish(kind&0xf, body, version); err != nil {
		c.t.Fatal(err)
	}
	return p, string(p.Topic), string(p.Payload)
}

// Clients that are not ours, with every version and quality of service.
func TestIndependentClientsPublishAndSubscribe(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		t.Fatal("mosquitto_pub is missing: scripts/provision-test.sh installs it")
	}
	r := start(t, Options{})
	host, port, _ := net.SplitHostPort(r.host(0))
	for _, version := range []string{"mqttv5", "mqttv311"} {
		for _, qos := range []string{"0", "1", "2"} {
			t.Run(version+" QoS "+qos, func(t *testing.T) {
				topic := fmt.Sprintf("hall/%s/%s", version, qos)
				out := filepath.Join(t.TempDir(), "out")
				file, err := os.Create(out)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				subscriptions := r.Stats().Subscriptions
				sub := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-V", version, "-q", qos, "-t", "hall/+/"+qos, "-C", "3", "-W", "10", "-F", "%t %p %q")
				sub.Stdout = file
				if err := sub.Start(); err != nil {
					t.Fatal(err)
				}
				r.until("subscription", func() bool { return r.Stats().Subscriptions > subscriptions })
				pub := exec.Command("mosquitto_pub", "-h", host, "-p", port, "-V", version, "-q", qos, "-t", topic, "-l")
				pub.Stdin = strings.NewReader("one\ntwo\nthree\n")
				if output, err := pub.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, output)
				}
				if err := sub.Wait(); err != nil {
					t.Error(err)
				}
				got, _ := os.ReadFile(out)
				want := fmt.Sprintf("%[1]s one %[2]s\n%[1]s two %[2]s\n%[1]s three %[2]s\n", topic, qos)
				if string(got) != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
	if got := len(r.payloads()); got != 18 {
		t.Errorf("the receiver got %d messages, want 18", got)
	}
}

// A message is acknowledged when the receiver says so, and not before.
func TestAMessageIsAcknowledgedWhenTheReceiverIsFinished(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{4, 5} {
		r := start(t, Options{})
		c, _ := r.connect(version, hello{id: "press", clean: true})
		r.hold(true)
		c.send(c.publishPacket("a", "one", 1, 7, 0), c.publishPacket("a", "two", 2, 8, 0), []byte{packet.Pingreq << 4, 0})
		r.until("messages", func() bool { return len(r.payloads()) == 2 })
		c.want(packet.Pingresp) // Nothing was acknowledged before.
		r.hold(false)
		if got := c.want(packet.Puback); string(got) != "\x00\x07" {
			t.Errorf("got PUBACK %x", got)
		}
		if got := c.want(packet.Pubrec); string(got) != "\x00\x08" {
			t.Errorf("got PUBREC %x", got)
		}
		c.send(c.publishPacket("a", "two", 2, 8, packet.PublishDuplicate)) // The answer was lost.
		c.want(packet.Pubrec)
		c.send(packet.AppendAnswer(nil, packet.Pubrel, 8))
		c.want(packet.Pubcomp)
		c.send(c.publishPacket("a", "three", 2, 8, 0)) // The identifier is free again.
		c.want(packet.Pubrec)
		if got := r.payloads(); fmt.Sprint(got) != "[one two three]" {
			t.Errorf("got %q", got)
		}
	}
}

// A client that comes back while its message is still on its way to the log, and sends it again, gets the answer in the new connection, and the message counts once.
func TestARepeatedMessageIsReceivedOnce(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{1, 2} {
		r := start(t, Options{})
		h := hello{id: "press"}
		c, _ := r.connect(4, h)
		r.hold(true)
		c.send(c.publishPacket("a", "one", qos, 7, 0))
		r.until("message", func() bool { return len(r.payloads()) == 1 })
		_ = c.Close()
		c, present := r.connect(4, h)
		if !present {
			t.Fatal("the session is lost")
		}
		c.send(c.publishPacket("a", "one", qos, 7, packet.PublishDuplicate), []byte{packet.Pingreq << 4, 0})
		c.want(packet.Pingresp)
		r.hold(false)
		c.want(map[byte]byte{1: packet.Puback, 2: packet.Pubrec}[qos])
		if got := r.payloads(); len(got) != 1 {
			t.Errorf("QoS %d: got %q", qos, got)
		}
	}
}
