package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/mqtt/stream"
)

const (
	// connectTimeout is how long it may take from the connection to a complete CONNECT, and again until it is answered.
	connectTimeout = 10 * time.Second
	// leaveTimeout is how long the last packets may take to be written.
	leaveTimeout = time.Second
	// writeTimeout is how long a client may read nothing of what it is sent.
	writeTimeout = 30 * time.Second
	// bufferSize is that of what is read from a connection. Longer packets have memory of their own.
	bufferSize = 2 << 10
	// maxConnect is the maximum length of CONNECT: nobody knows yet who sends it.
	maxConnect = 64 << 10
	// maxBeginning is how many bytes of a message are kept that is too long.
	maxBeginning = 64 << 10
	// slowestBody is how many bytes of a long packet must come in a second, after bodyTimeout.
	slowestBody, bodyTimeout = 16 << 10, 30 * time.Second
	// unreadPause is how long nothing more must come until everything is read that a client has sent.
	unreadPause = 20 * time.Millisecond
	// maxOut is how many bytes are waiting to be written before messages stay in the queue, maxAnswers how many bytes of answers may come on top.
	maxOut, maxAnswers = 64 << 10, 256 << 10
	// maxAliases is how many topics a client of MQTT 5 may give numbers.
	maxAliases = 32
	// keptSpare is how much memory a connection keeps that writes nothing.
	keptSpare = 256
	// maxReleases is how many messages of QoS 2 a client of MQTT 3.1.1 may leave unreleased.
	maxReleases = 1000
)

// connection is one connection of a client. One goroutine reads from it, and another one writes while there is something to write.
type connection struct {
	broker *Broker
	// net is the connection with its encryption, raw without.
	net, raw net.Conn
	reader   *bufio.Reader
	address  string
	// certificate is the name in the client's certificate; empty without one.
	certificate string
	cancel      context.CancelCauseFunc
	session     *session

	// What follows does not change after CONNECT, but for limit and until, which belong to the goroutine that reads. window is how many messages of
	// QoS 1 and 2 the client takes before it acknowledges the first.
	version   byte
	window    int
	maxPacket int
	rights    *rights
	identity  identity
	tags      map[string]string
	// limit is how long nothing may come; 0 for ever. until is when the packet that is being read must be complete; zero for no limit.
	limit time.Duration
	until time.Time

	// What follows belongs to the goroutine that reads.
	aliases map[uint16]string
	// topics keeps the last topic, so that the next message of it does not need a text of its own.
	topic string
	found []target
	pace  time.Time
	// inside is whether a packet has been read in part, last whether what the client has sent is read although the connection is to end.
	inside, last bool
	// interrupted is whether nothing more is to be read, but for the last.
	interrupted atomic.Bool
	// freed has an element when the receiver has finished with a message.
	freed chan struct{}

	// What follows is guarded by the session's mutex. out are packets to be written, and spare memory for them.
	out, spare []byte
	writing    bool
	// closing is whether only out is still written. flushed is closed then.
	closing bool
	flushed chan struct{}
}

// An endError ends a connection with a reason that a client of MQTT 5 gets.
type endError struct {
	reason byte
	err    error
}

func (e *endError) Error() string { return e.err.Error() }
func (e *endError) Unwrap() error { return e.err }

func ended(reason byte, format string, args ...any) error {
	return &endError{reason, fmt.Errorf(format, args...)}
}

// Why a connection ends.
var (
	errLeft      = errors.New("the client has disconnected")
	errTakenOver = &endError{reasonTakenOver, errors.New("another client connected with the same client_id")}
	errShutdown  = &endError{reasonShutdown, errors.New("the broker ends")}
	errRevoked   = &endError{reasonAdministrative, errors.New("the login is no longer valid")}
	errDeaf      = &endError{reasonQuota, errors.New("the client does not read what it is sent")}
)

// timedReader reads from the connection, and fails when the client has been silent for too long. Time in which nothing is read does not count: then
// the log is slow, not the client.
type timedReader struct{ c *connection }

