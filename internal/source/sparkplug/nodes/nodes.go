// Package nodes knows the state of Sparkplug edge nodes and their devices, as a host application sees it: which metrics they have, which
// messages are missing, and whether they are online. It turns messages into values and reports. It is pure: messages and the time come
// from the caller.
package nodes

import (
	"fmt"
	"hash/maphash"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/payload"
)

// Options configure Nodes. A value of 0 means the default.
type Options struct {
	// ReorderTimeout is how long a message waits for the messages that were sent before it; the default is 2 s.
	ReorderTimeout time.Duration
	// AnswerTimeout is how long an edge node may take to answer a rebirth request; the default is 5 s.
	AnswerTimeout time.Duration
	// Heartbeat is how often a device that is online is said to be so, although its values have not changed; 0 means never.
	Heartbeat time.Duration
	// MaxNodes is the maximum number of edge nodes, MaxDevices that of devices of one, MaxMetrics that of all metrics together.
	MaxNodes, MaxDevices, MaxMetrics int
	// MaxHeld is how many bytes of messages may wait for earlier ones.
	MaxHeld int
}

func (o *Options) fill() {
	orElse(&o.ReorderTimeout, 2*time.Second)
	orElse(&o.AnswerTimeout, 5*time.Second)
	orElse(&o.MaxNodes, 5_000)
	orElse(&o.MaxDevices, 2_000)
	orElse(&o.MaxMetrics, 500_000)
	orElse(&o.MaxHeld, 32<<20)
}

