package mqtt

import (
	"errors"

	"iotmon/internal/mqtt/packet"
)

const (
	maxUserProperties   = 32
	retainIfNew         = 1 << 4 // Subscription option: no retained messages for a subscription that the session has already.
	protocolErrorReason = 0x82
)

// properties are those properties of a packet that the client uses.
type properties struct {
	// user are the names and values that the sender has added; nil for none.
	user                          map[string]string
	reasonString, serverReference string
	// serverKeepAlive is in seconds; 0 if the packet does not have it.
	serverKeepAlive uint16
	topicAlias      bool
}

// readProperties reads the properties of a packet of MQTT 5.
func readProperties(c *packet.Cursor) (p properties) {
	inner := c.Properties()
	p.readAll(&inner)
	c.Bad = c.Bad || inner.Bad
	return p
}

func (p *properties) readAll(c *packet.Cursor) {
	for len(c.Rest) > 0 && !c.Bad {
		p.read(c)
	}
}

func (p *properties) read(c *packet.Cursor) {
	switch id := c.Byte(); id {
	case packet.PropUser:
		name, value := c.Text(), c.Text()
		if p.user == nil {
			p.user = make(map[string]string)
		}
		if len(p.user) < maxUserProperties {
			p.user[packet.ToText(name)] = packet.ToText(value)
		}
	case packet.PropReasonString:
		p.reasonString = packet.ToText(c.Text())
	case packet.PropServerReference:
		p.serverReference = packet.ToText(c.Text())
	case packet.PropServerKeepAlive:
		p.serverKeepAlive = c.Uint16()
	case packet.PropTopicAlias:
		c.Uint16()
		p.topicAlias = true
	default:
		c.SkipProperty(id)
	}
}

// connack is the answer to CONNECT.
type connack struct {
	// present is whether the broker has kept the session.
	present    bool
	reason     byte
	properties properties
}

func decodeConnack(body []byte, version int) (a connack, err error) {
	c := packet.Cursor{Rest: body}
	a.present = c.Byte()&1 != 0
	a.reason = c.Byte()
	// Some brokers of MQTT 3.1.1 refuse MQTT 5 with an answer without properties.
	if version == 5 && len(c.Rest) > 0 {
		a.properties = readProperties(&c)
	}
	return a, c.Err()
}

// suback is the answer to SUBSCRIBE: one code for each filter.
type suback struct {
	codes      []byte
	properties properties
}

func decodeSuback(body []byte, version int) (a suback, err error) {
	c := packet.Cursor{Rest: body}
	c.Uint16()
	if version == 5 {
		a.properties = readProperties(&c)
	}
	a.codes = c.Rest
	return a, c.Err()
}

// publish is a message.
type publish struct {
	packet.Message
	properties properties
}

func decodePublish(flags byte, body []byte, version int) (p publish, err error) {
	var more packet.Cursor
	if p.Message, more, err = packet.DecodePublish(flags, body, byte(version)); err != nil {
		return p, err
	}
	p.properties.readAll(&more)
	switch {
	case more.Bad:
		return p, packet.ErrMalformed
	case p.properties.topicAlias:
		return p, errors.New("a topic alias, which the client has not allowed")
	case len(p.Topic) == 0:
		return p, errors.New("a malformed PUBLISH: no topic")
	}
	return p, nil
}

// decodeDisconnect decodes the reason why a broker of MQTT 5 ends the connection.
func decodeDisconnect(body []byte) (reason byte, p properties, err error) {
	if len(body) == 0 {
		return 0, p, nil
	}
	c := packet.Cursor{Rest: body}
	reason = c.Byte()
	if len(c.Rest) > 0 {
		p = readProperties(&c)
	}
	return reason, p, c.Err()
}
