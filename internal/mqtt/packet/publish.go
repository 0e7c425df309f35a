package packet

import "errors"

// Message is what a PUBLISH packet says in every version of MQTT. Its slices are parts of the packet.
type Message struct {
	// Topic is empty if an alias stands for it.
	Topic, Payload []byte
	// ID is 0 with QoS 0.
	ID                uint16
	QoS               byte
	Retain, Duplicate bool
}

// DecodePublish decodes PUBLISH from the flags in its first byte and what follows its length. properties has those of MQTT 5, and nothing in other
// versions; the caller reads them.
func DecodePublish(flags byte, body []byte, version byte) (m Message, properties Cursor, err error) {
	m.QoS, m.Retain, m.Duplicate = flags>>1&3, flags&PublishRetain != 0, flags&PublishDuplicate != 0
	c := Cursor{Rest: body}
	m.Topic = c.Text()
	if m.QoS > 0 {
		m.ID = c.Uint16()
	}
	if version == 5 {
		properties = c.Properties()
	}
	m.Payload = c.Rest
	switch {
	case c.Bad:
		return m, properties, ErrMalformed
	case m.QoS > 2:
		return m, properties, errors.New("a malformed PUBLISH: quality of service 3")
	case m.QoS > 0 && m.ID == 0:
		return m, properties, errors.New("a malformed PUBLISH: no identifier")
	}
	return m, properties, nil
}

// Properties returns a cursor of the properties that come next.
func (c *Cursor) Properties() Cursor { return Cursor{Rest: c.Bytes(c.Length())} }
