package source

import (
	"maps"
	"slices"
	"sync"
	"time"

	"iotmon/internal/iot"
)

// State is how a source is.
type State string

// A source waits until it may run, connects, and is connected until it fails; then it connects anew.
const (
	// Waiting means that another instance runs the source.
	Waiting    State = "waiting"
	Connecting State = "connecting"
	Connected  State = "connected"
	// Failed means that the source pauses before it connects anew.
	Failed State = "failed"
)

const (
	// maxSeen is how many topics a Status remembers, maxSeenPayload how many bytes of the last message of each.
	maxSeen, maxSeenPayload = 500, 2 << 10
	// seenInterval is how often what is remembered of a topic is renewed.
	seenInterval = time.Second
	// maxRecentRejects is how many rejected messages a Status remembers.
	maxRecentRejects = 20
	// maxReasons is how many fields a Status counts rejections of.
	maxReasons = 32
)

// Status is what is known of a running source. It may be used concurrently.
type Status struct {
	name, kind string
	now        func() time.Time

	mu sync.Mutex
	// What follows is guarded by mu.
	s    Snapshot
	seen map[string]*Seen
}

// Snapshot is a Status at a moment.
type Snapshot struct {
	Name, Kind string
	State      State
	// Since is when the state began, Address what the source is connected to or tries to connect to.
	Since   time.Time
	Address string
	// Error is what is wrong, or was wrong last, and ErrorAt when that was; empty if nothing was.
	Error   string
	ErrorAt time.Time
	// LogError is why the log does not acknowledge; empty if it does.
	LogError string
	// Connections counts how often the source has connected.
	Connections int64
	// Messages counts what was received, Readings what was appended to the log, Rejected the dead letters. Untimed counts retained
	// messages that count as no reading because they have no time.
	Messages, Readings, Rejected, Untimed int64
	// Skipped counts polls that have not taken place at their time.
	Skipped int64
	// RejectedBy counts the dead letters by the field that was wrong; "" is that of messages that were wrong as a whole.
	RejectedBy map[string]int64
	// LastMessage is when the last message was received, LastValue the time of the newest reading.
	LastMessage, LastValue time.Time
	// Rejects are the last rejected messages, the newest last.
	Rejects []Rejected
}

// Seen is what was last received of one topic.
type Seen struct {
	Topic string
	// Count is how many messages there were, At when the shown one was received.
	Count int64
	At    time.Time
	// Payload is the beginning of the last message; nil if it was points. Points are the names of some of its values then.
	Payload []byte
	Points  []string
}

// NewStatus returns the status of a source that has not begun.
func NewStatus(name, kind string, now func() time.Time) *Status {
	return &Status{
		name: name, kind: kind, now: now, seen: make(map[string]*Seen),
		s: Snapshot{Name: name, Kind: kind, State: Waiting, Since: now(), RejectedBy: make(map[string]int64)},
	}
}

// Snapshot returns a copy of everything but the topics.
func (s *Status) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := s.s
	copied.RejectedBy, copied.Rejects = maps.Clone(copied.RejectedBy), slices.Clone(copied.Rejects)
	return copied
}

// Seen returns what was received of each topic, in the order of the topics.
func (s *Status) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Seen, 0, len(s.seen))
	for _, topic := range slices.Sorted(maps.Keys(s.seen)) {
		seen := *s.seen[topic]
		seen.Payload, seen.Points = slices.Clone(seen.Payload), slices.Clone(seen.Points)
		all = append(all, seen)
	}
	return all
}

// set enters a state. The address is kept if it is empty.
func (s *Status) set(state State, address string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.s.State != state {
		s.s.State, s.s.Since = state, now
	}
	if state == Connected {
		s.s.Connections++
	}
	if address != "" {
		s.s.Address = address
	}
	if err != nil {
		s.s.Error, s.s.ErrorAt = err.Error(), now
	}
}

// problem notes what is wrong although the source goes on.
func (s *Status) problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Error, s.s.ErrorAt = err.Error(), s.now()
}

func (s *Status) skipped(polls int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Skipped += polls
}

// log notes whether the log acknowledges.
func (s *Status) log(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.LogError = ""
	if err != nil {
		s.s.LogError = err.Error()
	}
}

func (s *Status) received(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Messages++
	s.s.LastMessage = m.Received
	seen := s.seen[m.Topic]
	if seen == nil {
		if len(s.seen) >= maxSeen {
			return
		}
		seen = &Seen{Topic: m.Topic}
		s.seen[m.Topic] = seen
	}
	seen.Count++
	if m.Received.Sub(seen.At) < seenInterval {
		return
	}
	seen.At = m.Received
	seen.Payload = append(seen.Payload[:0], m.Payload[:min(len(m.Payload), maxSeenPayload)]...)
	seen.Points = seen.Points[:0]
	for i := range m.Points[:min(len(m.Points), maxNames)] {
		seen.Points = append(seen.Points, m.Points[i].Field)
	}
}

func (s *Status) untimed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Untimed++
}

// appended counts what is in the log.
func (s *Status) appended(readings []iot.Reading, rejected []Rejected) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Readings += int64(len(readings))
	s.s.Rejected += int64(len(rejected))
	for i := range readings {
		if readings[i].Time.After(s.s.LastValue) {
			s.s.LastValue = readings[i].Time
		}
	}
	for i := range rejected {
		field := rejected[i].Field
		if _, counted := s.s.RejectedBy[field]; !counted && len(s.s.RejectedBy) >= maxReasons {
			field = "" // Fields that a message names could be endless.
		}
		s.s.RejectedBy[field]++
	}
	s.s.Rejects = append(s.s.Rejects, rejected[max(0, len(rejected)-maxRecentRejects):]...)
	s.s.Rejects = slices.Delete(s.s.Rejects, 0, max(0, len(s.s.Rejects)-maxRecentRejects))
}
