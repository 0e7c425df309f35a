package nodes

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
)

// waiting is a message that came before one with a lower sequence number.
type waiting struct {
	*source.Message
	topic topic
	// sent is its timestamp, by the node's clock.
	sent uint64
	seq  uint8
}

func (s *Nodes) hash(data []byte) uint64 { return maphash.Bytes(s.seed, data) }

// inSequence processes a message with a sequence number, which is in m and decoded, or keeps it until those before it have come.
func (s *Nodes) inSequence(n *node, t topic, m *source.Message) {
	seq := uint8(s.decoded.Seq)
	w := waiting{Message: m, topic: t, sent: s.decoded.Timestamp, seq: seq}
	switch {
	case n.state == online && !n.certain:
		s.uncertain(n, w, "messages before it are missing")
		s.ask(n, m.Received, fmt.Errorf("edge node %s: no birth certificate since messages were lost", n.name()))
		return
	case n.state == online && (!s.decoded.HasSeq || seq == n.next) && !n.before(w.sent):
		if s.decoded.HasSeq {
			n.last[seq], n.next = s.hash(m.Payload), seq+1
		}
		s.process(n, t, m)
		s.release(n)
		n.request.alive(m.Received, s.o.ReorderTimeout)
		return
	case n.state == online:
		if s.hash(m.Payload) == n.last[seq] {
			s.finish(m, len(s.effects)) // The same message once more.
			return
		}
	}
	s.wait(n, w)
	if n.state == unborn && t.kind != deviceBirth && len(n.waiting) == 1 {
		s.ask(n, m.Received, nil) // A node that is online already; its birth certificate was sent before this host was connected.
	}
}

// wait keeps a message.
func (s *Nodes) wait(n *node, w waiting) {
	if other, taken := n.waiting[w.seq]; taken {
		if s.hash(other.Payload) == s.hash(w.Payload) {
			s.finish(w.Message, len(s.effects))
			return
		}
		s.expire(n, w.Received)
	} else if s.held+len(w.Payload) > s.o.MaxHeld {
		s.expire(n, w.Received)
	}
	if s.held+len(w.Payload) > s.o.MaxHeld || n.state == online && !n.certain {
		s.uncertain(n, w, "messages before it are missing")
		return
	}
	if len(n.waiting) == 0 {
		n.waitingSince = w.Received
	}
	n.waiting[w.seq] = w
	s.held += len(w.Payload)
}

// process processes a message in its place in the sequence, while the meaning of aliases is certain.
func (s *Nodes) process(n *node, t topic, m *source.Message) {
	begin := len(s.effects)
	switch t.kind {
	case deviceBirth:
		s.deviceBirth(n, t.device, m)
		return
	case deviceDeath:
		s.deviceDeath(n, t.device, m)
		return
	}
	d := n.own
	if t.kind == deviceData {
		d = n.devices[t.device]
		if d == nil || !d.born {
			s.uncertain(n, waiting{Message: m, topic: t}, "its device has sent no birth certificate")
			s.ask(n, m.Received, fmt.Errorf("device %s of edge node %s: data without a birth certificate", t.device, n.name()))
			return
		}
	}
	if unknown := s.values(n, d, m, false, true); unknown > 0 {
		s.refuse(m, iot.Invalid("alias", "%d metrics have an alias that no birth certificate has", unknown))
		s.ask(n, m.Received, fmt.Errorf("edge node %s: data with an alias that no birth certificate has", n.name()))
	}
	s.finish(m, begin)
}

// release processes the messages whose turn it is now.
func (s *Nodes) release(n *node) {
	for n.certain {
		w, ok := n.waiting[n.next]
		if !ok || n.before(w.sent) {
			break
		}
		s.drop(n, w)
		n.last[w.seq], n.next = s.hash(w.Payload), w.seq+1
		if s.decoded.Decode(w.Payload) == nil { // It has been decoded before.
			s.process(n, w.topic, w.Message)
		}
	}
	n.waitingSince = time.Time{}
	for _, w := range n.waiting {
		if n.waitingSince.IsZero() || w.Received.Before(n.waitingSince) {
			n.waitingSince = w.Received
		}
	}
}

func (s *Nodes) drop(n *node, w waiting) {
	delete(n.waiting, w.seq)
	s.held -= len(w.Payload)
}

// takeWaiting removes all messages that wait, and returns them in their order.
func (s *Nodes) takeWaiting(n *node) []waiting {
	return s.take(n, func(waiting) bool { return true })
}

// takeEarlier removes the messages that the node has sent before its birth.
func (s *Nodes) takeEarlier(n *node) []waiting {
	return s.take(n, func(w waiting) bool { return n.before(w.sent) || w.sent == 0 })
}

// before reports whether a message was sent before the node's birth: then it is late, and its number has its place by chance.
func (n *node) before(sent uint64) bool { return sent != 0 && sent < n.born }

func (s *Nodes) take(n *node, which func(waiting) bool) []waiting {
	var taken []waiting
	for _, w := range n.waiting {
		if which(w) {
			taken = append(taken, w)
		}
	}
	slices.SortFunc(taken, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.sent, b.sent), cmp.Compare(a.seq-n.next, b.seq-n.next))
	})
	for _, w := range taken {
		s.drop(n, w)
	}
	if len(n.waiting) == 0 {
		n.waitingSince = time.Time{}
	}
	return taken
}

// expire processes the messages that have waited in vain. From now on the meaning of aliases is uncertain: a birth may be among what is
// missing. So the node is asked for its births.
func (s *Nodes) expire(n *node, now time.Time) {
	missing := n.next
	taken := s.takeWaiting(n)
	n.certain = false
	for _, w := range taken {
		s.uncertain(n, w, "messages before it are missing")
	}
	reason := fmt.Errorf("edge node %s: no birth certificate has come", n.name())
	if n.state == online {
		reason = fmt.Errorf("edge node %s: message %d of its sequence has not come", n.name(), missing)
	}
	s.ask(n, now, reason)
}

// uncertain processes a message while the meaning of aliases is uncertain: values with names count, the others go to the dead letters.
func (s *Nodes) uncertain(n *node, w waiting, why string) {
	begin := len(s.effects)
	if s.decoded.Decode(w.Payload) != nil { // It has been decoded before.
		s.finish(w.Message, begin)
		return
	}
	switch {
	case w.topic.kind == deviceBirth && n.state == online:
		s.deviceBirth(n, w.topic.device, w.Message)
		return
	case w.topic.kind == deviceDeath:
		s.deviceDeath(n, w.topic.device, w.Message)
		return
	}
	d := n.own
	if w.topic.device != "" {
		if d = n.devices[w.topic.device]; d == nil {
			d = newDevice(n, w.topic.device)
		}
	}
	if unknown := s.values(n, d, w.Message, false, false); unknown > 0 {
		s.refuse(w.Message, iot.Invalid("alias", "the aliases of %d metrics are not certain: %s", unknown, why))
	}
	s.finish(w.Message, begin)
}
