package broker

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"iotmon/internal/mqtt/packet"
)

// Two connections with one client id: the newer one has the session, and the last will of the older one comes before anything of the newer.
func TestAClientThatConnectsTwiceIsTakenOver(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	will := &publication{topic: "press/status", payload: []byte("offline"), qos: 1, retain: true}
	first, _ := r.connect(5, hello{id: "press", properties: []byte{packet.PropSessionExpiry, 0, 0, 0, 60}, will: will})
	second, present := r.connect(5, hello{id: "press", properties: []byte{packet.PropSessionExpiry, 0, 0, 0, 60}})
	if reason := first.closed(); reason != reasonTakenOver {
		t.Errorf("got reason %x", reason)
	}
	if !present {
		t.Error("the session is lost")
	}
	second.send(second.publishPacket("press/status", "online", 1, 1, packet.PublishRetain))
	second.want(packet.Puback)
	if got := fmt.Sprint(r.payloads()); got != "[offline online]" {
		t.Errorf("got %s", got)
	}
	if m := r.retained.get("press/status"); m == nil || string(m.payload) != "online" {
		t.Errorf("retained %+v", m)
	}
	if s := r.Stats(); s.TakenOver != 1 || s.Wills != 1 || s.Sessions != 1 || s.Clients != 1 {
		t.Errorf("got %+v", s)
	}
}

// Many connections with one client id at once end with one, whichever it is.
func TestAStormOfOneClientID(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			conn, err := net.Dial("tcp", r.host(0))
			if err != nil {
				return
			}
			_, _ = conn.Write(hello{id: "press"}.packet(4))
			time.Sleep(100 * time.Millisecond)
			_ = conn.Close()
		})
	}
	group.Wait()
	r.until("end of all", func() bool { s := r.Stats(); return s.Clients == 0 && s.Sessions == 1 })
	if _, present := r.connect(4, hello{id: "press"}); !present {
		t.Error("the session is lost")
	}
}

// A subscriber to everything that does not read costs a bounded amount, and neither publishers nor other subscribers wait for it.
func TestASubscriberThatDoesNotRead(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	deaf, _ := r.connect(4, hello{id: "deaf", clean: true})
	if code := deaf.subscribe("#", 1); code != 1 {
		t.Fatalf("got %x", code)
	}
	reader, _ := r.connect(5, hello{id: "reader", clean: true})
	reader.subscribe("press/#", 0)
	c, _ := r.connect(4, hello{id: "press", clean: true})
	payload := strings.Repeat("x", 10_000)
	const count = 3000
	for i := range count {
		c.send(c.publishPacket("press/1", payload, 1, uint16(i+1), 0))
		c.want(packet.Puback)
		reader.message()
	}
	s := r.Stats()
	if s.QueuedBytes > r.maxSessionBytes()+r.o.Limits.MaxQueuedBytes || s.Dropped[dropQueueFull] == 0 {
		t.Errorf("got %d bytes queued, dropped %v", s.QueuedBytes, s.Dropped)
	}
	_ = deaf.Close()
	r.until("release of the queue", func() bool { return r.Stats().Clients == 2 && r.Stats().QueuedBytes == 0 })
}

// A million topics to be retained cost what is allowed, and those that fit stay.
func TestAMillionRetainedTopics(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c, _ := r.connect(4, hello{id: "press", clean: true})
	count := 1_000_000
	if testing.Short() {
		count = 20_000
	}
	go func() {
		var batch []byte
		for i := range count {
			batch = append(batch, c.publishPacket(fmt.Sprintf("t/%d", i), "x", 0, 0, packet.PublishRetain)...)
			if len(batch) > 32<<10 || i == count-1 {
				if _, err := c.Write(batch); err != nil {
					return
				}
				batch = batch[:0]
			}
		}
		_, _ = c.Write([]byte{packet.Pingreq << 4, 0})
	}()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	var answer [2]byte
	if _, err := c.Read(answer[:]); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if s.Retained != r.o.Limits.MaxRetained || s.RetainedBytes > r.o.Limits.MaxRetainedBytes || s.Dropped[dropRetainedFull] != int64(count-s.Retained) {
		t.Errorf("got %+v", s)
	}
	all, _ := r.connect(5, hello{id: "panel", clean: true})
	all.subscribe("t/#", 0)
	for range s.Retained { // More than may wait for a subscriber: they are sent as it reads.
		if p, _, _ := all.message(); !p.Retain {
			t.Fatal("a retained message that does not say so")
		}
	}
	c.send(c.publishPacket("t/1", "", 0, 0, packet.PublishRetain))
	r.until("end of a retained message", func() bool { return r.Stats().Retained == s.Retained-1 })
}