func (r timedReader) Read(b []byte) (int, error) {
	deadline := r.c.until
	if r.c.limit > 0 {
		if next := time.Now().Add(r.c.limit); deadline.IsZero() || next.Before(deadline) {
			deadline = next
		}
	}
	n, err := r.read(b, deadline)
	if r.c.last && errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline) { // The interruption came in between.
		n, err = r.read(b, deadline)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ended(reasonKeepAlive, "nothing received within the keep-alive, or a packet not completed in time")
	case errors.Is(err, stream.ErrText):
		err = &endError{reasonProtocol, err}
	}
	return n, err
}

func (r timedReader) read(b []byte, deadline time.Time) (int, error) {
	if err := r.c.net.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	if r.c.interrupted.Load() && !r.c.last { // Before or after the deadline was set.
		return 0, os.ErrDeadlineExceeded
	}
	return r.c.net.Read(b)
}

// interrupt ends the reading. It may be called by any goroutine.
func (c *connection) interrupt() {
	c.interrupted.Store(true)
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
}

// next reads the head of a packet.
func (c *connection) next() (kind byte, size int, err error) {
	if kind, err = c.reader.ReadByte(); err != nil {
		return 0, 0, err
	}
	c.inside = true
	for shift := 0; ; shift += 7 {
		b, err := c.reader.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		size |= int(b&0x7f) << shift
		if b < 0x80 {
			return kind, size, nil
		}
		if shift == 7*(packet.MaxLengthBytes-1) {
			return 0, 0, ended(reasonMalformed, "a malformed packet: no length")
		}
	}
}

// body reads the rest of a packet. It is valid until done is called, which must be called before the next packet; a long one stays valid. memory
// bounds the long ones.
func (c *connection) body(ctx context.Context, size int, memory *semaphore.Weighted) (body []byte, long bool, done func(), err error) {
	done = func() {}
	if size <= c.reader.Size() {
		if body, err = c.reader.Peek(size); err == nil {
			_, err = c.reader.Discard(size) // Changes nothing in body until the next read.
		}
		return body, false, done, err
	}
	if err := memory.Acquire(ctx, int64(size)); err != nil {
		return nil, false, done, err
	}
	done = func() { memory.Release(int64(size)) }
	if c.until.IsZero() {
		c.until = time.Now().Add(bodyTimeout + time.Duration(size/slowestBody)*time.Second)
		defer func() { c.until = time.Time{} }()
	}
	body = make([]byte, size)
	if _, err = io.ReadFull(c.reader, body); err != nil {
		done()
		done = func() {}
	}
	return body, true, done, err
}

// read reads and handles packets until the connection ends.
func (c *connection) read(ctx context.Context) error {
	for {
		kind, size, err := c.next()
		if err != nil {
			return err
		}
		if size > c.broker.o.Limits.MaxPacket {
			if err := c.tooLong(ctx, kind, size); err != nil {
				return err
			}
			continue
		}
		body, long, done, err := c.body(ctx, size, c.broker.bodies)
		if err != nil {
			return err
		}
		c.inside = false
		err = c.packet(ctx, kind, body, long)
		done()
		if err != nil {
			return err
		}
	}
}

// tooLong passes over a message that is too long. Its beginning becomes a dead letter. A client of MQTT 5 knows how long it may be, so the
// connection ends; a client of MQTT 3.1.1 would send the message for ever, so it is acknowledged.
func (c *connection) tooLong(ctx context.Context, kind byte, size int) error {
	c.broker.counts.refusedMessages(refusedTooLong)
	tooLong := ended(reasonTooLarge, "a packet of %d bytes, more than max_packet_bytes", size)
	if kind>>4 != packet.Publish {
		return tooLong
	}
	beginning := make([]byte, min(size, maxBeginning))
	if _, err := io.ReadFull(c.reader, beginning); err != nil {
		return err
	}
	if _, err := c.reader.Discard(size - len(beginning)); err != nil {
		return err
	}
	c.inside = false
	p, err := decodePublish(kind&0xf, beginning, c.version)
	if err != nil {
		return &endError{reasonMalformed, err}
	}
	if len(p.Topic) > 0 && c.rights.publish(string(p.Topic)) {
		p.Retain = false
		if err := c.receive(ctx, &p, string(p.Topic), p.Payload, size); err != nil {
			return err
		}
	} else if err := c.session.refuse(&p, c.version, reasonNotAuthorized); err != nil {
		return err
	}
	if c.version == 5 {
		return tooLong
	}
	c.broker.problem(fmt.Errorf("client %q: %w", c.identity.clientID, tooLong))
	return nil
}

