package broker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
)

// usersFile returns a file with a token for each user, which is the user's name.
func usersFile(t *testing.T, names ...string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "%s:sha256:%x\n", name, sha256.Sum256([]byte(name)))
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Clients that announce long packets and hardly send them cost a bounded sum. Other users do not notice them, and other clients of the same user hardly.
func TestLongPacketsThatHardlyComeCostABoundedSum(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Login: Login{File: usersFile(t, "mallory", "press")}})
	const packets = 200
	for i := range packets {
		c, _ := r.connect(5, hello{id: fmt.Sprint("m", i), username: "mallory", password: "mallory", clean: true})
		c.send(c.publishPacket("a", strings.Repeat("x", 1<<20-100), 1, 1, 0)[:1000])
	}
	r.until("claims", func() bool {
		r.bodies.mu.Lock()
		defer r.bodies.mu.Unlock()
		// The first of them end as too slow, on a busy machine before the last of them have begun.
		return len(r.bodies.parties) == 1 && len(r.bodies.parties["user mallory"].waiting) >= packets/8
	})
	long := strings.Repeat("x", 2*bufferSize)
	for _, user := range []string{"press", "mallory"} {
		began := time.Now()
		c, _ := r.connect(5, hello{id: "innocent", username: user, password: user, clean: true})
		c.send(c.publishPacket("a", long, 1, 1, 0))
		c.want(packet.Puback)
		took := time.Since(began)
		if limit := map[string]time.Duration{"press": 2 * contendedTimeout, "mallory": 4 * contendedTimeout}[user]; took > limit {
			t.Errorf("%s's message was acknowledged after %v", user, took)
		}
	}
	r.bodies.mu.Lock()
	if used := r.bodies.used; used > maxBodies/4+1<<20 {
		t.Errorf("%d bytes are in use", used)
	}
	r.bodies.mu.Unlock()
	r.until("ends", func() bool { return r.Stats().Ended[endTooSlow] > 0 })
}

// Of a message that is too long only the beginning is kept, which counts like a long packet.
func TestBeginningsOfMessagesThatAreTooLongAreBounded(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxPacket = 100 << 10
	r := start(t, Options{Limits: l})
	clients := make([]*client, 300)
	for i := range clients {
		clients[i], _ = r.connect(4, hello{id: fmt.Sprint(i), clean: true})
	}
	// The first must not have waited too long for the rest of its message when the last sends.
	for _, c := range clients {
		c.send(c.publishPacket("a", strings.Repeat("x", 1<<20), 1, 1, 0)[:70<<10])
	}
	r.until("claims", func() bool {
		r.bodies.mu.Lock()
		defer r.bodies.mu.Unlock()
		return r.bodies.used == maxBodies/4
	})
}

// Memory is served in turns: no party has more than its share, none waits for ever, and in the end nothing is left.
func TestMemoryIsShared(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, 100)
	var group sync.WaitGroup
	for i := range 2000 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%7 == 0 {
				time.AfterFunc(time.Duration(i%5)*time.Millisecond, cancel)
			}
			name := fmt.Sprint("party ", i%13%5)
			c, err := m.acquire(ctx, name, int64(1+i%100), func() { t.Error("it is not slow") })
			if err != nil {
				return
			}
			m.mu.Lock()
			if m.used > m.most || c.party.used > m.share {
				t.Errorf("%d of %d bytes are in use, %d of %d by %s", m.used, m.most, c.party.used, m.share, name)
			}
			m.mu.Unlock()
			if i%2 == 0 {
				c.complete()
			}
			runtime.Gosched()
			c.release()
		})
	}
	group.Wait()
	if m.used != 0 || len(m.parties) != 0 || len(m.waiting) != 0 || len(m.incoming) != 0 {
		t.Errorf("left are %d bytes, %v, %v, %v", m.used, m.parties, m.waiting, m.incoming)
	}
}

