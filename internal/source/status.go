package source

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
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
	// maxSeen is how many topics a Status remembers, maxSeenPayload how many bytes of a message, maxSeenPoints how many values of it, and
	// maxSeenPoint about how many bytes one of those may have to be remembered.
	maxSeen, maxSeenPayload, maxSeenPoints, maxSeenPoint = 500, 2 << 10, 50, 1 << 10
	// defaultSeenBytes is how much memory the topics of a Status use at most, unless LimitSeen sets another limit.
	defaultSeenBytes = 4 << 20
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
	// clients counts the connected clients; nil for a source that has none.
	clients func() int64

	mu sync.Mutex
	// What follows is guarded by mu.
	s    Snapshot
	seen map[string]*Seen
	// seenBytes is about how much memory seen uses, maxSeenBytes how much it may use.
	seenBytes, maxSeenBytes int
	// moreTopics is whether there were more than maxSeen topics.
	moreTopics bool
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
	// Cause is the kind of the error.
	Cause Cause
	// LogError is why the log does not acknowledge; empty if it does.
	LogError string
	// Connections counts how often the source has connected.
	Connections int64
	// Messages counts what was received, Readings what was appended to the log, Rejected the dead letters. Untimed counts retained
	// messages that count as no reading because they have no time.
	Messages, Readings, Rejected, Untimed int64
	// MapVersion is the version of what people have decided last about the map, as far as the source maps by it; 0 if they have decided
	// nothing. MapError is why it does not map by a later decision.
	MapVersion int64
	MapError   string
	// Skipped counts polls that have not taken place at their time.
	Skipped int64
	// Ignored counts values that a rule ignores, Unmapped messages of which no rule matches any value.
	Ignored, Unmapped int64
	// Missed counts messages that were deleted at the other side before they were received.
	Missed int64
	// RejectedBy counts the dead letters by the field that was wrong; "" is that of messages that were wrong as a whole.
	RejectedBy map[string]int64
	// Lag is how many messages wait at the other side, where the protocol says so; nil where it does not.
	Lag *int64
	// Clients is how many clients are connected, of a source to which devices connect; nil for others.
	Clients *int64
	// LastMessage is when the last message was received, LastValue the time of the newest reading.
	LastMessage, LastValue time.Time
	// Rejects are the last rejected messages, the newest last, with the beginnings of their payloads.
	Rejects []Rejected
}

// Seen is what was last received of one topic.
type Seen struct {
	Topic string
	// Count is how many messages there were, At when the shown one was received.
	Count int64
	At    time.Time
	// Payload is the beginning of the shown message, Length its whole length in bytes; nil if it was points.
	Payload []byte
	Length  int
	// Points are the first values of the message, as the rules of a map see them, and Values is how many values it had. Points leaves
	// out values that take much memory.
	Points []mapping.Point
	Values int
	// Problem says why the payload has no values; empty if it has. Why is the same by its code, if it has one.
	Problem string
	Why     mapping.Reason
	// Report is whether the message said something about devices instead of having values.
	Report bool
}

// size returns about how many bytes of memory s occupies.
func (s *Seen) size() int {
	const perTopic = 256
	size := perTopic + len(s.Topic) + len(s.Payload) + 2*len(s.Problem) // The arguments of Why are parts of Problem.
	for i := range s.Points {
		size += pointSize(&s.Points[i])
	}
	return size
}

// pointSize returns about how many bytes of memory a point occupies.
func pointSize(p *mapping.Point) int {
	const perPoint, perTag = 200, 32
	size := perPoint + len(p.Measurement) + len(p.Field) + len(p.ValueText) + len(p.Unit)
	for key, value := range p.Tags {
		size += perTag + len(key) + len(value)
	}
	return size
}

// NewStatus returns the status of a source that has not begun.
func NewStatus(name, kind string, now func() time.Time) *Status {
	return &Status{
		name: name, kind: kind, now: now, seen: make(map[string]*Seen), maxSeenBytes: defaultSeenBytes,
		s: Snapshot{Name: name, Kind: kind, State: Waiting, Since: now(), RejectedBy: make(map[string]int64)},
	}
}

// CountClients makes count what counts the connected clients. It must be called before the source runs.
func (s *Status) CountClients(count func() int64) { s.clients = count }

// Name returns the name of the source.
func (s *Status) Name() string { return s.name }

// LimitSeen sets about how many bytes of memory the topics may use. Of topics beyond it only the names and the counts are remembered. It
// must be called before the source runs.
func (s *Status) LimitSeen(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxSeenBytes = bytes
}

