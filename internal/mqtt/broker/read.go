package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/mqtt/stream"
)

const (
	// bufferSize is that of what is read from a connection. Longer packets have memory of their own.
	bufferSize = 2 << 10
	// maxConnect is the maximum length of CONNECT: nobody knows yet who sends it.
	maxConnect = 64 << 10
	// maxBeginning is how many bytes of a message are kept that is too long.
	maxBeginning = 64 << 10
	// slowestBody is how many bytes of a long packet must come in a second, after bodyTimeout; after contendedTimeout if others wait for its memory.
	slowestBody, bodyTimeout = 16 << 10, 30 * time.Second
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
func (c *connection) body(ctx context.Context, size int, memory *memory) (body []byte, long bool, done func(), err error) {
	if size > c.reader.Size() {
		body, done, err = c.longBody(ctx, size, size, memory)
		return body, true, done, err
	}
	if body, err = c.reader.Peek(size); err == nil {
		_, err = c.reader.Discard(size) // Changes nothing in body until the next read.
	}
	return body, false, func() {}, err
}

// longBody reads the first bytes of a packet into memory of their own, and passes over the rest of its size. done gives the memory back; it must be called
// unless there is an error.
func (c *connection) longBody(ctx context.Context, first, size int, memory *memory) (body []byte, done func(), err error) {
	claim, err := memory.acquire(ctx, c.party(), int64(first), func() { c.cancel(errSlow) })
	if err != nil {
		return nil, nil, err
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(bodyTimeout + time.Duration(size/slowestBody)*time.Second)
		defer func() { c.until = time.Time{} }()
	}
	body = make([]byte, first)
	from := countedReader{c.reader, claim}
	if _, err = io.ReadFull(from, body); err == nil {
		_, err = io.CopyN(io.Discard, from, int64(size-first))
	}
	if err != nil {
		claim.release()
		return nil, nil, err
	}
	claim.complete()
	return body, claim.release, nil
}

// party returns whose share of memory a packet of the connection uses.
func (c *connection) party() string {
	if c.identity.username != "" {
		return "user " + c.identity.username
	}
	return "address " + c.address
}

// countedReader counts for a claim what is read.
type countedReader struct {
	from  io.Reader
	claim *claim
}

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.claim.received.Add(int64(n))
	return n, err
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
	beginning, done, err := c.longBody(ctx, min(size, maxBeginning), size, c.broker.bodies)
	if err != nil {
		return err
	}
	defer done()
	c.inside = false
	p, err := decodePublish(kind&0xf, beginning, c.version)
	if err != nil {
		return &endError{reasonMalformed, err}
	}
	if err := c.wait(ctx, &p); err != nil {
		return err
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
