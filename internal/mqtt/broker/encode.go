package broker

import (
	"encoding/binary"
	"time"

	"iotmon/internal/mqtt/packet"
)

// The reason codes that the broker sends.
const (
	reasonSuccess        = 0x00
	reasonNoSubscription = 0x11
	reasonWithWill       = 0x04
	reasonUnspecified    = 0x80
	reasonMalformed      = 0x81
	reasonProtocol       = 0x82
	reasonVersion        = 0x84
	reasonClientID       = 0x85
	reasonLogin          = 0x86
	reasonNotAuthorized  = 0x87
	reasonUnavailable    = 0x88
	reasonBusy           = 0x89
	reasonShutdown       = 0x8b
	reasonAuthMethod     = 0x8c
	reasonKeepAlive      = 0x8d
	reasonTakenOver      = 0x8e
	reasonFilter         = 0x8f
	reasonUnknownID      = 0x92
	reasonReceiveMaximum = 0x93
	reasonTopicAlias     = 0x94
	reasonTooLarge       = 0x95
	reasonQuota          = 0x97
	reasonAdministrative = 0x98
)

// answers3 are the answers to CONNECT in MQTT 3.1.1.
var answers3 = map[byte]byte{
	reasonVersion: 1, reasonClientID: 2, reasonLogin: 4, reasonNotAuthorized: 5, reasonAuthMethod: 5,
}

// appendConnack appends the answer to CONNECT. The version is 4 if that of the client is unknown.
func appendConnack(to []byte, version byte, present bool, reason byte, properties []byte) []byte {
	flags := byte(0)
	if present {
		flags = 1
	}
	if version != 5 {
		code := byte(0)
		if reason != reasonSuccess {
			const unavailable = 3
			code = unavailable
			if known, ok := answers3[reason]; ok {
				code = known
			}
		}
		return append(to, packet.Connack<<4, 2, flags, code)
	}
	body := append([]byte{flags, reason}, packet.AppendLength(nil, len(properties))...)
	return packet.Append(to, packet.Connack, 0, append(body, properties...))
}

// welcome returns the properties of an answer that accepts a client.
func (o *Limits) welcome(p *connect, assigned string) []byte {
	all := binary.BigEndian.AppendUint16([]byte{packet.PropReceiveMaximum}, uint16(o.ReceiveMaximum))
	all = binary.BigEndian.AppendUint32(append(all, packet.PropMaximumPacket), uint32(o.MaxPacket))
	all = binary.BigEndian.AppendUint16(append(all, packet.PropTopicAliasMax), maxAliases)
	if assigned != "" {
		all = packet.AppendText(append(all, packet.PropAssignedClientID), assigned)
	}
	if keepAlive := o.keepAlive(p); keepAlive != p.keepAlive {
		all = binary.BigEndian.AppendUint16(append(all, packet.PropServerKeepAlive), uint16(keepAlive/time.Second))
	}
	if expiry := o.expiry(p); uint32(expiry/time.Second) != p.sessionExpiry {
		all = binary.BigEndian.AppendUint32(append(all, packet.PropSessionExpiry), uint32(expiry/time.Second))
	}
	return all
}

// keepAlive returns the keep-alive of a client: MQTT 5 lets the broker choose another one than the client.
func (o *Limits) keepAlive(p *connect) time.Duration {
	if p.version == 5 && (p.keepAlive == 0 || p.keepAlive > o.MaxKeepAlive) {
		return o.MaxKeepAlive
	}
	return p.keepAlive
}

// expiry returns how long the session of a client outlives its connection.
func (o *Limits) expiry(p *connect) time.Duration {
	if p.version == 5 {
		return min(time.Duration(p.sessionExpiry)*time.Second, o.SessionExpiry)
	}
	if p.clean {
		return 0
	}
	return o.SessionExpiry
}

// appendDisconnect appends DISCONNECT, which only a client of MQTT 5 understands.
func appendDisconnect(to []byte, version, reason byte) []byte {
	if version != 5 {
		return to
	}
	return append(to, packet.Disconnect<<4, 1, reason)
}

// appendReason appends PUBACK, PUBREC, PUBREL or PUBCOMP with a reason, which MQTT 3.1.1 leaves out.
func appendReason(to []byte, kind byte, id uint16, version, reason byte) []byte {
	if version != 5 || reason == reasonSuccess {
		return packet.AppendAnswer(to, kind, id)
	}
	flags := byte(0)
	if kind == packet.Pubrel {
		flags = packet.Reserved
	}
	return append(to, kind<<4|flags, 3, byte(id>>8), byte(id), reason)
}

// appendCodes appends SUBACK or UNSUBACK.
func appendCodes(to []byte, kind byte, id uint16, version byte, codes []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	if version == 5 {
		body = append(body, 0)
	}
	if version == 5 || kind == packet.Suback { // UNSUBACK of MQTT 3.1.1 has none.
		body = append(body, codes...)
	}
	return packet.Append(to, kind, 0, body)
}

// appendDelivery appends PUBLISH.
func appendDelivery(to []byte, d *delivery, version byte, now time.Time) []byte {
	p := d.message
	flags := d.qos << 1
	if d.retain {
		flags |= packet.PublishRetain
	}
	if d.duplicate {
		flags |= packet.PublishDuplicate
	}
	length := 2 + len(p.topic) + len(p.payload)
	if d.qos > 0 {
		length += 2
	}
	var room [64]byte
	own := room[:0]
	if version == 5 {
		if !p.expires.IsZero() {
			own = binary.BigEndian.AppendUint32(append(own, packet.PropMessageExpiry), uint32(max(p.expires.Sub(now)/time.Second, 1)))
		}
		for _, id := range d.subscriptions {
			own = packet.AppendLength(append(own, packet.PropSubscriptionID), id)
		}
		properties := len(own) + len(p.properties)
		length += lengthOf(properties) + properties
	}
	to = packet.AppendLength(append(to, packet.Publish<<4|flags), length)
	to = packet.AppendText(to, p.topic)
	if d.qos > 0 {
		to = binary.BigEndian.AppendUint16(to, d.id)
	}
	if version == 5 {
		to = packet.AppendLength(to, len(own)+len(p.properties))
		to = append(append(to, own...), p.properties...)
	}
	return append(to, p.payload...)
}

// lengthOf returns how many bytes a length takes.
func lengthOf(n int) int {
	bytes := 1
	for ; n >= 0x80; n >>= 7 {
		bytes++
	}
	return bytes
}
