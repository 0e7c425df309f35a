package broker

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"iotmon/internal/mqtt/packet"
)

const (
	// maxUserProperties is how many user properties of a message become tags.
	maxUserProperties = 32
	// maxTopic is the maximum length of a topic or filter in bytes, maxLevels that of its levels.
	maxTopic, maxLevels = 1024, 64
	// maxClientID and maxUsername are lengths in bytes.
	maxClientID, maxUsername = 256, 256
)

// connect is a CONNECT packet. Its slices are parts of the packet.
type connect struct {
	// version is the protocol level: 4 for MQTT 3.1.1, or 5.
	version            byte
	clean              bool
	keepAlive          time.Duration
	clientID           string
	username           string
	hasUsername        bool
	password           []byte
	will               *publication
	willDelay          time.Duration
	sessionExpiry      uint32
	receiveMaximum     uint16
	maxPacket          uint32
	authMethod         bool
	withoutExplanation bool
}

// errVersion is that of a protocol level that is neither 3.1.1 nor 5.
var errVersion = errors.New("neither MQTT 3.1.1 nor MQTT 5")

func decodeConnect(flags byte, body []byte) (p connect, err error) {
	c := packet.Cursor{Rest: body}
	name := c.Text()
	p.version = c.Byte()
	switch {
	case c.Bad || !bytes.Equal(name, []byte("MQTT")) && !bytes.Equal(name, []byte("MQIsdp")):
		return p, errors.New("no CONNECT of MQTT")
	case string(name) != "MQTT" || p.version != 4 && p.version != 5:
		return p, errVersion
	}
	bits := c.Byte()
	willQoS := bits >> packet.ConnectWillQoS & 3
	hasWill := bits&packet.ConnectWill != 0
	p.clean, p.hasUsername = bits&packet.ConnectClean != 0, bits&packet.ConnectUsername != 0
	p.keepAlive = time.Duration(c.Uint16()) * time.Second
	if flags != 0 || bits&1 != 0 || willQoS > 2 || !hasWill && (willQoS > 0 || bits&packet.ConnectWillRetain != 0) {
		return p, errors.New("a malformed CONNECT: reserved flags")
	}
	if p.version == 5 {
		p.properties(&c)
	}
	id := c.Text()
	if hasWill {
		p.will = &publication{qos: willQoS, retain: bits&packet.ConnectWillRetain != 0}
		if p.version == 5 {
			var more properties
			more.read(&c)
			p.will.take(&more)
			p.willDelay = time.Duration(more.willDelay) * time.Second
		}
		topic, payload := c.Text(), c.Text()
		if !c.Bad && !validTopic(topic) {
			return p, errors.New("a malformed CONNECT: the topic of its will is not allowed")
		}
		p.will.topic, p.will.payload = string(topic), append([]byte{}, payload...)
	}
	var username []byte
	if p.hasUsername {
		username = c.Text()
	}
	if bits&packet.ConnectPassword != 0 {
		p.password = c.Text()
	}
	switch {
	case c.Bad:
		return p, packet.ErrMalformed
	case len(c.Rest) > 0:
		return p, errors.New("a malformed CONNECT: more than it should contain")
	case !validText(id) || !validText(username):
		return p, errors.New("a malformed CONNECT: client_id or username is no UTF-8")
	}
	p.clientID, p.username = string(id), string(username)
	return p, nil
}

// properties reads those of CONNECT itself.
func (p *connect) properties(c *packet.Cursor) {
	var all properties
	all.read(c)
	p.sessionExpiry, p.receiveMaximum, p.maxPacket = all.sessionExpiry, all.receiveMaximum, all.maxPacket
	p.authMethod, p.withoutExplanation = all.authMethod, all.withoutExplanation
	c.Bad = c.Bad || all.zero
}

// properties are those of a packet of a client, or of its will.
type properties struct {
	sessionExpiry, maxPacket, willDelay uint32
	receiveMaximum                      uint16
	authMethod, withoutExplanation      bool
	topicAlias                          uint16
	subscriptionID                      int
	hasExpiry                           bool
	expiry                              uint32
	user                                map[string]string
	// forwarded are the properties that a subscriber receives as they are.
	forwarded []byte
	// zero is whether a value is 0 that must not be.
	zero bool
}

func (p *properties) read(c *packet.Cursor) {
	inner := c.Properties()
	p.readAll(&inner)
	c.Bad = c.Bad || inner.Bad
}

func (p *properties) readAll(c *packet.Cursor) {
	for len(c.Rest) > 0 && !c.Bad {
		p.one(c)
	}
}