// Connections that do not say who they are do not keep others out, and end.
func TestSlowConnects(t *testing.T) {
	t.Parallel()
	o := Options{Limits: limits()}
	o.Limits.MaxConnections = 10_000
	r := start(t, o)
	var slow []net.Conn
	for range maxUnknown + 100 {
		conn, err := net.Dial("tcp", r.host(0))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte{packet.Connect << 4})
		slow = append(slow, conn)
	}
	r.connect(5, hello{id: "press", clean: true})
	r.until("refusals", func() bool { return r.Stats().Refused[string(refusedStranger)] >= 100 })
	_ = slow[0].SetReadDeadline(time.Now().Add(patience))
	if _, err := slow[0].Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest is still there: %v", err)
	}
}

// What is no MQTT, or breaks its rules, ends the connection and nothing else.
func TestGarbage(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	connected := func(version byte, packets ...[]byte) func() *client {
		return func() *client {
			c, _ := r.connect(version, hello{id: "press", clean: true})
			c.send(packets...)
			return c
		}
	}
	raw := func(bytes ...byte) func() *client {
		return func() *client {
			c := r.dial(5)
			c.send(bytes)
			return c
		}
	}
	for name, act := range map[string]func() *client{
		"HTTP":                   raw([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")...),
		"a long length":          raw(0x10, 0xff, 0xff, 0xff, 0x7f),
		"no length":              raw(0x10, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"zeros":                  raw(make([]byte, 100)...),
		"PUBLISH first":          raw(0x30, 3, 0, 1, 'a'),
		"a second CONNECT":       connected(5, hello{id: "press"}.packet(5)),
		"CONNACK":                connected(5, []byte{packet.Connack << 4, 2, 0, 0}),
		"AUTH":                   connected(5, []byte{packet.Auth << 4, 0}),
		"QoS 3":                  connected(4, []byte{0x36, 5, 0, 1, 'a', 0, 1}),
		"no identifier":          connected(4, []byte{0x32, 5, 0, 1, 'a', 0, 0}),
		"a wildcard":             connected(4, []byte{0x30, 3, 0, 1, '#'}),
		"no topic":               connected(4, []byte{0x30, 2, 0, 0}),
		"an unknown alias":       connected(5, []byte{0x30, 6, 0, 0, 3, packet.PropTopicAlias, 0, 1}),
		"a high alias":           connected(5, []byte{0x30, 7, 0, 1, 'a', 3, packet.PropTopicAlias, 1, 1}),
		"the broker's own topic": connected(5, []byte{0x30, 7, 0, 4, '$', 'S', 'Y', 'S', 0}),
		"SUBSCRIBE of nothing":   connected(4, []byte{0x82, 2, 0, 1}),
		"SUBSCRIBE flags":        connected(4, []byte{0x80, 6, 0, 1, 0, 1, 'a', 0}),
		"PUBREL before PUBREC": func() *client {
			r.hold(true)
			return connected(4, []byte{0x34, 5, 0, 1, 'a', 0, 1, 0x62, 2, 0, 1})()
		},
		"a packet that is too long": connected(5, packet.AppendLength([]byte{packet.Subscribe<<4 | 2}, 2<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			act().closed()
			r.hold(false)
		})
	}
	if s := r.Stats(); s.Failures != 0 {
		t.Errorf("%d failures", s.Failures)
	}
	r.until("end of all", func() bool { return r.Stats().Clients == 0 })
}

// Versions that are not known are refused in a way that their clients understand.
func TestOtherVersionsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, connect := range [][]byte{
		packet.Append(nil, packet.Connect, 0, append(append(packet.AppendText(nil, "MQIsdp"), 3, 2, 0, 10), packet.AppendText(nil, "a")...)),
		hello{id: "a"}.packet(6),
	} {
		c := r.dial(4)
		c.send(connect)
		if body := c.want(packet.Connack); body[1] != 1 {
			t.Errorf("got code %d, want 1", body[1])
		}
		c.closed()
	}
}

// A client that is silent for one and a half times its keep-alive is lost, and its will says so.
func TestTheKeepAliveIsEnforced(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, version := range []byte{4, 5} {
		c, _ := r.connect(version, hello{id: "press", clean: true, keepAlive: 1, will: &publication{topic: "s", payload: []byte("gone")}})
		began := time.Now()
		c.closed()
		if took := time.Since(began); took < time.Second || took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	}
	r.until("wills", func() bool { return fmt.Sprint(r.payloads()) == "[gone gone]" })
}

// The wills of thousands that are lost at once all arrive, and those that have said goodbye leave none.
func TestManyWillsAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	const count = 500
	var clients []*client
	for i := range count {
		c, _ := r.connect(4, hello{id: fmt.Sprint("c", i), clean: true, will: &publication{topic: fmt.Sprint("w/", i), payload: []byte("gone"), qos: 1, retain: true}})
		clients = append(clients, c)
	}
	clients[0].send([]byte{packet.Disconnect << 4, 0})
	clients[0].closed()
	for _, c := range clients[1:] {
		_ = c.Close()
	}
	r.until("wills", func() bool { return len(r.payloads()) == count-1 })
	if s := r.Stats(); s.Retained != count-1 || s.Sessions != 0 {
		t.Errorf("got %+v", s)
	}
}

// A will that waits is not published if its client comes back in time.
func TestADelayedWill(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	lost := hello{id: "press", properties: []byte{packet.PropSessionExpiry, 0, 0, 0, 60}, will: &publication{topic: "s", payload: []byte("gone")},
		willProperties: []byte{packet.PropWillDelay, 0, 0, 0, 1}}
	c, _ := r.connect(5, lost)
	_ = c.Close()
	r.until("loss", func() bool { return r.Stats().Clients == 0 })
	c, present := r.connect(5, lost)
	if !present || len(r.payloads()) != 0 {
		t.Errorf("present %v, got %q", present, r.payloads())
	}
	_ = c.Close()
	r.until("will", func() bool { return fmt.Sprint(r.payloads()) == "[gone]" })
}

// While the receiver has as many messages of a client as it may, others go on; MQTT 5 ends a client that sends more all the same.
func TestAFloodIsHeldBack(t *testing.T) {
	t.Parallel()
	o := Options{Limits: limits()}
	o.Limits.ReceiveMaximum = 10
	r := start(t, o)
	r.hold(true)
	old, _ := r.connect(4, hello{id: "old", clean: true})
	for i := range 1000 {
		old.send(old.publishPacket("a", "x", byte(i%2), 1+uint16(i), 0))
	}
	r.until("messages", func() bool { return len(r.payloads()) == 10 })
	flood, _ := r.connect(5, hello{id: "flood", clean: true})
	for i := range 11 {
		flood.send(flood.publishPacket("a", "y", 1, 1+uint16(i), 0))
	}
	if reason := flood.closed(); reason != reasonReceiveMaximum {
		t.Errorf("got reason %x", reason)
	}
	if got := len(r.payloads()); got != 20 {
		t.Errorf("got %d messages, want 20", got)
	}
	r.hold(false)
	r.until("the rest", func() bool { return len(r.payloads()) == 1010 })
}

// Sessions and retained messages are there after a restart, and so is a client's subscription. A file that was cut off or has garbage loads.
func TestTheStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state", "sessions.jsonl")
	r := start(t, Options{StateFile: file})
	c, _ := r.connect(4, hello{id: "panel"})
	c.subscribe("press/+", 1)
	c.send(c.publishPacket("press/status", "online", 1, 1, packet.PublishRetain))
	for range 2 { // The acknowledgement and the message, in any order.
		if _, _, err := c.next(); err != nil {
			t.Fatal(err)
		}
	}
	clean, _ := r.connect(4, hello{id: "clean", clean: true})
	clean.subscribe("#", 0)
	time.Sleep(3 * saveInterval)
	text, err := os.ReadFile(file) // As kill -9 leaves it.
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.WriteFile(file, append(append([]byte("garbage\n"), text...), `{"session":{"client_id":"cut`...), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, Options{StateFile: file})
	if s := r.Stats(); s.Sessions != 1 || s.Subscriptions != 1 || s.Retained != 1 {
		t.Fatalf("got %+v", s)
	}
	other, _ := r.connect(4, hello{id: "press", clean: true})
	other.send(other.publishPacket("press/1", "while away", 1, 1, 0))
	other.want(packet.Puback)
	c, present := r.connect(4, hello{id: "panel"})
	if _, topic, payload := c.message(); !present || topic != "press/1" || payload != "while away" {
		t.Errorf("present %v, got %q %q", present, topic, payload)
	}
}

