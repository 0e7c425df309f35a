package mqtt

import (
	"encoding/binary"
	"errors"
	"strings"
)

// The types of packets, in the upper half of a packet's first byte.
const (
	typeConnect    = 1
	typeConnack    = 2
	typePublish    = 3
	typePuback     = 4
	typePubrec     = 5
	typePubrel     = 6
	typePubcomp    = 7
	typeSubscribe  = 8
	typeSuback     = 9
	typePingreq    = 12
	typePingresp   = 13
	typeDisconnect = 14
)

// The properties of MQTT 5 that the client uses.
const (
	propSessionExpiry    = 0x11
	propServerKeepAlive  = 0x13
	propServerReference  = 0x1c
	propReasonString     = 0x1f
	propReceiveMaximum   = 0x21
	propTopicAlias       = 0x23
	propUser             = 0x26
	propMaximumPacket    = 0x27
	propSubscriptionID   = 0x0b
	maxUserProperties    = 32
	maxRemainingLength   = 1<<28 - 1
	maxLengthBytes       = 4
	retainIfNew          = 1 << 4 // Subscription option: no retained messages for a subscription that the session has already.
	maxPacketIDs         = 1<<16 - 1
	protocolErrorReason  = 0x82
	connectFlagClean     = 0x02
	connectFlagPassword  = 0x40
	connectFlagUsername  = 0x80
	publishFlagRetain    = 0x01
	publishFlagDuplicate = 0x08
)

// errMalformed is that of a packet that is shorter than what it says it contains.
var errMalformed = errors.New("a malformed packet: shorter than what it contains")

// cursor reads the fields of a packet one after the other. After a field that is not there, bad is true and all fields are zero.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.rest) {
		c.bad, c.rest = true, nil
		return nil
	}
	field := c.rest[:n]
	c.rest = c.rest[n:]
	return field
}

func (c *cursor) byte() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// text reads a text or binary data with its length before it.
func (c *cursor) text() []byte { return c.bytes(int(c.uint16())) }

// length reads a number of one to four bytes.
func (c *cursor) length() int {
	n := 0
	for shift := 0; shift < 7*maxLengthBytes; shift += 7 {
		b := c.byte()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	c.bad = true
	return 0
}

// properties are those properties of a packet that the client uses.
type properties struct {
	// user are the names and values that the sender has added; nil for none.
	user                          map[string]string
	reasonString, serverReference string
	// serverKeepAlive is in seconds; 0 if the packet does not have it.
	serverKeepAlive uint16
	topicAlias      bool
}

// properties reads the properties of a packet of MQTT 5.
func (c *cursor) properties() (p properties) {
	inner := cursor{rest: c.bytes(c.length())}
	for len(inner.rest) > 0 && !inner.bad {
		inner.property(&p)
	}
	c.bad = c.bad || inner.bad
	return p
}

func (c *cursor) property(p *properties) {
	switch id := c.byte(); id {
	case propUser:
		name, value := c.text(), c.text()
		if p.user == nil {
			p.user = make(map[string]string)
		}
		if len(p.user) < maxUserProperties {
			p.user[toText(name)] = toText(value)
		}
	case propReasonString:
		p.reasonString = toText(c.text())
	case propServerReference:
		p.serverReference = toText(c.text())
	case propServerKeepAlive:
		p.serverKeepAlive = c.uint16()
	case propTopicAlias:
		c.uint16()
		p.topicAlias = true
	case propSubscriptionID:
		c.length()
	default:
		c.skipProperty(id)
	}
}

// skipProperty skips the value of a property by its type.
func (c *cursor) skipProperty(id byte) {
	switch id {
	case 0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a:
		c.byte()
	case propReceiveMaximum, 0x22:
		c.bytes(2)
	case 0x02, propSessionExpiry, 0x18, propMaximumPacket:
		c.bytes(4)
	case 0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a:
		c.text()
	default:
		c.bad = true
	}
}

// toText copies a text. What is not UTF-8 in it is replaced, so that it can be shown.
func toText(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// connack is the answer to CONNECT.
type connack struct {
	// present is whether the broker has kept the session.
	present    bool
	reason     byte
	properties properties
}

func decodeConnack(body []byte, version int) (a connack, err error) {
	c := cursor{rest: body}
	a.present = c.byte()&1 != 0
	a.reason = c.byte()
	// Some brokers of MQTT 3.1.1 refuse MQTT 5 with an answer without properties.
	if version == 5 && len(c.rest) > 0 {
		a.properties = c.properties()
	}
	return a, c.err()
}

// suback is the answer to SUBSCRIBE: one code for each filter.
type suback struct {
	codes      []byte
	properties properties
}

func decodeSuback(body []byte, version int) (a suback, err error) {
	c := cursor{rest: body}
	c.uint16()
	if version == 5 {
		a.properties = c.properties()
	}
	a.codes = c.rest
	return a, c.err()
}

// publish is a message. Its slices are parts of the packet.
type publish struct {
	topic, payload []byte
	id             uint16
	qos            byte
	retained       bool
	duplicate      bool
	properties     properties
}

func decodePublish(flags byte, body []byte, version int) (p publish, err error) {
	p.qos, p.retained, p.duplicate = flags>>1&3, flags&publishFlagRetain != 0, flags&publishFlagDuplicate != 0
	c := cursor{rest: body}
	p.topic = c.text()
	if p.qos > 0 {
		p.id = c.uint16()
	}
	if version == 5 {
		p.properties = c.properties()
	}
	p.payload = c.rest
	switch {
	case c.bad:
		return p, errMalformed
	case p.qos > 2:
		return p, errors.New("a malformed packet: quality of service 3")
	case p.qos > 0 && p.id == 0:
		return p, errors.New("a malformed packet: message without an identifier")
	case p.properties.topicAlias:
		return p, errors.New("a topic alias, which the client has not allowed")
	case len(p.topic) == 0:
		return p, errors.New("a malformed packet: message without a topic")
	}
	return p, nil
}

// decodeDisconnect decodes the reason why a broker of MQTT 5 ends the connection.
func decodeDisconnect(body []byte) (reason byte, p properties, err error) {
	if len(body) == 0 {
		return 0, p, nil
	}
	c := cursor{rest: body}
	reason = c.byte()
	if len(c.rest) > 0 {
		p = c.properties()
	}
	return reason, p, c.err()
}

func (c *cursor) err() error {
	if c.bad {
		return errMalformed
	}
	return nil
}

// appendPacket appends a packet with its type and length.
func appendPacket(to []byte, kind, flags byte, body []byte) []byte {
	to = append(to, kind<<4|flags)
	to = appendLength(to, len(body))
	return append(to, body...)
}

func appendLength(to []byte, n int) []byte {
	for n >= 0x80 {
		to = append(to, byte(n)|0x80)
		n >>= 7
	}
	return append(to, byte(n))
}

func appendText[T string | []byte](to []byte, text T) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(len(text)))
	return append(to, text...)
}

// appendAnswer appends PUBACK, PUBREC or PUBCOMP.
func appendAnswer(to []byte, kind byte, id uint16) []byte {
	return append(to, kind<<4, 2, byte(id>>8), byte(id))
}
