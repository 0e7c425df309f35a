// Package broker is an MQTT broker, for MQTT 5 and 3.1.1. What clients publish goes to a receiver, and is acknowledged when the receiver says so; it
// goes to the clients that have subscribed to it, too. Everything that it remembers is bounded. docs/adr/0019-mqtt-broker.md says why it is not a
// library.
package broker

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/mqtt/stream"
)

// Options configure a Broker.
type Options struct {
	Listeners []Listener
	TLS       TLS
	Login     Login
	// Permissions say who may publish and subscribe to what; nil for everybody to everything.
	Permissions []Permission
	Limits      Limits
	// StateFile keeps sessions and retained messages over a restart; empty keeps them in memory alone.
	StateFile string
	Logger    *slog.Logger
}

// Limits bound what clients may cost. All are required, but for those whose zero is explained.
type Limits struct {
	// MaxConnections is the maximum number of connections, MaxPerAddress that from one address; 0 for no other limit.
	MaxConnections, MaxPerAddress int
	// MaxSessions is the maximum number of sessions, of absent clients as well; SessionExpiry how long those are kept at most.
	MaxSessions   int
	SessionExpiry time.Duration
	// MaxSubscriptions is the maximum number of subscriptions of a session.
	MaxSubscriptions int
	// MaxPacket is the maximum length of a packet in bytes.
	MaxPacket int
	// ReceiveMaximum is how many messages of a client the receiver may have before it finishes with the first.
	ReceiveMaximum int
	// MaxRate is how many messages of a client are received in a second; 0 for no limit.
	MaxRate int
	// MaxKeepAlive is the longest keep-alive of a client of MQTT 5.
	MaxKeepAlive time.Duration
	// MaxQueued is how many messages wait for a session, MaxQueuedBytes how many bytes of them for all sessions together.
	MaxQueued      int
	MaxQueuedBytes int64
	// MaxInflight is how many messages of QoS 1 and 2 a client is sent before it acknowledges the first.
	MaxInflight int
	// MaxRetained and MaxRetainedBytes bound the retained messages.
	MaxRetained      int
	MaxRetainedBytes int64
}

// Receiver is what a Broker reports to. Its methods may be called concurrently.
type Receiver interface {
	// Listening is called when the broker takes connections at the addresses.
	Listening(addresses []string)
	// Problem is called when something is wrong although the broker goes on.
	Problem(err error)
	// Receive takes a message. While it blocks, nothing more of its client is read. After an error, which is that of ctx, Message.Done is not
	// called; otherwise the receiver calls it once.
	Receive(ctx context.Context, m *Message) error
}

const (
	// maxUnknown is how many connections may be there that have not sent CONNECT, and at most half of MaxConnections. Beyond it the oldest is closed.
	maxUnknown = 2000
	// sweepInterval is how often what is to end by itself ends.
	sweepInterval = 2 * time.Second
	// maxBodies is how many bytes of long packets are received and handled at the same time, maxHellos that of CONNECT packets.
	maxBodies, maxHellos = 64 << 20, 16 << 20
	// unretainedAgain is how often it is said at most that messages are not retained: each of them would replace what else was wrong.
	unretainedAgain = 10 * time.Minute
	// minSessionBytes is how many bytes may wait for one session, or else the longest packet.
	minSessionBytes = 1 << 20
)

// Broker is an MQTT broker.
type Broker struct {
	o        Options
	logins   *logins
	tree     tree
	retained retainedMessages
	state    *state
	counts   counts
	// queued are the bytes of messages that wait for sessions, and bodies bounds the long packets that are being received.
	queued budget
	bodies *memory
	// hellos bounds the long CONNECT packets that are being received: clients that do not say who they are cannot use up bodies.
	hellos *memory
	wills  wills
	// heldWills are the bytes of last wills that sessions have, and subscribed those of their subscriptions.
	heldWills, subscribed shares
	unretained            notice
	// receiver is that of the present Run.
	receiver atomic.Pointer[Receiver]
	writers  sync.WaitGroup

	mu sync.Mutex
	// What follows is guarded by mu.
	sessions    map[key]*session
	connections int
	perAddress  map[string]int
	// unknown are the connections that have not sent CONNECT, the oldest first.
	unknown list.List
	online  map[*connection]struct{}
}

// New returns a Broker; Run runs it.
func New(o Options) *Broker {
	o.Limits.MaxQueuedBytes = max(o.Limits.MaxQueuedBytes, minSessionBytes)
	b := &Broker{
		o: o, logins: newLogins(o.Login), sessions: make(map[key]*session), perAddress: make(map[string]int), online: make(map[*connection]struct{}),
		bodies: newMemory(maxBodies, int64(o.Limits.MaxPacket)), hellos: newMemory(maxHellos, maxConnect), queued: budget{most: o.Limits.MaxQueuedBytes},
		heldWills: shares{most: maxHeldWills}, subscribed: shares{most: maxSubscribed},
		retained: retainedMessages{maxCount: o.Limits.MaxRetained, maxBytes: o.Limits.MaxRetainedBytes},
	}
	b.counts.init()
	b.wills.init()
	b.state = newState(b, o.StateFile)
	return b
}

func (b *Broker) maxSessionBytes() int64 {
	return max(minSessionBytes, int64(2*b.o.Limits.MaxPacket))
}

