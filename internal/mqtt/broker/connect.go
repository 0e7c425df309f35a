package broker

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/mqtt/packet"
)

// identity is who a client is.
type identity struct {
	username, clientID string
	// entry is what the file of logins says of the user; empty for a client without a login.
	entry string
}

// run serves the connection until it ends, and returns why. serving ends with the broker.
func (c *connection) run(ctx, serving context.Context, l *listener) error {
	p, err := c.hello(ctx, l)
	if err != nil {
		return err
	}
	s, err := c.broker.attach(ctx, c, p)
	if err != nil {
		c.broker.releaseWill(c.identity.username, p.will)
		return err
	}
	defer c.broker.detach(serving, s, c) // After a panic as well: otherwise the client could never come back.
	c.until, c.inside = time.Time{}, false
	c.limit = c.broker.o.Limits.keepAlive(p) * 3 / 2
	err = c.read(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if serving.Err() != nil {
		err = errShutdown
	} else if ctx.Err() != nil && c.leftUnread() {
		err = errLeft
	}
	c.broker.counts.ended(err)
	c.goodbye(err)
	return err
}

// hello reads CONNECT and checks who the client is. A client that may not connect gets an answer with the reason.
func (c *connection) hello(ctx context.Context, l *listener) (*connect, error) {
	p, err := c.introduction(ctx, l)
	if err != nil {
		return nil, err
	}
	c.version = p.version
	o := &c.broker.o
	assigned := ""
	switch {
	case p.authMethod:
		return nil, c.refuse(reasonAuthMethod, "", errors.New("it wants to log in by AUTH, which is not supported"))
	case p.clientID == "" && p.version == 4 && !p.clean:
		return nil, c.refuse(reasonClientID, "", errors.New("no client_id, and a session that is to stay"))
	case len(p.clientID) > maxClientID || len(p.username) > maxUsername:
		return nil, c.refuse(reasonClientID, "", fmt.Errorf("a client_id or username of more than %d bytes", maxClientID))
	case p.clientID == "":
		assigned = newClientID()
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	username, entry, err := c.broker.logins.check(ctx, p, c.certificate)
	c.identity = identity{username, cmp.Or(p.clientID, assigned), entry}
	switch {
	case errors.Is(err, errWrongLogin):
		pause(ctx, loginPause)
		return nil, c.refuse(reasonLogin, "", err)
	case err != nil:
		return nil, c.refuse(reasonBusy, "", err)
	}
	c.rights = newRights(o.Permissions, username, c.identity.clientID)
	if p.will != nil && !c.rights.publish(p.will.topic) {
		return nil, c.refuse(reasonNotAuthorized, "", fmt.Errorf("not allowed to publish its will on %q", p.will.topic))
	}
	if p.will != nil && !c.broker.heldWills.reserve(username, p.will.size()) {
		return nil, c.refuse(reasonQuota, refusedWills, errors.New("the last wills of its user's clients, or of all clients, have too many bytes"))
	}
	c.tags = map[string]string{"client_id": c.identity.clientID}
	if username != "" {
		c.tags["username"] = username
	}
	c.window, c.maxPacket = o.Limits.MaxInflight, int(min(p.maxPacket, packet.MaxLength))
	if p.receiveMaximum > 0 {
		c.window = min(c.window, int(p.receiveMaximum))
	}
	if p.version == 5 {
		c.out = appendConnack(nil, 5, false, reasonSuccess, o.Limits.welcome(p, assigned))
	} else {
		c.out = appendConnack(nil, 4, false, reasonSuccess, nil)
	}
	return p, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// introduction reads CONNECT, after the handshake of TLS.
func (c *connection) introduction(ctx context.Context, l *listener) (*connect, error) {
	known := c.broker.stranger(c.raw)
	defer known()
	if l.encryption != nil && !l.websocket() {
		secure := tls.Server(c.net, l.encryption)
		ctx, cancel := context.WithDeadline(ctx, c.until)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			c.broker.counts.refused(refusedTLS)
			if ctx.Err() == nil {
				c.broker.problem(fmt.Errorf("%s: TLS: %w", c.address, err))
			}
			return nil, err
		}
		c.net, c.certificate = secure, nameOf(secure.ConnectionState())
		if c.interrupted.Load() {
			return nil, context.Cause(ctx)
		}
	}
	c.reader = bufio.NewReaderSize(timedReader{c}, bufferSize)
	kind, size, err := c.next()
	if err != nil {
		c.broker.counts.refused(refusedSilent)
		return nil, err
	}
	if kind>>4 != packet.Connect || size > maxConnect {
		c.broker.counts.refused(refusedProtocol)
		return nil, errors.New("the connection does not begin with CONNECT")
	}
	waiting, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	body, _, done, err := c.body(waiting, size, c.broker.hellos)
	if err != nil {
		c.broker.counts.refused(refusedSilent)
		return nil, err
	}
	defer done()
	p, err := decodeConnect(kind&0xf, body)
	switch {
	case errors.Is(err, errVersion):
		return nil, c.refuse(reasonVersion, refusedProtocol, fmt.Errorf("its protocol is %w", err))
	case err != nil:
		c.version = p.version
		return nil, c.refuse(reasonMalformed, refusedProtocol, err)
	}
	return &p, nil
}

// refuse answers that the client may not connect, and returns why.
func (c *connection) refuse(reason byte, why refusal, cause error) error {
	if why == "" {
		why = refusedLogin
	}
	c.broker.counts.refused(why)
	cause = fmt.Errorf("client %q at %s: %w", c.identity.clientID, c.address, cause)
	c.broker.problem(cause)
	_ = c.net.SetWriteDeadline(time.Now().Add(leaveTimeout))
	_, _ = c.net.Write(appendConnack(nil, c.version, false, reason, nil))
	return cause
}

// attach makes c the connection of the client's session, and accepts the client. A connection that the session has is ended, and its will is
// published, before.
func (b *Broker) attach(ctx context.Context, c *connection, p *connect) (*session, error) {
	waiting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		s, made := b.sessionOf(key{c.identity.username, c.identity.clientID})
		if s == nil {
			return nil, c.refuse(reasonQuota, refusedSessions, errors.New("there are max_sessions"))
		}
		s.mu.Lock()
		if s.claim != nil {
			s.claim.cancel(errTakenOver)
			b.counts.takenOver.Add(1)
		}
		s.claim = c
		s.mu.Unlock()
		select {
		case s.seat <- struct{}{}:
		case <-waiting.Done():
			s.mu.Lock()
			if s.claim == c {
				s.claim = nil
			}
			s.mu.Unlock()
			return nil, c.refuse(reasonBusy, refusedBusy, errors.New("the session's last connection has not ended yet"))
		}
		s.mu.Lock()
		if s.ended || s.claim != c {
			again := s.ended
			s.mu.Unlock()
			<-s.seat
			if !again {
				return nil, errTakenOver
			}
			continue
		}
		s.begun(c, p, made)
		s.mu.Unlock()
		b.mu.Lock()
		b.online[c] = struct{}{}
		b.mu.Unlock()
		b.counts.connected.Add(1)
		b.state.changed(s)
		return s, nil
	}
}

// begun makes c the connection. The caller has locked s and has the seat.
func (s *session) begun(c *connection, p *connect, made bool) {
	present := !made && !p.clean && (s.expiry > 0 && time.Since(s.left) < s.expiry)
	if !present {
		s.unsubscribe()
		s.clear()
	}
	s.conn, c.session = c, s
	s.online.Store(true)
	s.expiry = s.broker.o.Limits.expiry(p)
	s.dropWill()
	s.will, s.willDelay = p.will, p.willDelay
	if present {
		const presentAt = 2 // Both versions have it behind type and length: neither is longer than a byte.
		c.out[presentAt] = 1
	}
	s.requeue()
	c.wake()
}

// sessionOf returns the session of a client, and makes it if there is none. It returns nil if there are too many.
func (b *Broker) sessionOf(k key) (s *session, made bool) {
	var evicted *session
	var will *publication
	defer func() { b.publishWill(evicted, will) }() // When b is unlocked.
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[k]; s != nil {
		return s, false
	}
	if len(b.sessions) >= b.o.Limits.MaxSessions {
		if evicted, will = b.makeRoom(); evicted == nil {
			return nil, false
		}
	}
	s = newSession(b, k)
	b.sessions[k] = s
	return s, true
}

// makeRoom ends a session whose client has been away for long: of some the one that has been so longest. It returns nil if there is none, and the last will
// that has waited for its time. The caller has locked b.
func (b *Broker) makeRoom() (evicted *session, will *publication) {
	const some = 50
	var oldest *session
	var left time.Time
	seen := 0
	for _, s := range b.sessions {
		s.mu.Lock()
		if away := s.conn == nil && s.claim == nil; away {
			seen++
			if oldest == nil || s.left.Before(left) {
				oldest, left = s, s.left
			}
		}
		s.mu.Unlock()
		if seen == some {
			break
		}
	}
	if oldest == nil {
		return nil, nil
	}
	will, ended := b.end(oldest)
	if !ended {
		return nil, nil
	}
	b.counts.evicted.Add(1)
	return oldest, will
}

// end ends the session of a client that is away, and returns the last will that has waited for its time. It reports false if the client is not away. The
// caller has locked b.
func (b *Broker) end(s *session) (will *publication, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil || s.claim != nil || s.ended {
		return nil, false
	}
	delete(b.sessions, s.key)
	s.ended = true
	will = s.dropWill()
	s.unsubscribe()
	s.clear()
	b.state.changed(s)
	return will, true
}

// unsubscribe ends all subscriptions. The caller has locked s.
func (s *session) unsubscribe() {
	for filter := range s.subscriptions {
		s.broker.tree.remove(s, filter)
		s.broker.subscribed.release(s.key.username, subscriptionBytes(filter))
	}
	s.subscriptions = nil
}

// detach ends the connection of a session, publishes the will and gives up the seat.
func (b *Broker) detach(serving context.Context, s *session, c *connection) {
	defer func() { <-s.seat }()
	b.mu.Lock()
	delete(b.online, c)
	b.mu.Unlock()
	now := time.Now()
	s.mu.Lock()
	s.conn, s.left = nil, now
	s.online.Store(false)
	if s.claim == c {
		s.claim = nil
	}
	will, ends := s.will, s.expiry == 0
	switch delay := min(s.willDelay, s.expiry); {
	case will == nil:
	case serving.Err() != nil: // The broker ends, not the client.
		s.dropWill()
		will = nil
	case delay > 0:
		will, s.willAt = nil, now.Add(delay)
	default:
		s.dropWill()
	}
	s.retained, s.overtaken = nil, nil
	s.mu.Unlock()
	b.publishWill(s, will)
	b.state.changed(s)
	if ends && !s.willWaits.Load() { // Otherwise it ends after its will, which must not come after anything else of the client.
		b.mu.Lock()
		b.end(s)
		b.mu.Unlock()
	}
}

// sweep ends what is to end by itself, until ctx ends.
func (b *Broker) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.expire(time.Now())
			b.revoke()
			for _, topic := range b.retained.expire(time.Now()) {
				b.state.retained(topic)
			}
		}
	}
}