// Snapshot returns a copy of everything but the topics.
func (s *Status) Snapshot() Snapshot {
	var clients *int64
	if s.clients != nil {
		count := s.clients()
		clients = &count
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := s.s
	copied.Clients = clients
	copied.RejectedBy, copied.Rejects = maps.Clone(copied.RejectedBy), slices.Clone(copied.Rejects)
	return copied
}

// Seen returns what was received of each topic, in the order of the topics, and whether there were topics that it does not have. What the
// result points to must not be changed.
func (s *Status) Seen() (all []Seen, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = make([]Seen, 0, len(s.seen))
	for _, topic := range slices.Sorted(maps.Keys(s.seen)) {
		all = append(all, *s.seen[topic])
	}
	return all, s.moreTopics
}

// set enters a state. The address is kept if it is empty.
func (s *Status) set(state State, address string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.s.State != state {
		s.s.State, s.s.Since = state, now
	}
	if state == Waiting { // What follows is another instance's to say.
		s.s.LogError, s.s.Lag = "", nil
	}
	if state == Connected {
		s.s.Connections++
	}
	if address != "" {
		s.s.Address = address
	}
	if err != nil {
		s.s.Error, s.s.ErrorAt, s.s.Cause = err.Error(), now, causeOf(err)
	}
}

// problem notes what is wrong although the source goes on.
func (s *Status) problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Error, s.s.ErrorAt, s.s.Cause = err.Error(), s.now(), causeOf(err)
}

func (s *Status) skipped(polls int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Skipped += polls
}

func (s *Status) missed(messages int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Missed += messages
}

// MappedBy notes by which version of the map the source maps from now on, or why it does not map by the one that was decided.
func (s *Status) MappedBy(version int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.MapError = ""
	if err != nil {
		s.s.MapError = err.Error()
		return
	}
	s.s.MapVersion = version
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

// lag notes how many messages wait at the other side.
func (s *Status) lag(messages int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Lag = &messages
}

func (s *Status) received(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Messages++
	s.s.LastMessage = m.Received
}

// decoded notes the values of a message, or why it has none.
func (s *Status) decoded(m *Message, points []mapping.Point, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen[m.Topic]
	if seen == nil {
		if len(s.seen) >= maxSeen {
			s.moreTopics = true
			return
		}
		seen = &Seen{Topic: strings.Clone(m.Topic)}
		s.seen[seen.Topic] = seen
		s.seenBytes += seen.size()
	}
	seen.Count++
	if m.Received.Sub(seen.At) < seenInterval {
		return
	}
	// What was remembered may be in use elsewhere: nothing of it is changed.
	latest := Seen{
		Topic: seen.Topic, Count: seen.Count, At: m.Received, Payload: bytes.Clone(m.Payload[:min(len(m.Payload), maxSeenPayload)]), Length: len(m.Payload),
		Points: seenPoints(m, points), Values: len(points), Report: m.Report != nil,
	}
	if err != nil {
		latest.Problem, latest.Why = err.Error(), mapping.ReasonOf(err)
	}
	if s.seenBytes-seen.size()+latest.size() > s.maxSeenBytes {
		latest.Payload, latest.Points, latest.Problem, latest.Why = nil, nil, "", mapping.Reason{}
	}
	s.seenBytes += latest.size() - seen.size()
	*seen = latest
}

// seenPoints returns copies of the first points of a message, with what they have of it.
func seenPoints(m *Message, points []mapping.Point) []mapping.Point {
	var copied []mapping.Point
	for i := range points[:min(len(points), maxSeenPoints)] {
		point := points[i]
		point.Topic = cmp.Or(point.Topic, m.Topic)
		if point.Tags == nil {
			point.Tags = m.Tags
		}
		if pointSize(&point) > maxSeenPoint {
			continue
		}
		point.Measurement, point.Field, point.Topic = strings.Clone(point.Measurement), strings.Clone(point.Field), strings.Clone(point.Topic)
		point.ValueText, point.Unit, point.Tags = strings.Clone(point.ValueText), strings.Clone(point.Unit), cloneTags(point.Tags)
		copied = append(copied, point)
	}
	return copied
}

// cloneTags copies the texts as well: they may be parts of a message that would be kept for their sake.
func cloneTags(tags map[string]string) map[string]string {
	if tags == nil {
		return nil
	}
	copied := make(map[string]string, len(tags))
	for key, value := range tags {
		copied[strings.Clone(key)] = strings.Clone(value)
	}
	return copied
}

// ignored counts values that a rule ignores, and a retained message whose values have no time.
func (s *Status) ignored(values int, untimed bool) {
	if values == 0 && !untimed {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Ignored += int64(values)
	if untimed {
		s.s.Untimed++
	}
}

// unmapped counts a message of which no rule matches any value.
func (s *Status) unmapped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Unmapped++
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
	for i := range rejected[max(0, len(rejected)-maxRecentRejects):] {
		r := rejected[max(0, len(rejected)-maxRecentRejects)+i]
		r.Payload = bytes.Clone(r.Payload[:min(len(r.Payload), maxSeenPayload)]) // The source may use the memory of the message again.
		s.s.Rejects = append(s.s.Rejects, r)
	}
	s.s.Rejects = slices.Delete(s.s.Rejects, 0, max(0, len(s.s.Rejects)-maxRecentRejects))
}