// Run takes connections until ctx ends. Then it ends all connections and returns. It may be called again, but not concurrently: sessions and
// retained messages stay.
func (b *Broker) Run(ctx context.Context, receiver Receiver) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.receiver.Store(&receiver)
	if err := b.logins.load(); err != nil {
		return err
	}
	if err := b.state.open(); err != nil {
		return err
	}
	listeners, err := b.listen(ctx)
	if err != nil {
		b.state.close()
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		for _, l := range listeners {
			l.close()
		}
	})
	defer stop()
	var group sync.WaitGroup
	var addresses []string
	for _, l := range listeners {
		addresses = append(addresses, l.url())
		group.Go(func() {
			if err := l.serve(ctx, &group); ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", l.url(), err))
			}
		})
	}
	group.Go(func() { b.sweep(ctx) })
	group.Go(func() { b.sendWills(ctx) })
	group.Go(func() { b.state.run(ctx) })
	receiver.Listening(addresses)
	group.Wait()
	b.writers.Wait()
	b.forgetWills()
	if left := b.wills.size(); left > 0 {
		b.o.Logger.Warn("the MQTT broker ends while last wills wait for the log", "wills", left)
	}
	b.state.close()
	return context.Cause(ctx)
}

func (b *Broker) problem(err error) { (*b.receiver.Load()).Problem(err) }

// receive gives a message to the receiver.
func (b *Broker) receive(ctx context.Context, m *Message) error {
	b.counts.received.Add(1)
	err := (*b.receiver.Load()).Receive(ctx, m)
	if err != nil {
		m.Done(err)
	}
	return err
}

// route gives a message to the sessions that have subscribed to it, and retains it if it is to be. found is memory for the sessions.
func (b *Broker) route(from *session, m *publication, found []target) []target {
	now := time.Now()
	m.sent(now)
	if m.retain {
		b.retain(m)
	}
	found = b.tree.match(m.topic, found)
	for i := range found {
		if t := &found[i]; !t.noLocal || t.session != from {
			t.session.deliver(m, t, now)
		}
	}
	clear(found)
	return found
}

func (b *Broker) retain(m *publication) {
	kept, changed := b.retained.set(m)
	if !kept {
		b.counts.dropped(dropRetainedFull)
		if before, due := b.unretained.due(time.Now(), unretainedAgain); due {
			b.problem(fmt.Errorf("the message of %q is not retained: there are max_retained or max_retained_bytes (%d others were not, since this was said last)", m.topic, before))
		}
	}
	if changed {
		b.state.retained(m.topic)
	}
}

// notice is something that is said now and then, not each time that it happens. It may be used concurrently.
type notice struct {
	mu sync.Mutex
	// What follows is guarded by mu. unsaid is how often it has happened since it was said.
	said   time.Time
	unsaid int
}

// due reports whether to say at now that it has happened once more, and how often it has happened before without being said.
func (n *notice) due(now time.Time, every time.Duration) (before int, due bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.said.IsZero() && now.Sub(n.said) < every {
		n.unsaid++
		return 0, false
	}
	before = n.unsaid
	n.said, n.unsaid = now, 0
	return before, true
}

// accept serves one connection.
func (b *Broker) accept(ctx context.Context, conn net.Conn, l *listener, certificate string) {
	serving := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &connection{
		broker: b, net: conn, raw: conn, address: hostOf(conn.RemoteAddr()), certificate: certificate, cancel: cancel, freed: make(chan struct{}, 1),
		until: time.Now().Add(connectTimeout), version: 4,
	}
	defer stream.Close(conn)
	defer func() {
		if reason := recover(); reason != nil {
			b.counts.failures.Add(1)
			b.o.Logger.Error("the MQTT broker failed at a packet, and has closed the connection", "address", c.address, "reason", reason, "stack", string(debug.Stack()))
		}
	}()
	if !b.enter(c) {
		return
	}
	defer b.exit(c)
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	if err := c.run(ctx, serving, l); err != nil && !errors.Is(err, errLeft) {
		b.o.Logger.Debug("an MQTT connection has ended", "address", c.address, "client_id", c.identity.clientID, "username", c.identity.username, "reason", err)
	}
}

// enter counts a connection. It reports false if there are too many.
func (b *Broker) enter(c *connection) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	limits := &b.o.Limits
	switch {
	case b.connections >= limits.MaxConnections:
		b.counts.refused(refusedConnections)
		return false
	case limits.MaxPerAddress > 0 && b.perAddress[c.address] >= limits.MaxPerAddress:
		b.counts.refused(refusedAddress)
		return false
	}
	b.connections++
	b.perAddress[c.address]++
	return true
}

func (b *Broker) exit(c *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connections--
	if b.perAddress[c.address]--; b.perAddress[c.address] == 0 {
		delete(b.perAddress, c.address)
	}
}

// stranger notes a connection that has not sent CONNECT until known is called. If there are too many, the oldest is closed: a client that is slow to
// say who it is does not keep others out.
func (b *Broker) stranger(conn net.Conn) (known func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unknown.Len() >= max(1, min(maxUnknown, b.o.Limits.MaxConnections/2)) {
		oldest := b.unknown.Remove(b.unknown.Front()).(net.Conn)
		b.counts.refused(refusedStranger)
		stream.Close(oldest)
	}
	element := b.unknown.PushBack(conn)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.unknown.Remove(element) // Does nothing if it was removed.
	}
}

// newClientID returns a client id for a client that has none.
func newClientID() string {
	var random [12]byte
	_, _ = rand.Read(random[:])
	return "auto-" + hex.EncodeToString(random[:])
}

// hostOf returns the address without its port.
func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	return cmp.Or(map[bool]string{true: host}[err == nil], address.String())
}
