package push

import (
	"strconv"
	"strings"
)

// sessions names connections to their clients, and remembers of those that have ended from where they can be resumed. It keeps as many
// as there can be clients, the last to end; a client whose session was dropped starts from a snapshot. The hub's lock guards it.
type sessions struct {
	// run names this run of the server: sessions of another run cannot be resumed.
	run   string
	ended map[uint64]resumePoint
	// order is a ring of the numbers in ended, next its oldest.
	order []uint64
	next  int
}

// resumePoint is what must be known of a connection to resume it.
type resumePoint struct {
	// from is the lowest number at which the client had been sent everything before; notResumable if there was none.
	from   uint64
	filter [32]byte
}

// notResumable is above every number.
const notResumable = ^uint64(0)

func newSessions(first uint64, capacity int) *sessions {
	return &sessions{
		run:   strconv.FormatUint(first, 36),
		ended: make(map[uint64]resumePoint),
		order: make([]uint64, 0, capacity),
	}
}

// end notes that a connection has ended.
func (s *sessions) end(connection uint64, point resumePoint) {
	s.ended[connection] = point
	if len(s.order) < cap(s.order) {
		s.order = append(s.order, connection)
		return
	}
	delete(s.ended, s.order[s.next])
	s.order[s.next] = connection
	s.next = (s.next + 1) % len(s.order)
}

// name returns the session of a connection, which its client needs for resuming it.
func (s *sessions) name(connection uint64) string {
	return s.run + "-" + strconv.FormatUint(connection, 36)
}

// parse returns the connection that a session names; false if it is none of this run.
func (s *sessions) parse(session string) (connection uint64, ok bool) {
	run, number, _ := strings.Cut(session, "-")
	connection, err := strconv.ParseUint(number, 36, 64)
	return connection, err == nil && run == s.run
}

// resumable reports whether a client that asks for a session, with all messages up to since seen, can go on from there. The new
// client is not yet among the clients. The caller holds mu.
func (h *Hub) resumable(o opening) bool {
	connection, ok := h.sessions.parse(o.session)
	if !ok {
		return false
	}
	point, known := h.sessions.ended[connection]
	if c := h.clients.byNumber[connection]; c != nil {
		// The client noticed the end of its connection before the server did.
		point, known = resumePoint{c.resumeFrom, c.filter.key}, true
	}
	return known && point.filter == o.filter.key && o.since >= point.from && o.since >= h.feed.forgotten && o.since <= h.feed.seq
}