// packet handles one packet.
func (c *connection) packet(ctx context.Context, kind byte, body []byte, long bool) error {
	flags, malformed := kind&0xf, func(err error) error { return &endError{reasonMalformed, err} }
	switch kind >> 4 {
	case packet.Publish:
		p, err := decodePublish(flags, body, c.version)
		if err != nil {
			return malformed(err)
		}
		return c.publish(ctx, &p, long)
	case packet.Puback, packet.Pubrec, packet.Pubcomp, packet.Pubrel:
		id, reason, err := decodeAnswer(body)
		if err != nil {
			return malformed(err)
		}
		if kind>>4 != packet.Pubrel {
			c.session.acknowledged(kind>>4, id, reason, c.version)
		} else if !c.session.release(id) {
			return ended(reasonProtocol, "PUBREL before PUBREC")
		}
		return nil
	case packet.Subscribe:
		id, number, wanted, err := decodeSubscribe(flags, body, c.version, true)
		if err != nil {
			return malformed(err)
		}
		c.subscribe(id, number, wanted)
		return nil
	case packet.Unsubscribe:
		id, _, wanted, err := decodeSubscribe(flags, body, c.version, false)
		if err != nil {
			return malformed(err)
		}
		c.unsubscribe(id, wanted)
		return nil
	case packet.Pingreq:
		c.write(packet.Pingresp<<4, 0)
		return nil
	case packet.Disconnect:
		return c.leave(body)
	}
	return ended(reasonProtocol, "a packet of type %d, which a broker does not expect", kind>>4)
}