// Who logs in by a password of each kind, a token or not at all.
func TestLogins(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	lines := "# users\n\nbc:" + string(hash) + "\n" +
		"token:sha256:" + "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8" + "\n" // "password"
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(lines)
	r := start(t, Options{Login: Login{File: file}, Permissions: []Permission{{User: "*", Publish: []string{"plant/{{username}}/#"}, Subscribe: []string{"{{client_id}}/#"}}}})
	for _, h := range []hello{{username: "bc", password: "secret"}, {username: "token", password: "password"}, {username: "password"}} {
		h.id, h.clean = "press", true
		r.connect(4, h)
	}
	for _, h := range []hello{{}, {username: "bc"}, {username: "bc", password: "password"}, {username: "token", password: "secret"}, {username: "nobody", password: "secret"}} {
		t.Run(h.username+" "+h.password, func(t *testing.T) {
			t.Parallel()
			h.id, h.clean = "press", true
			c := r.dial(5)
			c.send(h.packet(5))
			if body := c.want(packet.Connack); body[1] != reasonLogin {
				t.Errorf("got %x", body)
			}
		})
	}
	c, _ := r.connect(5, hello{id: "press", username: "bc", password: "secret", clean: true})
	c.send(c.publishPacket("plant/other/1", "x", 1, 1, 0))
	if body := c.want(packet.Puback); len(body) < 3 || body[2] != reasonNotAuthorized {
		t.Errorf("got %x", body)
	}
	c.send(c.publishPacket("plant/bc/1", "x", 1, 1, 0))
	if body := c.want(packet.Puback); len(body) != 2 {
		t.Errorf("got %x", body)
	}
	for filter, want := range map[string]byte{"press/1": 0, "press/#": 0, "#": reasonNotAuthorized, "+/1": reasonNotAuthorized, "a/#/b": reasonFilter} {
		if got := c.subscribe(filter, 0); got != want {
			t.Errorf("%s: got %x, want %x", filter, got, want)
		}
	}
	write(strings.Replace(lines, "bc:", "bd:", 1)) // The user is removed.
	if reason := c.closed(); reason != reasonAdministrative {
		t.Errorf("got %x", reason)
	}
}

