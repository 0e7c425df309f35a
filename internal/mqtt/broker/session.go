package broker

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/mqtt/packet"
)

// key identifies a session. It has the username, so that nobody takes over the session of somebody else.
type key struct{ username, clientID string }

// received is a message of QoS 2 whose identifier the client may not use for another one yet.
type received struct {
	// message is nil once it is acknowledged.
	message *Message
	// acknowledged is whether PUBREC was sent.
	acknowledged bool
}

// session is what the broker knows of a client, over many connections.
type session struct {
	broker *Broker
	key    key
	// online is whether conn is not nil.
	online atomic.Bool
	// seat is held by the connection of the session, and by what publishes its will: only one of them works at a time.
	seat chan struct{}
	// willWaits is whether a last will of the client waits for the receiver. The client's messages come after it.
	willWaits atomic.Bool

	mu sync.Mutex
	// What follows is guarded by mu. conn is nil without a connection.
	conn *connection
	// ended is whether nothing finds the session any more.
	ended bool
	// expiry is how long the session outlives its connection; 0 if it ends with it. left is when the last one ended.
	expiry time.Duration
	left   time.Time
	// claim is the connection that has the seat or waits for it; nil for none.
	claim *connection
	// will is what to publish willDelay after the connection is lost, nil for nothing; willAt is when that is, zero with a connection.
	will      *publication
	willDelay time.Duration
	willAt    time.Time

	// pending is how many messages the receiver is not finished with. unacknowledged are those of QoS 1 among them, and received all of QoS 2
	// that the client has not released, by their identifiers.
	pending        int
	unacknowledged map[uint16]*Message
	received       map[uint16]received

	// subscriptions are by their filters.
	subscriptions map[string]subscription
	// retained are subscriptions whose retained messages have not been sent yet, and scans is how many there have been. overtaken are topics of which a
	// message was sent meanwhile that was not retained, with the last scan that it has overtaken.
	retained  []*retainedScan
	scans     int
	overtaken map[string]int
	// queue are messages to be sent, queued their bytes, and sent those of QoS 1 and 2 that the client has not acknowledged.
	queue  []*delivery
	queued int64
	sent   map[uint16]*delivery
	lastID uint16
	order  uint64
}

func newSession(b *Broker, k key) *session {
	return &session{broker: b, key: k, seat: make(chan struct{}, 1), left: time.Now()}
}

// begin reports whether a message of QoS 1 or 2 is to be received, and remembers it. A message that was repeated in a new connection while the first
// one is still on its way to the log is not received again: both get the same answer. tooMany is whether the client has more messages under way
// than it may.
func (s *session) begin(m *Message, duplicate bool, maximum int) (fresh, tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.qos {
	case 1:
		if s.unacknowledged[m.id] != nil && duplicate {
			return false, false
		}
	case 2:
		if before, had := s.received[m.id]; had {
			if before.acknowledged {
				s.answer(packet.Pubrec, m.id)
			}
			return false, false
		}
	}
	if len(s.unacknowledged)+len(s.received) >= maximum {
		return false, true
	}
	s.pending++
	switch m.qos {
	case 1:
		if s.unacknowledged == nil {
			s.unacknowledged = make(map[uint16]*Message)
		}
		s.unacknowledged[m.id] = m
	case 2:
		if s.received == nil {
			s.received = make(map[uint16]received)
		}
		s.received[m.id] = received{message: m}
	}
	return true, false
}

// done acknowledges a message, or forgets it.
func (s *session) done(m *Message, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if s.conn != nil {
		s.conn.resume()
	}
	switch m.qos {
	case 1:
		if s.unacknowledged[m.id] == m {
			delete(s.unacknowledged, m.id)
			if err == nil {
				s.answer(packet.Puback, m.id)
			}
		}
	case 2:
		if s.received[m.id].message != m {
			return
		}
		if err != nil {
			delete(s.received, m.id)
			return
		}
		s.received[m.id] = received{acknowledged: true} // Without the message, whose payload may be long.
		s.answer(packet.Pubrec, m.id)
	}
}

// refuse answers a message that was not taken. The error ends the connection.
func (s *session) refuse(p *publish, version, reason byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || p.QoS == 0 {
		return nil
	}
	kind := byte(packet.Puback)
	if p.QoS == 2 {
		kind = packet.Pubrec
		if version != 5 { // MQTT 3.1.1 knows no refusal: the client goes on with PUBREL.
			if s.received == nil {
				s.received = make(map[uint16]received)
			}
			if most := max(s.broker.o.Limits.ReceiveMaximum, maxReleases); len(s.unacknowledged)+len(s.received) >= most {
				return ended(reasonReceiveMaximum, "more than %d messages under way", most)
			}
			s.received[p.ID] = received{acknowledged: true}
		}
	}
	s.conn.out = appendReason(s.conn.out, kind, p.ID, version, reason)
	s.conn.wake()
	return nil
}

// release ends a message of QoS 2. It reports false if it was not acknowledged, which a client must have waited for.
func (s *session) release(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, had := s.received[id]; had && !before.acknowledged {
		return false
	}
	delete(s.received, id)
	// An identifier that is not known is that of a message before a restart, which is in the log: the client has its PUBREC.
	s.answer(packet.Pubcomp, id)
	return true
}

