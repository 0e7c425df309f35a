package nodes

import (
	"fmt"
	"time"

	"iotmon/internal/iot"
)

const (
	// longestPause is the maximum time between two rebirth requests to an edge node that needs them again and again.
	longestPause = time.Minute
	// calm is after how long without a request the pauses begin anew.
	calm = 2 * time.Minute
	// maxAsked is the maximum number of rebirth requests a second, to all edge nodes together.
	maxAsked = 50
	// inDoubt is how many requests an edge node leaves unanswered until it is offline, if there is reason to think so.
	inDoubt = 2
)

// request is a rebirth request to an edge node. There is at most one that is pending.
type request struct {
	wanted, pending bool
	// at is when the last request was sent, due when the next may be.
	at, due time.Time
	tries   int
	// doubt is since when there is reason to think that the node is offline; zero if there is none.
	doubt time.Time
}

// answered ends a request.
func (r *request) answered() { r.wanted, r.pending, r.doubt = false, false, time.Time{} }

// alive ends the doubt of a node that goes on to send. Messages that come soon after a death certificate may be older.
func (r *request) alive(now time.Time, reorder time.Duration) {
	if !r.doubt.IsZero() && now.Sub(r.doubt) > reorder {
		r.doubt = time.Time{}
	}
}

// ask requests the births of an edge node, at once or as soon as the limits allow it. A reason is shown.
func (s *Nodes) ask(n *node, now time.Time, reason error) {
	if n.request.wanted {
		return
	}
	if reason != nil {
		s.problem(reason)
	}
	if now.Sub(n.request.at) > calm {
		n.request.tries, n.request.due = 0, now
	}
	n.request.wanted = true
	s.request(n, now)
}

// request sends the request if it is due.
func (s *Nodes) request(n *node, now time.Time) {
	if now.Before(n.request.due) {
		return
	}
	if now.Sub(s.askedSince) >= time.Second {
		s.asked, s.askedSince = 0, now
	}
	if s.asked++; s.asked > maxAsked {
		return
	}
	n.request.pending, n.request.at = true, now
	n.request.due = now.Add(min(s.o.AnswerTimeout<<min(n.request.tries, 8), longestPause))
	n.request.tries++
	s.effects = append(s.effects, Effect{Rebirth: CommandTopic(n.group, n.id)})
}

// Tick does what is due at a time. It is to be called several times a second. The effects are valid until the next call.
func (s *Nodes) Tick(now time.Time) []Effect {
	s.effects = s.effects[:0]
	for _, n := range s.nodes {
		if len(n.waiting) > 0 && now.Sub(n.waitingSince) >= s.o.ReorderTimeout {
			s.expire(n, now)
		}
		if n.request.wanted && !now.Before(n.request.due) {
			s.again(n, now)
		}
		if s.o.Heartbeat > 0 && n.state == online && !now.Before(n.beat) {
			n.beat = now.Add(s.o.Heartbeat)
			s.still(n, now)
		}
		if !n.devicesBy.IsZero() && !now.Before(n.devicesBy) {
			n.devicesBy = time.Time{}
			for _, d := range n.devices {
				if !d.born {
					s.turn(n, d, iot.ReportedOffline, "no birth certificate after that of its edge node", now)
				}
			}
		}
	}
	return s.effects
}

// again repeats a request, unless it follows from the silence that the node is offline, or the node has nothing to say.
func (s *Nodes) again(n *node, now time.Time) {
	switch {
	case !n.request.doubt.IsZero() && n.request.pending && n.request.tries >= inDoubt && now.Sub(n.request.doubt) >= 2*s.o.AnswerTimeout:
		s.offline(n, "no answer to rebirth requests", now)
	case n.state != online && n.request.pending && now.Sub(n.touched) > calm:
		n.request.answered()
	case n.request.pending && n.request.tries == 3:
		s.problem(fmt.Errorf("edge node %s: it does not answer rebirth requests; may this host publish to %s?", n.name(), CommandTopic(n.group, n.id)))
		fallthrough
	default:
		s.request(n, now)
	}
}

// Lost is to be called when the connection to the broker is lost: what the nodes have sent last is no longer known to be current.
func (s *Nodes) Lost(now time.Time) []Effect {
	s.effects = s.effects[:0]
	for _, n := range s.nodes {
		for _, w := range s.takeWaiting(n) {
			s.uncertain(n, w, "the connection was lost before the messages before it came")
		}
		n.certain = false
		if n.state != online {
			continue
		}
		s.turn(n, n.own, iot.ReportedBad, "the connection to the broker is lost", now)
		for _, d := range n.devices {
			if d.status == iot.ReportedOnline {
				s.turn(n, d, iot.ReportedBad, "the connection to the broker is lost", now)
			}
		}
	}
	return s.effects
}

// Connected is to be called when the connection to the broker is there again. The births and deaths of the meantime are lost, so every node
// that was online is asked, unless it sends its births by itself, as nodes do that wait for this host.
func (s *Nodes) Connected(now time.Time) {
	for _, n := range s.nodes {
		n.request = request{}
		n.death.at = time.Time{}
		if n.state == online && !n.certain {
			n.request = request{wanted: true, due: now.Add(s.o.ReorderTimeout), doubt: now.Add(s.o.ReorderTimeout)}
		}
	}
}
