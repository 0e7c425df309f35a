package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"iotmon/internal/mqtt/packet"
)

const (
	// connectTimeout is how long it may take from the connection to a complete CONNECT, and again until it is answered.
	connectTimeout = 10 * time.Second
	// leaveTimeout is how long the last packets may take to be written.
	leaveTimeout = time.Second
	// unreadPause is how long nothing more must come until everything is read that a client has sent.
	unreadPause = 20 * time.Millisecond
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
	errSlow      = &endError{reasonQuota, errors.New("a long packet comes too slowly while others wait for the memory that it needs")}
	errDeaf      = &endError{reasonQuota, errors.New("the client does not read what it is sent")}
)

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
		s.dropWill()
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
