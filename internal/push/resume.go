package push

import (
	"strconv"
	"strings"
)

// endings remembers of connections that have ended from where they can be resumed. Only so many are kept, the last to
// end; whoever was forgotten starts from a snapshot.
type endedConnections struct {
	of map[uint64]endedConnection
	// order is a ring of the numbers in of, next its oldest.
	order []uint64
	next  int
}

// ending is what must be known of a connection to resume it.
type endedConnection struct {
	// settled is the first number by which the client had been told everything before; unsettled if it never was.
	resumeFrom uint64
	filter     [32]byte
}

// unsettled is above every number.
const notResumable = ^uint64(0)

func newEnded(capacity int) *endedConnections {
	return &endedConnections{of: make(map[uint64]endedConnection), order: make([]uint64, 0, capacity)}
}

func (e *endedConnections) add(connection uint64, end endedConnection) {
	e.of[connection] = end
	if len(e.order) < cap(e.order) {
		e.order = append(e.order, connection)
		return
	}
	delete(e.of, e.order[e.next])
	e.order[e.next] = connection
	e.next = (e.next + 1) % len(e.order)
}

// session names a connection to its client, for resuming it.
func (h *Hub) session(connection uint64) string {
	return h.run + "-" + strconv.FormatUint(connection, 36)
}

// resumable reports whether a client that had this session, and has seen everything up to since, can go on from there.
// The caller holds mu.
func (h *Hub) resumable(session string, since uint64, f *filter) bool {
	run, number, _ := strings.Cut(session, "-")
	connection, err := strconv.ParseUint(number, 36, 64)
	if err != nil || run != h.run {
		return false
	}
	end, known := h.ended.of[connection]
	if c := h.clients[connection]; c != nil {
		// The client noticed the end of its connection before the server did.
		end, known = endedConnection{c.resumeFrom, c.filter.key}, true
	}
	return known && end.filter == f.key && since >= end.resumeFrom && since >= h.feed.forgotten && since <= h.feed.seq
}