func orElse[T int | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

// Effect is one thing that the caller has to do. Exactly one field is set.
type Effect struct {
	// Send goes to the pipeline.
	Send *source.Message
	// Rebirth is the topic on which a rebirth request is to be published.
	Rebirth string
	// Problem is what is wrong, for the status of the source.
	Problem error
}

// Nodes is the state of all edge nodes. It is not safe for concurrent use.
type Nodes struct {
	o     Options
	nodes map[[2]string]*node
	// metrics is how many metrics the nodes have, held how many bytes wait.
	metrics, held int
	seed          maphash.Seed
	effects       []Effect
	decoded       payload.Payload
	// asked counts the rebirth requests of the second that began at askedSince.
	asked      int
	askedSince time.Time
}

// New returns Nodes that know no edge node.
func New(o Options) *Nodes {
	o.fill()
	return &Nodes{o: o, nodes: make(map[[2]string]*node), seed: maphash.MakeSeed()}
}

// state is what a host knows of an edge node.
type state uint8

const (
	// unborn nodes have sent messages, but no birth certificate yet.
	unborn state = iota
	online
	dead
)

// node is an edge node.
type node struct {
	group, id string
	state     state
	// certain is whether every message since the birth was received, so that aliases mean what the births say.
	certain bool
	bdSeq   uint64
	hasBD   bool
	// session numbers the sessions of the node, ascending: the time of their beginning in milliseconds.
	session int64
	// born is the timestamp of the birth, in milliseconds by the node's clock.
	born uint64
	own  *device
	// devices do not include own. Aliases are those of own and of all devices.
	devices map[string]*device
	aliases map[uint64]*metric
	metrics int

	// next is the expected sequence number, last the hash of the last message with each number.
	next uint8
	last [256]uint64
	// waiting are messages that came before messages with lower numbers, since the time waitingSince.
	waiting      map[uint8]waiting
	waitingSince time.Time

	request request
	death   death
	// previous is the bdSeq before the present one, at the time changed.
	previous uint64
	changed  time.Time
	// devicesBy is when all devices must have been born again; zero if they have been.
	devicesBy time.Time
	touched   time.Time
	// beat is when the devices are said to be online again.
	beat time.Time
}

// death is the last death certificate of an edge node.
type death struct {
	bdSeq uint64
	// at is when it came; zero if it no longer matters.
	at time.Time
	// suspect is whether a birth of the same session has come after it.
	suspect bool
}

func (n *node) name() string { return n.group + "/" + n.id }

// Receive processes a message. Its Done is called once everything that it has led to is in the log, or by Receive itself if that is
// nothing. The effects are valid until the next call.
func (s *Nodes) Receive(m *source.Message) []Effect {
	s.effects = s.effects[:0]
	t, err := parseTopic(m.Topic)
	if err != nil {
		s.refuse(m, err)
	} else if t.kind != command {
		if s.receive(t, m) {
			return s.effects
		}
	}
	s.finish(m, 0)
	return s.effects
}

// receive processes a message of an edge node, and reports whether it has finished the message, or will.
func (s *Nodes) receive(t topic, m *source.Message) bool {
	now := m.Received
	if err := s.decoded.Decode(m.Payload); err != nil {
		s.refuse(m, iot.Invalid("payload", "%v", err))
		return false
	}
	n, err := s.node(t.group, t.node, now)
	if err != nil {
		s.refuse(m, err)
		s.problem(err)
		return false
	}
	n.touched = now
	switch {
	case m.Retained:
		// It may be hours old, and nothing of Sparkplug is retained but STATE.
		if n.state == unborn {
			s.ask(n, now, fmt.Errorf("edge node %s: its messages are retained, which Sparkplug forbids", n.name()))
		}
		return false
	case t.kind == nodeBirth:
		s.nodeBirth(n, m)
	case t.kind == nodeDeath:
		s.nodeDeath(n, m)
	default:
		s.inSequence(n, t, m)
	}
	return true
}

// node returns the state of an edge node, which is made unless too many are known.
func (s *Nodes) node(group, id string, now time.Time) (*node, error) {
	key := [2]string{group, id}
	if n := s.nodes[key]; n != nil {
		return n, nil
	}
	if len(s.nodes) >= s.o.MaxNodes && !s.forget() {
		return nil, iot.Invalid("topic", "more than %d edge nodes are online", s.o.MaxNodes)
	}
	n := &node{group: group, id: id, devices: make(map[string]*device), aliases: make(map[uint64]*metric), waiting: make(map[uint8]waiting), touched: now}
	n.own = newDevice(n, "")
	s.nodes[key] = n
	return n, nil
}

// forget removes the node that has been silent for longest, among those that are not online and have no messages waiting.
func (s *Nodes) forget() bool {
	var oldest *node
	for _, n := range s.nodes {
		if n.state != online && len(n.waiting) == 0 && (oldest == nil || n.touched.Before(oldest.touched)) {
			oldest = n
		}
	}
	if oldest == nil {
		return false
	}
	s.metrics -= oldest.metrics
	delete(s.nodes, [2]string{oldest.group, oldest.id})
	return true
}

// refuse sends a message to the dead letters.
func (s *Nodes) refuse(m *source.Message, reason error) {
	s.send(&source.Message{Topic: m.Topic, Payload: m.Payload, Received: m.Received, Invalid: reason})
}

func (s *Nodes) send(m *source.Message) { s.effects = append(s.effects, Effect{Send: m}) }

func (s *Nodes) problem(err error) { s.effects = append(s.effects, Effect{Problem: err}) }

// finish makes the last of the effects since begin acknowledge the message, or acknowledges it at once if nothing is sent.
func (s *Nodes) finish(m *source.Message, begin int) {
	if m.Done == nil {
		return
	}
	for i := len(s.effects) - 1; i >= begin; i-- {
		if s.effects[i].Send != nil {
			s.effects[i].Send.Done = m.Done
			return
		}
	}
	m.Done(nil)
}

// moment converts a timestamp of a payload; 0 is no time. A time that no calendar has is none either.
func moment(milliseconds uint64) time.Time {
	const most = 253_402_300_799_999 // The end of the year 9999.
	if milliseconds == 0 || milliseconds > most {
		return time.Time{}
	}
	return time.UnixMilli(int64(milliseconds)).UTC()
}

// earlier returns the time of a payload, or now if it has none or a later one: a report about the future would be refused.
func earlier(milliseconds uint64, now time.Time) time.Time {
	if at := moment(milliseconds); !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}
