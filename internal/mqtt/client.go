// Package mqtt is a client of MQTT brokers that receives: it connects by MQTT 5 or 3.1.1, subscribes, and acknowledges each message when
// its receiver says so. docs/adr/0018-mqtt-client.md says why there is no library in it.
package mqtt

import (
	"context"
	"sync"
	"time"

	"iotmon/internal/mqtt/packet"
)

// Options configure a Client. All but the login and the TLS are required.
type Options struct {
	// URL is tcp://, mqtt://, ssl://, mqtts://, ws:// or wss:// with the host of the broker, and for websockets a path.
	URL string
	// Version is 5, or 3 for MQTT 3.1.1.
	Version  int
	ClientID string
	Username string
	// PasswordFile contains the password; it is read at each connection.
	PasswordFile string
	TLS          TLS
	// Topics are the filters of topics to subscribe to.
	Topics []string
	// QoS is the maximum quality of service of the messages.
	QoS byte
	// KeepAlive is how long the broker may be silent before it is asked; the connection is given up after one and a half times as long. It
	// is sent in whole seconds, and so is SessionExpiry, which is how long the broker keeps messages of an absent client.
	KeepAlive, SessionExpiry time.Duration
	// ReceiveMaximum is how many messages of QoS 1 and 2 a broker of MQTT 5 may send before the first is acknowledged.
	ReceiveMaximum uint16
	// MaxPacket is the maximum length of a message in bytes, with its topic.
	MaxPacket int
	// Clean is whether each connection begins a new session.
	Clean bool
	// Will is what the broker publishes when the connection is lost; nil for nothing.
	Will *Publication
}

// Message is what was received.
type Message struct {
	Topic string
	// Payload is not nil. It belongs to the receiver.
	Payload []byte
	// Length is the length of the whole packet if it was longer than MaxPacket, and 0 otherwise. Of such a message the payload is only the beginning.
	Length int
	// Retained is whether the broker has kept the message since an unknown time. User are the names and values that the sender has added; nil for none.
	Retained bool
	User     map[string]string

	client *Client
	id     uint16
	qos    byte
	// acknowledged is guarded by the client's mutex. It is for QoS 2, whose messages are remembered until the broker releases them.
	acknowledged bool
}

// Receiver is what a Client reports to. Its methods are called by one goroutine.
type Receiver interface {
	// Connected is called once when the broker has accepted the subscriptions.
	Connected()
	// Problem is called when something is wrong although the connection goes on.
	Problem(err error)
	// Receive takes a message. While it blocks nothing is read, but the broker still gets pings. The receiver calls Message.Done when it is finished
	// with the message, in the order in which they came. The client gives up the connection after an error.
	Receive(ctx context.Context, m *Message) error
}

// Client is one session at a broker, over many connections.
type Client struct {
	o         Options
	published publications

	mu sync.Mutex
	// pending are the messages of QoS 1 and 2 that the broker still remembers, by their identifiers. It is guarded by mu, as is conn, which is
	// nil without a connection.
	pending map[uint16]*Message
	conn    *connection
}

// New returns a Client; Run connects it.
func New(o Options) *Client { return &Client{o: o, pending: make(map[uint16]*Message)} }

// Again is whether the broker sends the message again unless it is done with nil.
func (m *Message) Again() bool { return m.qos > 0 }

// Done says that the receiver is finished with a message: with nil the message is acknowledged, with an error it is not, so that the broker sends it
// again in the next connection. Done does not block.
func (m *Message) Done(err error) {
	if m.qos == 0 {
		return
	}
	c := m.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[m.id] != m {
		return // The broker has lost the session.
	}
	if err != nil {
		delete(c.pending, m.id)
		return
	}
	m.acknowledged = true
	if m.qos == 1 {
		delete(c.pending, m.id)
	}
	m.acknowledge()
}

// acknowledge sends the first answer to a message if there is a connection. Otherwise the broker sends the message again. The caller has locked
// the client.
func (m *Message) acknowledge() {
	if m.client.conn == nil {
		return
	}
	kind := byte(packet.Puback)
	if m.qos == 2 {
		kind = packet.Pubrec
	}
	m.client.conn.answer(kind, m.id)
}

// begin remembers a message of QoS 1 or 2. It reports false if the message has come before and is not to be received again: if that one has been
// acknowledged, the answer was lost and is sent again, and otherwise it will be sent when the message is done. For QoS 2 the identifier alone
// decides, until the broker releases it. For QoS 1 the broker must say that it repeats a message: it may have dropped the other one, which had expired.
func (c *Client) begin(m *Message, repeated bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.pending[m.id]
	if before == nil || before.qos == 1 && !repeated {
		c.pending[m.id] = m
		return true
	}
	if before.acknowledged {
		before.acknowledge()
	}
	return false
}

// release answers the release of a message of QoS 2: its identifier may be used for another one.
func (c *Client) release(id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
	c.conn.answer(packet.Pubcomp, id)
}

// attach makes conn the connection that answers are sent on. If the broker has not kept the session, identifiers mean other messages from now on.
func (c *Client) attach(conn *connection, kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if !kept {
		clear(c.pending)
	}
}

func (c *Client) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
}