// expire ends sessions whose time is over, and publishes wills that have waited.
func (b *Broker) expire(now time.Time) {
	var due []*session
	b.mu.Lock()
	for _, s := range b.sessions {
		s.mu.Lock()
		away := s.conn == nil && s.claim == nil
		waits := away && s.will != nil && !s.willAt.IsZero() && !now.Before(s.willAt)
		over := away && s.will == nil && !s.willWaits.Load() && now.Sub(s.left) >= s.expiry
		s.mu.Unlock()
		switch {
		case waits:
			due = append(due, s)
		case over:
			b.end(s)
		}
	}
	b.mu.Unlock()
	for _, s := range due {
		b.delayedWill(s)
	}
}

// delayedWill publishes the will of a client that has not come back.
func (b *Broker) delayedWill(s *session) {
	select {
	case s.seat <- struct{}{}:
	default: // The client has just come back.
		return
	}
	defer func() { <-s.seat }()
	s.mu.Lock()
	var will *publication
	if s.conn == nil && !s.willAt.IsZero() {
		will = s.dropWill()
	}
	s.mu.Unlock()
	b.publishWill(s, will)
}

// forgetWills drops the wills that wait: the broker has ended, not the clients.
func (b *Broker) forgetWills() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.mu.Lock()
		s.dropWill()
		s.mu.Unlock()
	}
}

// revoke ends the connections whose logins have been changed.
func (b *Broker) revoke() {
	if err := b.logins.refresh(); err != nil {
		b.problem(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.online {
		if !b.logins.valid(&c.identity) {
			c.cancel(errRevoked)
		}
	}
}