// Whatever clients send for ever costs a bounded amount of memory, and leaves nothing behind.
func TestEndlessClientsCostABoundedAmount(t *testing.T) {
	r := start(t, Options{})
	c := &client{version: 4}
	for name, sent := range map[string][]byte{
		"pings":         {packet.Pingreq << 4, 0},
		"messages":      c.publishPacket("a", strings.Repeat("x", 1000), 1, 1, 0),
		"QoS 2":         c.publishPacket("a", "x", 2, 1, 0),
		"subscriptions": packet.Append(nil, packet.Subscribe, 2, append(packet.AppendText([]byte{0, 1}, strings.Repeat("x", 1000)), 0)),
		"releases":      packet.AppendAnswer(nil, packet.Pubrel, 7),
		"long messages": c.publishPacket("a", strings.Repeat("x", 2<<20), 0, 0, 0),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c, _ := r.connect(4, hello{id: "press", clean: true})
		_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		block := bytes.Repeat(sent, 1+(64<<10)/len(sent))
		for {
			if _, err := c.Write(block); err != nil {
				break
			}
		}
		r.sink.mu.Lock()
		r.messages, r.problems = nil, nil
		r.sink.mu.Unlock()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
			t.Errorf("%s: the heap has grown by %d bytes", name, grown)
		}
		_ = c.Close()
		r.until("end", func() bool { return r.Stats().Clients == 0 })
	}
}