func (p *properties) one(c *packet.Cursor) {
	all := c.Rest
	switch id := c.Byte(); id {
	case packet.PropSessionExpiry:
		p.sessionExpiry = c.Uint32()
	case packet.PropReceiveMaximum:
		p.receiveMaximum = c.Uint16()
		p.zero = p.zero || p.receiveMaximum == 0
	case packet.PropMaximumPacket:
		p.maxPacket = c.Uint32()
		p.zero = p.zero || p.maxPacket == 0
	case packet.PropWillDelay:
		p.willDelay = c.Uint32()
	case packet.PropAuthMethod:
		c.Text()
		p.authMethod = true
	case packet.PropRequestProblem:
		p.withoutExplanation = c.Byte() == 0
	case packet.PropTopicAlias:
		p.topicAlias = c.Uint16()
		p.zero = p.zero || p.topicAlias == 0
	case packet.PropSubscriptionID:
		p.subscriptionID = c.Length()
		p.zero = p.zero || p.subscriptionID == 0
	case packet.PropMessageExpiry:
		p.hasExpiry, p.expiry = true, c.Uint32()
	case packet.PropUser:
		name, value := c.Text(), c.Text()
		if p.user == nil {
			p.user = make(map[string]string)
		}
		if len(p.user) < maxUserProperties {
			p.user[packet.ToText(name)] = packet.ToText(value)
		}
		p.forward(all, c)
	case packet.PropPayloadFormat, packet.PropContentType, packet.PropResponseTopic, packet.PropCorrelation:
		c.SkipProperty(id)
		p.forward(all, c)
	default:
		c.SkipProperty(id)
	}
}

// forward keeps the property that c has read since all.
func (p *properties) forward(all []byte, c *packet.Cursor) {
	if !c.Bad {
		p.forwarded = append(p.forwarded, all[:len(all)-len(c.Rest)]...)
	}
}

// publish is a PUBLISH packet.
type publish struct {
	packet.Message
	properties properties
}

func decodePublish(flags byte, body []byte, version byte) (p publish, err error) {
	var more packet.Cursor
	if p.Message, more, err = packet.DecodePublish(flags, body, version); err != nil {
		return p, err
	}
	p.properties.readAll(&more)
	switch {
	case more.Bad || p.properties.zero:
		return p, packet.ErrMalformed
	case p.properties.subscriptionID != 0:
		return p, errors.New("a malformed PUBLISH: a subscription identifier")
	case len(p.Topic) > 0 && !validTopic(p.Topic), len(p.Topic) == 0 && p.properties.topicAlias == 0:
		return p, fmt.Errorf("a malformed PUBLISH: the topic %q is not allowed", packet.ToText(p.Topic[:min(len(p.Topic), 100)]))
	}
	return p, nil
}

// requested is a filter of SUBSCRIBE or UNSUBSCRIBE, with its options.
type requested struct {
	filter  string
	options byte
}

// decodeSubscribe decodes SUBSCRIBE, and UNSUBSCRIBE if there are no options.
func decodeSubscribe(flags byte, body []byte, version byte, options bool) (id uint16, subscriptionID int, all []requested, err error) {
	c := packet.Cursor{Rest: body}
	id = c.Uint16()
	if version == 5 {
		var p properties
		p.read(&c)
		subscriptionID = p.subscriptionID
		c.Bad = c.Bad || p.zero
	}
	for len(c.Rest) > 0 && !c.Bad {
		r := requested{filter: string(c.Text())}
		if options {
			r.options = c.Byte()
			if r.options&3 == 3 || r.options&0xc0 != 0 || r.options>>4&3 == 3 || version == 4 && r.options > 2 {
				return 0, 0, nil, errors.New("a malformed SUBSCRIBE: its options")
			}
		}
		all = append(all, r)
	}
	if c.Bad || id == 0 || len(all) == 0 || flags != packet.Reserved {
		return 0, 0, nil, packet.ErrMalformed
	}
	return id, subscriptionID, all, nil
}

// decodeAnswer decodes PUBACK, PUBREC, PUBREL or PUBCOMP.
func decodeAnswer(body []byte) (id uint16, reason byte, err error) {
	c := packet.Cursor{Rest: body}
	id = c.Uint16()
	if len(c.Rest) > 0 {
		reason = c.Byte()
	}
	if len(c.Rest) > 0 {
		new(properties).read(&c)
	}
	if c.Bad || id == 0 {
		return 0, 0, packet.ErrMalformed
	}
	return id, reason, nil
}

// decodeDisconnect decodes DISCONNECT. expiry is nil if it does not change that of the session.
func decodeDisconnect(body []byte) (reason byte, expiry *uint32, err error) {
	if len(body) == 0 {
		return 0, nil, nil
	}
	c := packet.Cursor{Rest: body}
	reason = c.Byte()
	if len(c.Rest) == 0 {
		return reason, nil, nil
	}
	const none = 1<<32 - 1
	p := properties{sessionExpiry: none}
	p.read(&c)
	if p.sessionExpiry != none {
		expiry = &p.sessionExpiry
	}
	return reason, expiry, c.Err()
}

// validText reports whether MQTT allows a text.
func validText(text []byte) bool { return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 }

// validTopic reports whether something may be published on a topic. Those that begin with a dollar sign are the broker's.
func validTopic(topic []byte) bool {
	return len(topic) > 0 && len(topic) <= maxTopic && topic[0] != '$' && bytes.IndexByte(topic, '+') < 0 && bytes.IndexByte(topic, '#') < 0 &&
		validText(topic) && bytes.Count(topic, []byte{'/'}) < maxLevels
}
