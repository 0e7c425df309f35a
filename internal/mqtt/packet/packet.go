// Package packet has what the packets of MQTT 5 and 3.1.1 consist of, for a client and for a broker: the numbers of types, flags and properties, and
// how fields are read and written.
package packet

import (
	"encoding/binary"
	"errors"
	"strings"
)

// The types of packets, in the upper half of a packet's first byte.
const (
	Connect     = 1
	Connack     = 2
	Publish     = 3
	Puback      = 4
	Pubrec      = 5
	Pubrel      = 6
	Pubcomp     = 7
	Subscribe   = 8
	Suback      = 9
	Unsubscribe = 10
	Unsuback    = 11
	Pingreq     = 12
	Pingresp    = 13
	Disconnect  = 14
	Auth        = 15
)

// The properties of MQTT 5 that are used by name.
const (
	PropPayloadFormat    = 0x01
	PropMessageExpiry    = 0x02
	PropContentType      = 0x03
	PropResponseTopic    = 0x08
	PropCorrelation      = 0x09
	PropSubscriptionID   = 0x0b
	PropSessionExpiry    = 0x11
	PropAssignedClientID = 0x12
	PropServerKeepAlive  = 0x13
	PropAuthMethod       = 0x15
	PropAuthData         = 0x16
	PropRequestProblem   = 0x17
	PropWillDelay        = 0x18
	PropRequestResponse  = 0x19
	PropServerReference  = 0x1c
	PropReasonString     = 0x1f
	PropReceiveMaximum   = 0x21
	PropTopicAliasMax    = 0x22
	PropTopicAlias       = 0x23
	PropUser             = 0x26
	PropMaximumPacket    = 0x27
)

// The flags of CONNECT. The quality of service of the will is shifted by ConnectWillQoS.
const (
	ConnectClean      = 0x02
	ConnectWill       = 0x04
	ConnectWillQoS    = 3
	ConnectWillRetain = 0x20
	ConnectPassword   = 0x40
	ConnectUsername   = 0x80
)

// The flags of PUBLISH, and the lower half of the first byte of SUBSCRIBE, UNSUBSCRIBE and PUBREL.
const (
	PublishRetain    = 0x01
	PublishDuplicate = 0x08
	Reserved         = 0x02
)

const (
	// MaxLength is the maximum length of a packet without its type and length, MaxLengthBytes how many bytes a length has at most.
	MaxLength, MaxLengthBytes = 1<<28 - 1, 4
	// MaxID is the highest identifier of a packet.
	MaxID = 1<<16 - 1
)

// ErrMalformed is that of a packet that is shorter than what it says it contains.
var ErrMalformed = errors.New("a malformed packet: shorter than what it contains")

// Cursor reads the fields of a packet one after the other. After a field that is not there, Bad is true and all fields are zero.
type Cursor struct {
	Rest []byte
	Bad  bool
}

// Bytes returns the next n bytes, which are part of the packet.
func (c *Cursor) Bytes(n int) []byte {
	if n > len(c.Rest) {
		c.Bad, c.Rest = true, nil
		return nil
	}
	field := c.Rest[:n]
	c.Rest = c.Rest[n:]
	return field
}

// Byte returns the next byte.
func (c *Cursor) Byte() byte {
	if b := c.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads a number of two bytes.
func (c *Cursor) Uint16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads a number of four bytes.
func (c *Cursor) Uint32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Text reads a text or binary data with its length before it.
func (c *Cursor) Text() []byte { return c.Bytes(int(c.Uint16())) }

// Length reads a number of one to four bytes.
func (c *Cursor) Length() int {
	n := 0
	for shift := 0; shift < 7*MaxLengthBytes; shift += 7 {
		b := c.Byte()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	c.Bad = true
	return 0
}

// SkipProperty skips the value of a property by its type.
func (c *Cursor) SkipProperty(id byte) {
	switch id {
	case PropPayloadFormat, PropRequestProblem, PropRequestResponse, 0x24, 0x25, 0x28, 0x29, 0x2a:
		c.Byte()
	case PropServerKeepAlive, PropReceiveMaximum, PropTopicAliasMax, PropTopicAlias:
		c.Bytes(2)
	case PropMessageExpiry, PropSessionExpiry, PropWillDelay, PropMaximumPacket:
		c.Bytes(4)
	case PropContentType, PropResponseTopic, PropCorrelation, PropAssignedClientID, PropAuthMethod, PropAuthData, 0x1a, PropServerReference, PropReasonString:
		c.Text()
	case PropSubscriptionID:
		c.Length()
	case PropUser:
		c.Text()
		c.Text()
	default:
		c.Bad = true
	}
}

// Err returns ErrMalformed if a field was not there.
func (c *Cursor) Err() error {
	if c.Bad {
		return ErrMalformed
	}
	return nil
}

// ToText copies a text. What is not UTF-8 in it is replaced, so that it can be shown.
func ToText(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// Append appends a packet with its type and length.
func Append(to []byte, kind, flags byte, body []byte) []byte {
	to = append(to, kind<<4|flags)
	to = AppendLength(to, len(body))
	return append(to, body...)
}

// AppendLength appends a number of one to four bytes.
func AppendLength(to []byte, n int) []byte {
	for n >= 0x80 {
		to = append(to, byte(n)|0x80)
		n >>= 7
	}
	return append(to, byte(n))
}

// AppendText appends a text with its length before it. It must not be longer than 65,535 bytes.
func AppendText[T string | []byte](to []byte, text T) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(len(text)))
	return append(to, text...)
}

// AppendAnswer appends PUBACK, PUBREC, PUBREL or PUBCOMP without a reason.
func AppendAnswer(to []byte, kind byte, id uint16) []byte {
	flags := byte(0)
	if kind == Pubrel {
		flags = Reserved
	}
	return append(to, kind<<4|flags, 2, byte(id>>8), byte(id))
}
