package broker

import (
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// retainedMessages are the last retained message of each topic, in the order of the topics. They may be used concurrently.
type retainedMessages struct {
	maxCount int
	maxBytes int64

	mu sync.RWMutex
	// What follows is guarded by mu.
	byTopic btree.Map[string, *publication]
	bytes   int64
}

// set retains a message, or ends the retained one if the payload is empty. kept is false if there is no room: then the topic has no retained
// message any more, because the one before does not hold. changed is whether the topic has another one than before, or none.
func (r *retainedMessages) set(m *publication) (kept, changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, had := r.byTopic.Get(m.topic)
	if had {
		r.byTopic.Delete(m.topic)
		r.bytes -= before.size()
	}
	switch {
	case len(m.payload) == 0:
		return true, had
	case r.byTopic.Len() >= r.maxCount || r.bytes+m.size() > r.maxBytes:
		return false, had
	}
	r.byTopic.Set(m.topic, m)
	r.bytes += m.size()
	return true, true
}

func (r *retainedMessages) size() (count int, bytes int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byTopic.Len(), r.bytes
}

// get returns the message of a topic, or nil.
func (r *retainedMessages) get(topic string) *publication {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, _ := r.byTopic.Get(topic)
	return m
}

// all returns all messages.
func (r *retainedMessages) all() []*publication {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byTopic.Values()
}

// expire ends the messages that nobody wants any more, and returns their topics.
func (r *retainedMessages) expire(now time.Time) (ended []string) {
	for _, m := range r.all() {
		if m.expired(now) && r.end(m) {
			ended = append(ended, m.topic)
		}
	}
	return ended
}

// end ends a message, unless another one has replaced it. It reports whether it did.
func (r *retainedMessages) end(m *publication) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if current, _ := r.byTopic.Get(m.topic); current != m {
		return false
	}
	r.byTopic.Delete(m.topic)
	r.bytes -= m.size()
	return true
}

// retainedScan finds the retained messages of a subscription, one after the other. It holds no messages, so that a client that reads slowly costs
// nothing.
type retainedScan struct {
	filter string
	subscription
	// number is that of the scan in its session. after is the topic of the last message.
	number int
	after  string
}

const (
	// maxScan is how many retained topics are looked at while a session is locked: its publishers wait meanwhile.
	maxScan = 1000
	// maxOvertaken is how many topics of a session may be overtaken. Then other messages wait for the retained ones.
	maxOvertaken = 1000
)

// next returns the next message that matches, or nil, after looking at most topics. looked is at how many it has looked, at least 1. done is whether there
// are no more: nil without it means to ask again.
func (r *retainedMessages) next(scan *retainedScan, most int) (m *publication, looked int, done bool) {
	prefix := literal(scan.filter)
	r.mu.RLock()
	defer r.mu.RUnlock()
	done = true
	r.byTopic.Ascend(max(scan.after, prefix), func(topic string, found *publication) bool {
		if !strings.HasPrefix(topic, prefix) {
			return false
		}
		if topic == scan.after {
			return true
		}
		scan.after = topic
		looked++
		if Matches(scan.filter, topic) {
			m, done = found, false
			return false
		}
		done = looked < most
		return done
	})
	return m, max(looked, 1), done
}

// literal returns the beginning that all topics of a filter have.
func literal(filter string) string {
	at := strings.IndexAny(filter, "+#")
	switch {
	case at < 0:
		return filter
	case filter[at] == '#' && at > 0: // a/# matches a, too.
		return filter[:at-1]
	}
	return filter[:at]
}

// nextRetained returns the next retained message for a subscription of the session, or nil, after looking at most topics. looked is at how many it has
// looked. The caller has locked s.
func (s *session) nextRetained(now time.Time, most int) (d *delivery, looked int) {
	for len(s.retained) > 0 && looked < most {
		scan := s.retained[0]
		if len(s.sent) >= s.conn.window && scan.qos > 0 {
			return nil, looked
		}
		m, more, done := s.broker.retained.next(scan, most-looked)
		looked += more
		if done {
			if s.retained = s.retained[1:]; len(s.retained) == 0 {
				s.retained, s.overtaken = nil, nil
			}
			continue
		}
		if m == nil || m.expired(now) || scan.number <= s.overtaken[m.topic] {
			continue
		}
		d := &delivery{message: m, qos: min(m.qos, scan.qos), retain: true}
		s.broker.queued.add(m.size())
		if scan.id != 0 {
			d.subscriptions = []int{scan.id}
		}
		return d, looked
	}
	return nil, looked
}

// overtake notes that a message of the topic is sent before the retained ones that wait. What is retained of the topic is not sent then: it is older, or
// comes as such a message, too. It reports false if the message must wait. The caller has locked s.
func (s *session) overtake(topic string) bool {
	if len(s.retained) == 0 || s.broker.retained.get(topic) == nil {
		return true
	}
	if _, had := s.overtaken[topic]; !had && len(s.overtaken) >= maxOvertaken {
		return false
	}
	if s.overtaken == nil {
		s.overtaken = make(map[string]int)
	}
	s.overtaken[topic] = s.scans
	return true
}