// In turns the oldest and the shortest packet of a party get memory, and parties alternate.
func TestWhoGetsMemoryNext(t *testing.T) {
	t.Parallel()
	m := newMemory(100, 100)
	first, err := m.acquire(t.Context(), "a", 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := make(map[string]*claim)
	for _, w := range []struct {
		name, party string
		bytes       int64
	}{{"a long", "a", 100}, {"a longest", "a", 99}, {"a short", "a", 98}, {"b", "b", 97}} {
		c := &claim{memory: m, bytes: w.bytes, granted: make(chan struct{})}
		m.enqueue(c, w.party)
		claims[w.name] = c
	}
	var order []string
	for last := first; len(order) < len(claims); {
		last.release()
		for name, c := range claims {
			if _, waits := m.incoming[c]; waits {
				order, last = append(order, name), c
			}
		}
	}
	if got := fmt.Sprint(order); got != "[a short b a long a longest]" {
		t.Errorf("got %s", got)
	}
}

// Half of the connections at most may be of clients that have not said who they are: those do not keep others out, at a websocket before its handshake either.
func TestStrangersHaveHalfOfTheConnections(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/mqtt"} {
		t.Run("path "+path, func(t *testing.T) {
			t.Parallel()
			l := limits()
			l.MaxConnections = 10
			r := start(t, Options{Limits: l, Listeners: []Listener{{Addr: "127.0.0.1:0", Path: path}}})
			for range 30 {
				conn, err := net.Dial("tcp", r.host(0))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			r.until("refusals", func() bool { return r.Stats().Refused[string(refusedStranger)] >= 20 }) // 25, unless the first five have been waited for in vain before the last of them came.
			began := time.Now()
			c := r.dial
			if path != "" {
				c = r.dialWebsocket
			}
			press := c(5)
			press.send(hello{id: "press", clean: true}.packet(5))
			press.want(packet.Connack)
			if took := time.Since(began); took > connectTimeout/2 {
				t.Errorf("connected after %v", took)
			}
		})
	}
}

// Messages of QoS 2 that their client does not release keep their identifiers, and not their payloads.
func TestHalfDoneMessagesOfQoS2CostABoundedAmount(t *testing.T) {
	r := start(t, Options{})
	c, _ := r.connect(4, hello{id: "press", clean: true})
	heap := func() int64 {
		r.sink.mu.Lock()
		r.messages = nil
		r.sink.mu.Unlock()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for id := range uint16(maxReleases) {
		c.send(c.publishPacket("a", strings.Repeat("x", 50<<10), 2, id+1, 0))
		c.want(packet.Pubrec)
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	c.send(c.publishPacket("a", "x", 2, maxReleases+1, 0))
	c.closed()
}

// Session expiries for ever, wills that wait and subscriptions of one user's endless client ids cost a bounded amount, and others still connect and subscribe.
func TestEndlessClientIDsCostABoundedAmount(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxSessions = 200
	r := start(t, Options{Limits: l, Login: Login{File: usersFile(t, "mallory", "press")}})
	r.heldWills.most, r.subscribed.most = 2<<20, 1<<20
	levels := strings.Repeat("/x", maxLevels-2)
	subscribed, refused := 0, 0
	for i := range 1000 {
		c := r.dial(5)
		c.send(hello{
			id: fmt.Sprint(i), username: "mallory", password: "mallory", properties: []byte{packet.PropSessionExpiry, 255, 255, 255, 255},
			will: &publication{topic: fmt.Sprint("w/", i), payload: make([]byte, 10<<10)}, willProperties: []byte{packet.PropWillDelay, 255, 255, 255, 255},
		}.packet(5))
		if body := c.want(packet.Connack); body[1] != 0 {
			refused++
			_ = c.Close()
			continue
		}
		for range 3 {
			if c.subscribe(fmt.Sprint("$share/g", subscribed, "/", i, levels), 1) == 1 {
				subscribed++
			}
		}
		_ = c.Close()
	}
	r.until("ends", func() bool { return r.Stats().Clients == 0 })
	press, _ := r.connect(5, hello{id: "press", username: "press", password: "press", will: &publication{topic: "w", payload: []byte("gone")}})
	if code := press.subscribe("a/#", 1); code != 1 {
		t.Errorf("another user's subscription is refused: %x", code)
	}
	if s := r.Stats(); s.Sessions > l.MaxSessions || refused == 0 || s.Refused[string(refusedWills)] != int64(refused) || s.RefusedSubscriptions == 0 {
		t.Errorf("%d were refused, %d subscriptions made: got %+v", refused, subscribed, s)
	}
	// What ends gives its bytes back.
	_ = press.Close()
	r.until("end", func() bool { return r.Stats().Clients == 0 })
	r.expire(time.Now().Add(l.SessionExpiry + time.Second)) // The wills.
	r.expire(time.Now().Add(l.SessionExpiry + time.Second)) // The sessions.
	r.until("end of all", func() bool { r.expire(time.Now().Add(l.SessionExpiry + time.Second)); return r.Stats().Sessions == 0 })
	if r.heldWills.used != 0 || r.subscribed.used != 0 || len(r.heldWills.byUser)+len(r.subscribed.byUser) != 0 {
		t.Errorf("left are %d bytes of wills, %d of subscriptions", r.heldWills.used, r.subscribed.used)
	}
}

// A will that waits for its time is published when its session has to make room.
func TestAnEvictedSessionLeavesItsWill(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxSessions = 1
	r := start(t, Options{Limits: l})
	c, _ := r.connect(5, hello{id: "press", properties: []byte{packet.PropSessionExpiry, 0, 0, 1, 0}, will: &publication{topic: "s", payload: []byte("gone")},
		willProperties: []byte{packet.PropWillDelay, 0, 0, 1, 0}})
	_ = c.Close()
	r.until("loss", func() bool { return r.Stats().Clients == 0 })
	r.connect(5, hello{id: "panel"})
	r.until("will", func() bool { return fmt.Sprint(r.payloads()) == "[gone]" })
}

// Topic aliases have 32 topics for each connection, whatever a client sends; a client of MQTT 3.1.1 without a keep-alive stays, and costs nothing more.
func TestAliasesAndClientsWithoutKeepAliveAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c, _ := r.connect(5, hello{id: "press", clean: true, keepAlive: 0})
	for i := range 20 * maxAliases {
		body := append(packet.AppendText(nil, fmt.Sprint("a/", i)), 0, 1, 3, packet.PropTopicAlias, 0, byte(1+i%maxAliases))
		c.send(packet.Append(nil, packet.Publish, 1<<1, append(body, 'x')))
		c.want(packet.Puback)
	}
	quiet, _ := r.connect(4, hello{id: "quiet", clean: true, keepAlive: 0})
	r.Broker.mu.Lock()
	for conn := range r.online {
		switch {
		case len(conn.aliases) > maxAliases:
			t.Errorf("%d aliases", len(conn.aliases))
		case conn.version == 5 && conn.limit != r.o.Limits.MaxKeepAlive*3/2:
			t.Errorf("a client of MQTT 5 without a keep-alive is lost after %v", conn.limit)
		}
	}
	r.Broker.mu.Unlock()
	quiet.send([]byte{packet.Pingreq << 4, 0})
	quiet.want(packet.Pingresp)
	_, _ = io.WriteString(c, "\x30\x07\x00\x01a\x03\x23\x00\x21") // Alias 33.
	if reason := c.closed(); reason != reasonTopicAlias {
		t.Errorf("got %x", reason)
	}
}