// leave handles DISCONNECT: unless the client asks for it, its will is not published.
func (c *connection) leave(body []byte) error {
	reason, expiry, err := decodeDisconnect(body)
	if err != nil {
		return &endError{reasonMalformed, err}
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if expiry != nil {
		if s.expiry == 0 && *expiry != 0 {
			return ended(reasonProtocol, "a session that ends with its connection gets no other end")
		}
		s.expiry = min(time.Duration(*expiry)*time.Second, c.broker.o.Limits.SessionExpiry)
	}
	if reason != reasonWithWill {
		s.will = nil
	}
	return errLeft
}

// leftUnread reports whether DISCONNECT is among what the client has sent and nobody has read, and handles it: the connection has ended before, while the
// client's messages waited or because it cannot be written to. A client that has said goodbye leaves no last will.
func (c *connection) leftUnread() bool {
	if c.inside {
		return false
	}
	c.last, c.limit, c.until = true, unreadPause, time.Now().Add(leaveTimeout)
	for {
		kind, size, err := c.next()
		switch {
		case err != nil:
			return false
		case kind>>4 == packet.Disconnect && size <= bufferSize:
			body, err := c.reader.Peek(size)
			return err == nil && errors.Is(c.leave(body), errLeft)
		}
		if _, err := c.reader.Discard(size); err != nil {
			return false
		}
	}
}

// publish handles a message.
func (c *connection) publish(ctx context.Context, p *publish, long bool) error {
	topic, err := c.topicOf(p)
	if err != nil {
		return err
	}
	if err := c.wait(ctx, p); err != nil {
		return err
	}
	if !c.rights.publish(topic) {
		c.broker.counts.refusedMessages(refusedTopic)
		c.broker.problem(fmt.Errorf("client %q, user %q: not allowed to publish on %q", c.identity.clientID, c.identity.username, topic))
		return c.session.refuse(p, c.version, reasonNotAuthorized)
	}
	payload := p.Payload
	if !long {
		payload = append(make([]byte, 0, len(payload)), payload...)
	}
	return c.receive(ctx, p, topic, payload, 0)
}

// topicOf returns the topic of a message, which may have a number instead.
func (c *connection) topicOf(p *publish) (string, error) {
	alias := p.properties.topicAlias
	if alias > maxAliases {
		return "", ended(reasonTopicAlias, "topic alias %d, more than %d", alias, maxAliases)
	}
	if len(p.Topic) == 0 {
		topic, known := c.aliases[alias]
		if !known {
			return "", ended(reasonProtocol, "topic alias %d is not known", alias)
		}
		return topic, nil
	}
	if string(p.Topic) != c.topic {
		c.topic = string(p.Topic)
	}
	if alias > 0 {
		if c.aliases == nil {
			c.aliases = make(map[uint16]string)
		}
		c.aliases[alias] = c.topic
	}
	return c.topic, nil
}

// wait waits until the client may send one more message.
func (c *connection) wait(ctx context.Context, p *publish) error {
	limits := &c.broker.o.Limits
	for c.version != 5 || p.QoS == 0 { // Those of MQTT 5 count by themselves.
		c.session.mu.Lock()
		full := c.session.pending >= limits.ReceiveMaximum
		c.session.mu.Unlock()
		if !full {
			break
		}
		select {
		case <-c.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if limits.MaxRate == 0 {
		return nil
	}
	now := time.Now()
	if earliest := now.Add(-time.Second); c.pace.Before(earliest) { // A second's messages may come at once.
		c.pace = earliest
	}
	c.pace = c.pace.Add(time.Second / time.Duration(limits.MaxRate))
	ahead := c.pace.Sub(now)
	if ahead <= 0 {
		return nil
	}
	c.broker.counts.slowed.Add(1)
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// receive gives a message to subscribers and to the receiver. size is 0 unless the message is too long.
func (c *connection) receive(ctx context.Context, p *publish, topic string, payload []byte, size int) error {
	b := c.broker
	m := &Message{Topic: topic, Payload: payload, Length: size, Tags: c.tags, session: c.session, id: p.ID, qos: p.QoS}
	most := b.o.Limits.ReceiveMaximum
	if c.version != 5 {
		most = max(most, maxReleases)
	}
	if p.QoS == 0 {
		most = packet.MaxID + 1
	}
	fresh, tooMany := c.session.begin(m, p.Duplicate, most)
	switch {
	case tooMany:
		return ended(reasonReceiveMaximum, "more than %d messages under way", most)
	case !fresh:
		return nil
	}
	if size == 0 {
		published := &publication{topic: topic, payload: payload, qos: p.QoS, retain: p.Retain}
		published.take(&p.properties)
		published.user = nil // Subscribers get them among the properties.
		c.found = b.route(c.session, published, c.found[:0])
	}
	if user := p.properties.user; user != nil {
		maps.DeleteFunc(user, func(name, _ string) bool { return ownTag(name) })
		maps.Copy(user, c.tags)
		m.Tags = user
	}
	return b.receive(ctx, m)
}

// subscribe handles SUBSCRIBE.
func (c *connection) subscribe(id uint16, number int, wanted []requested) {
	codes := make([]byte, len(wanted))
	var scans []*retainedScan
	for i, w := range wanted {
		var scan *retainedScan
		codes[i], scan = c.subscribeTo(number, w)
		if scan != nil {
			scans = append(scans, scan)
		}
	}
	c.broker.state.changed(c.session)
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	c.out = appendCodes(c.out, packet.Suback, id, c.version, codes)
	if len(s.retained)+len(scans) <= c.broker.o.Limits.MaxSubscriptions {
		s.retained = append(s.retained, scans...)
	}
	c.wake()
}

// subscribeTo makes a subscription and returns the answer to it. scan finds the retained messages of it; nil for none.
func (c *connection) subscribeTo(number int, w requested) (code byte, scan *retainedScan) {
	refusal := func(reason byte) byte {
		c.broker.counts.refusedSubscriptions.Add(1)
		if c.version != 5 {
			return reasonUnspecified
		}
		return reason
	}
	share, filter := splitShare(w.filter)
	switch {
	case !validFilter(w.filter):
		return refusal(reasonFilter), nil
	case !c.rights.subscribe(filter):
		c.broker.problem(fmt.Errorf("client %q, user %q: not allowed to subscribe to %q", c.identity.clientID, c.identity.username, filter))
		return refusal(reasonNotAuthorized), nil
	}
	o := subscription{qos: w.options & 3, noLocal: w.options&4 != 0, retainAsPublished: w.options&8 != 0, id: number}
	retain := w.options >> 4 & 3
	s := c.session
	s.mu.Lock()
	_, had := s.subscriptions[w.filter]
	full := !had && len(s.subscriptions) >= c.broker.o.Limits.MaxSubscriptions
	if !full && !s.ended {
		if s.subscriptions == nil {
			s.subscriptions = make(map[string]subscription)
		}
		s.subscriptions[w.filter] = o
		c.broker.tree.add(s, w.filter, o)
	}
	s.mu.Unlock()
	if full {
		return refusal(reasonQuota), nil
	}
	if share == "" && (retain == 0 || retain == 1 && !had) {
		scan = &retainedScan{filter: filter, subscription: o}
	}
	return o.qos, scan
}

// unsubscribe handles UNSUBSCRIBE.
func (c *connection) unsubscribe(id uint16, wanted []requested) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	codes := make([]byte, len(wanted))
	for i, w := range wanted {
		if _, had := s.subscriptions[w.filter]; !had {
			codes[i] = reasonNoSubscription
			continue
		}
		delete(s.subscriptions, w.filter)
		c.broker.tree.remove(s, w.filter)
	}
	c.broker.state.changed(s)
	c.out = appendCodes(c.out, packet.Unsuback, id, c.version, codes)
	c.wake()
}

// write sends a packet.
func (c *connection) write(packet ...byte) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.out = append(c.out, packet...)
	c.wake()
}

// resume lets the goroutine that reads go on. It does not block.
func (c *connection) resume() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// wake makes sure that what there is to send is written. The caller has locked the session.
func (c *connection) wake() {
	if len(c.out) > maxOut+maxAnswers+c.broker.o.Limits.MaxPacket {
		c.cancel(errDeaf)
	}
	if !c.writing {
		c.writing = true
		c.broker.writers.Add(1)
		go c.flush()
	}
}

// flush writes until there is nothing more to write.
func (c *connection) flush() {
	defer c.broker.writers.Done()
	s := c.session
	for {
		s.mu.Lock()
		if !c.closing && s.conn == c {
			s.fill(c, time.Now())
		}
		out, timeout := c.out, writeTimeout
		if len(out) == 0 {
			c.rest()
			s.mu.Unlock()
			return
		}
		if c.closing {
			timeout = leaveTimeout
		}
		c.out, c.spare = c.spare[:0], nil
		s.mu.Unlock()
		err := c.net.SetWriteDeadline(time.Now().Add(timeout))
		if err == nil {
			_, err = c.net.Write(out)
		}
		s.mu.Lock()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errDeaf
			}
			c.cancel(err)
			c.out, c.closing = nil, true
			c.rest()
			s.mu.Unlock()
			return
		}
		c.spare = out
		s.mu.Unlock()
	}
}

// rest ends writing. The caller has locked the session.
func (c *connection) rest() {
	c.writing = false
	if cap(c.spare) > keptSpare {
		c.spare = nil
	}
	if cap(c.out) > keptSpare {
		c.out = nil
	}
	if c.flushed != nil {
		close(c.flushed)
		c.flushed = nil
	}
}

// goodbye writes what is still to be written, with the reason why the connection ends, and closes it.
func (c *connection) goodbye(cause error) {
	s := c.session
	s.mu.Lock()
	if !c.closing {
		if reason, ok := errors.AsType[*endError](cause); ok {
			c.out = appendDisconnect(c.out, c.version, reason.reason)
		}
		c.closing = true
		if len(c.out) > 0 || c.writing {
			c.wake()
			flushed := make(chan struct{})
			c.flushed = flushed
			s.mu.Unlock()
			// What is being written may have longer, and a websocket does not let others change that.
			tooLate := time.AfterFunc(leaveTimeout, func() { stream.Close(c.raw) })
			<-flushed
			tooLate.Stop()
			s.mu.Lock()
		}
	}
	s.mu.Unlock()
	stream.Close(c.raw)
}
