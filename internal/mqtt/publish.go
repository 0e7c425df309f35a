package mqtt

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"iotmon/internal/mqtt/packet"
)

// Publication is a message to be published. Its QoS is 0 or 1.
type Publication struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Retained bool
}

// publications numbers the publications of QoS 1. 1 is the identifier of SUBSCRIBE, so theirs begin with 2.
type publications struct{ last atomic.Uint32 }

func (p *publications) next() uint16 { return uint16(p.last.Add(1)%(packet.MaxID-1)) + 2 }

// Publish sends a message in the present connection. It does not block, and does not wait for an acknowledgement: a connection that is lost may lose
// the message, so what matters is to be published again in each connection. The error is that there is no connection, or that too much waits to
// be sent.
func (c *Client) Publish(p Publication) error {
	body := packet.AppendText(nil, p.Topic)
	flags := p.QoS << 1
	if p.Retained {
		flags |= packet.PublishRetain
	}
	if p.QoS > 0 {
		body = binary.BigEndian.AppendUint16(body, c.published.next())
	}
	if c.o.Version == 5 {
		body = append(body, 0) // No properties.
	}
	body = append(body, p.Payload...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return errors.New("not connected")
	}
	return c.conn.enqueue(packet.Publish, flags, body)
}

func (s *connection) enqueue(kind, flags byte, body []byte) error {
	s.mu.Lock()
	full := len(s.out)+len(body) > maxOut
	if !full {
		s.out = packet.Append(s.out, kind, flags, body)
	}
	s.mu.Unlock()
	if full {
		return errors.New("the broker does not read what is published")
	}
	s.signal()
	return nil
}

// flags are those of CONNECT.
func (p *Publication) flags() byte {
	if p == nil {
		return 0
	}
	flags := packet.ConnectWill | p.QoS<<packet.ConnectWillQoS
	if p.Retained {
		flags |= packet.ConnectWillRetain
	}
	return flags
}

// appendWill appends the fields of CONNECT.
func (p *Publication) appendWill(to []byte, version int) []byte {
	if p == nil {
		return to
	}
	if version == 5 {
		to = append(to, 0) // No properties.
	}
	return packet.AppendText(packet.AppendText(to, p.Topic), p.Payload)
}
