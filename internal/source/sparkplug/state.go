package sparkplug

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"iotmon/internal/mqtt"
	"iotmon/internal/source/sparkplug/nodes"
)

// stateTopic is the topic of the state of a host application.
func stateTopic(host string) string { return nodes.Namespace + "/STATE/" + host }

// hostState is what a host application publishes about itself.
type hostState struct {
	Online    bool  `json:"online"`
	Timestamp int64 `json:"timestamp"`
}

// retainedDelay is how long the broker may take to send the retained state of another host with the same name, after it has accepted the
// subscription.
const retainedDelay = 300 * time.Millisecond

// state publishes the state of a primary host, in one connection. Its methods do nothing if it is nil.
type state struct {
	adapter    *Adapter
	connection *connection
	// timestamp is that of the will and of the birth.
	timestamp int64

	mu sync.Mutex
	// birthAt is when the birth is due, zero before the connection is there; born is whether it was published.
	birthAt time.Time
	born    bool
	// kept are requests that wait for the birth: at most as many as may be sent in the second in which it comes.
	kept []mqtt.Publication
	// other is whether another host with the same name is online.
	other bool
	// left is whether the host has published that it is offline, after which nothing more is published.
	left bool
}

func newState(a *Adapter, c *connection) *state {
	s := &state{adapter: a, connection: c, timestamp: max(c.session.Now().UnixMilli(), a.newest+1)}
	a.newest = s.timestamp
	if len(a.births) > maxBirths {
		clear(a.births)
	}
	a.births[s.timestamp] = true
	return s
}

// maxTimestamp is later than any state of a host application, in the year 2255.
const maxTimestamp = 9_000_000_000_000

// maxBirths is how many own births are remembered.
const maxBirths = 1000

// message is the birth certificate of the host, or its will, with the same timestamp.
func (s *state) message(online bool) *mqtt.Publication { return s.certificate(online, s.timestamp) }

func (s *state) certificate(online bool, timestamp int64) *mqtt.Publication {
	text, err := json.Marshal(hostState{online, timestamp})
	if err != nil {
		panic(err) // A flag and a number.
	}
	return &mqtt.Publication{Topic: stateTopic(s.adapter.o.HostID), Payload: text, QoS: 1, Retained: true}
}

func (s *state) publish(p *mqtt.Publication) {
	if err := s.connection.client.Publish(*p); err != nil {
		s.connection.end(err)
	}
}

// connected is called when the broker has accepted the subscriptions.
func (s *state) connected(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.birthAt = now.Add(retainedDelay)
	if s.adapter.standby {
		s.problem()
	}
}

// tick publishes the birth when it is due.
func (s *state) tick(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.birthAt.IsZero() || now.Before(s.birthAt) || s.born:
	case s.adapter.standby && !s.other:
		s.connection.end(errGone) // The broker no longer has a state of the other host.
	case !s.adapter.standby:
		s.born = true
		s.publish(s.message(true))
		for _, p := range s.kept {
			if err := s.connection.client.Publish(p); err != nil {
				s.connection.end(err)
			}
		}
		s.kept = nil
	}
}

// keep reports whether a request has to wait for the birth, and then publishes it after the birth.
func (s *state) keep(p mqtt.Publication) bool {
	if s == nil || s.adapter.standby {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.born {
		return false
	}
	s.kept = append(s.kept, p)
	return true
}

// receive processes a state of a host with the name of this one.
func (s *state) receive(text []byte) {
	var received hostState
	if len(text) > 0 && json.Unmarshal(text, &received) != nil {
		s.connection.session.Problem(fmt.Errorf("%s: not the state of a host application of Sparkplug 3.0", stateTopic(s.adapter.o.HostID)))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.adapter.births[received.Timestamp]
	switch {
	case s.left:
	case s.adapter.standby:
		if s.other = received.Online && !own; !s.other {
			s.connection.end(errGone)
		}
	case !received.Online && !own && received.Timestamp > s.timestamp && received.Timestamp < maxTimestamp:
		// Left by an earlier run of this host, before the clock was set back.
		s.adapter.newest = received.Timestamp
		s.connection.end(errOlder)
	case !received.Online:
		// The death certificate of an earlier connection, or of a host that had the same name, hides that this host is online.
		if s.born {
			s.publish(s.message(true))
		}
	case own:
	case s.born && received.Timestamp > s.timestamp:
		s.problem() // The host that was there first stays.
		s.publish(s.message(true))
	default:
		s.problem()
		s.connection.end(errAnother)
	}
}

func (s *state) problem() {
	s.connection.session.Problem(fmt.Errorf(
		"another host application is online as %q: this one is not the primary host. Give one of them another host_id. If there is no other, delete the "+
			"retained message of %s at the broker", s.adapter.o.HostID, stateTopic(s.adapter.o.HostID)))
}

// leave publishes that the host is offline since now, before the connection is ended on purpose. Edge nodes ignore a death certificate that is
// older than the birth, so it is not, even if the clock has been set back.
func (s *state) leave() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.born {
		s.publish(s.certificate(false, max(s.connection.session.Now().UnixMilli(), s.timestamp)))
		s.born, s.left = false, true
	}
}
