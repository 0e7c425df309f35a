package broker

import (
	"time"
)

// publication is a message on its way to subscribers. Nothing of it changes.
type publication struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
	// properties are those of MQTT 5 that subscribers receive.
	properties []byte
	// expires is when nobody wants the message any more; zero for never. lifetime is that as the sender has given it.
	expires  time.Time
	lifetime time.Duration
	// user are the user properties.
	user map[string]string
}

// take takes over the properties that a message has.
func (p *publication) take(from *properties) {
	p.properties, p.user = from.forwarded, from.user
	if from.hasExpiry {
		p.lifetime = max(time.Duration(from.expiry)*time.Second, time.Nanosecond)
	}
}

// sent makes the message one that was sent now.
func (p *publication) sent(now time.Time) *publication {
	if p.lifetime > 0 {
		p.expires = now.Add(p.lifetime)
	}
	return p
}

// expired reports whether nobody wants the message any more.
func (p *publication) expired(now time.Time) bool {
	return !p.expires.IsZero() && !now.Before(p.expires)
}

// size returns about how many bytes of memory the message occupies.
func (p *publication) size() int64 {
	const perMessage = 200
	return int64(perMessage + len(p.topic) + len(p.payload) + len(p.properties))
}

// delivery is a message for one session.
type delivery struct {
	message       *publication
	qos           byte
	retain        bool
	duplicate     bool
	released      bool // PUBREC has come: PUBREL is repeated, not the message.
	id            uint16
	subscriptions []int
	// order is how many deliveries of the session were sent before.
	order uint64
}

// Message is what a client has published.
type Message struct {
	Topic string
	// Payload is not nil. Nothing may change it.
	Payload []byte
	// Length is the length of the whole packet if it was longer than MaxPacket, and 0 otherwise. Of such a message the payload is only the beginning.
	Length int
	// Tags are the user properties, and who has sent the message: client_id and, if it has one, username. Nothing may change them.
	Tags map[string]string

	session *session
	id      uint16
	qos     byte
	// willOf is the broker if the message is a last will, whose session does not wait for it.
	willOf *Broker
}

// ownTag reports whether a tag is the broker's to give: a user property of that name says nothing.
func ownTag(name string) bool { return name == "client_id" || name == "username" }

// Again is whether the client sends the message again unless it is done with nil.
func (m *Message) Again() bool { return m.qos > 0 }

// Done says that the receiver is finished with a message: with nil the message is acknowledged, with an error it is not, so that the client sends it
// again in its next connection. Done must be called once for each message, and does not block.
func (m *Message) Done(err error) {
	switch {
	case m.willOf == nil:
		m.session.done(m, err)
	case err != nil: // Nobody sends it again.
		m.willOf.counts.dropped(dropWillFailed)
	}
}