// answer sends PUBACK, PUBREC, PUBREL or PUBCOMP if there is a connection. The caller has locked s.
func (s *session) answer(kind byte, id uint16) {
	if s.conn != nil {
		s.conn.out = packet.AppendAnswer(s.conn.out, kind, id)
		s.conn.wake()
	}
}

// deliver queues a message for the session. It does not block: what does not fit into the queue is dropped and counted.
func (s *session) deliver(m *publication, t *target, now time.Time) {
	d := &delivery{message: m, qos: min(m.qos, t.qos), retain: m.retain && t.retainAsPublished}
	if t.id != 0 {
		d.subscriptions = append([]int{t.id}, t.more...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := &s.broker.counts
	size := m.size()
	switch {
	case s.ended, d.qos == 0 && s.conn == nil:
		return
	case len(s.queue) >= s.broker.o.Limits.MaxQueued || s.queued+size > s.broker.maxSessionBytes() || !s.broker.queued.reserve(size):
		counts.dropped(dropQueueFull)
		return
	}
	s.queue, s.queued = append(s.queue, d), s.queued+size
	if s.conn != nil {
		s.conn.wake()
	}
}

// unqueue removes the first message of the queue, whose bytes still count. The caller has locked s.
func (s *session) unqueue() *delivery {
	d := s.queue[0]
	s.queue[0] = nil
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
	}
	s.queued -= d.message.size()
	return d
}

// forget ends a message of the session. The caller has locked s.
func (s *session) forget(d *delivery) {
	if d.id != 0 {
		delete(s.sent, d.id)
	}
	s.broker.queued.release(d.message.size())
}

// requeue puts the messages that the client has not acknowledged in front of the queue, to be sent in a new connection. Of those that it has
// received, only the release is sent. The caller has locked s.
func (s *session) requeue() {
	unacknowledged := slices.SortedFunc(maps.Values(s.sent), func(a, b *delivery) int { return int(int64(a.order - b.order)) })
	var again []*delivery
	for _, d := range unacknowledged {
		if d.released {
			s.answer(packet.Pubrel, d.id)
			continue
		}
		delete(s.sent, d.id)
		d.duplicate = true
		again = append(again, d)
		s.queued += d.message.size()
	}
	s.queue = append(again, s.queue...)
}

// acknowledged ends a message that the client has received, or has refused. The caller has not locked s.
func (s *session) acknowledged(kind byte, id uint16, reason, version byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.sent[id]
	switch {
	case kind == packet.Pubrec && (d == nil || d.qos != 2): // It is another time than the client thinks.
		if s.conn != nil {
			s.conn.out = appendReason(s.conn.out, packet.Pubrel, id, version, reasonUnknownID)
		}
	case d == nil:
		return
	case kind == packet.Pubrec && reason < reasonUnspecified:
		d.released = true
		s.answer(packet.Pubrel, id)
	case kind == packet.Puback && d.qos == 1, kind == packet.Pubrec, kind == packet.Pubcomp && d.released:
		s.forget(d)
	}
	if s.conn != nil {
		s.conn.wake()
	}
}

// fill appends what may be sent now to the packets of the connection. again is whether it is to be called once more, after the session was unlocked: then
// it has looked at many retained messages. The caller has locked s.
func (s *session) fill(c *connection, now time.Time) (again bool) {
	looked := 0
	for len(c.out) < maxOut {
		d, more := s.nextRetained(now, maxScan-looked)
		looked += more
		if d == nil {
			switch {
			case looked >= maxScan:
				return len(s.retained) > 0 || len(s.queue) > 0
			case len(s.queue) == 0, s.queue[0].qos > 0 && len(s.sent) >= c.window, !s.queue[0].message.expired(now) && !s.overtake(s.queue[0].message.topic):
				return false
			}
			d = s.unqueue()
		}
		if d.message.expired(now) {
			s.forget(d)
			s.broker.counts.dropped(dropExpired)
			continue
		}
		if d.qos > 0 {
			s.number(d)
		}
		before := len(c.out)
		c.out = appendDelivery(c.out, d, c.version, now)
		if c.maxPacket > 0 && len(c.out)-before > c.maxPacket { // The client does not take it.
			c.out = c.out[:before]
			s.forget(d)
			s.broker.counts.dropped(dropTooLarge)
			continue
		}
		if d.qos == 0 {
			s.forget(d)
		}
		s.broker.counts.delivered.Add(1)
	}
	return false
}

// number gives a message of QoS 1 or 2 an identifier if it has none. There is a free one: fewer are under way than there are.
func (s *session) number(d *delivery) {
	for d.id == 0 || !d.duplicate && s.sent[d.id] != nil {
		s.lastID++
		d.id = s.lastID
	}
	if s.sent == nil {
		s.sent = make(map[uint16]*delivery)
	}
	s.order++
	d.order = s.order
	s.sent[d.id] = d
}

// clear drops what the session holds. The caller has locked s.
func (s *session) clear() {
	for len(s.queue) > 0 {
		s.forget(s.unqueue())
	}
	for _, d := range s.sent {
		s.forget(d)
	}
	s.sent, s.received, s.unacknowledged, s.retained, s.overtaken = nil, nil, nil, nil, nil
}
