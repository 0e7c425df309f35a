package push

import (
	"strconv"
	"strings"
)

// sessions names the connection of each viewer, and remembers of connections that have ended from where they can be resumed. It keeps as
// many as there can be viewers, the last to end; a client whose session was dropped starts from a snapshot. The lock of shared guards it.
type sessions struct {
	// run names this run of the server: sessions of another run cannot be resumed.
	run string
	// ended holds the connections that have ended, by the number of their viewer.
	ended map[uint64]resumePoint
	// order is a ring of the numbers in ended, next its oldest.
	order []uint64
	next  int
}

// resumePoint is what must be known of a connection to resume it.
type resumePoint struct {
	// from is the lowest number at which the viewer had been sent everything before; notResumable if there was none.
	from uint64
	// filter is the key of the viewer's filter.
	filter [32]byte
}

// notResumable is above every number.
const notResumable = ^uint64(0)

// resumePoint returns from where the viewer's connection can be resumed.
func (v *viewer) resumePoint() resumePoint { return resumePoint{v.resumeFrom, v.filter.key} }

// allows reports whether a client with this opening can be sent the changes since the message that it saw last, and nothing else.
func (p resumePoint) allows(o opening) bool { return p.filter == o.filter.key && o.since >= p.from }

func newSessions(first uint64, capacity int) *sessions {
	return &sessions{
		run:   strconv.FormatUint(first, 36),
		ended: make(map[uint64]resumePoint),
		order: make([]uint64, 0, capacity),
	}
}

// end notes that the connection of a viewer has ended.
func (s *sessions) end(number uint64, point resumePoint) {
	s.ended[number] = point
	if len(s.order) < cap(s.order) {
		s.order = append(s.order, number)
		return
	}
	delete(s.ended, s.order[s.next])
	s.order[s.next] = number
	s.next = (s.next + 1) % len(s.order)
}

// name returns the session of a viewer, which its client needs for resuming it.
func (s *sessions) name(number uint64) string {
	return s.run + "-" + strconv.FormatUint(number, 36)
}

// parse returns the number of the viewer that a session names; false if it is none of this run.
func (s *sessions) parse(session string) (number uint64, ok bool) {
	run, text, _ := strings.Cut(session, "-")
	number, err := strconv.ParseUint(text, 36, 64)
	return number, err == nil && run == s.run
}

// point returns from where a session can be resumed; false if the session is not known. connected are the viewers that are connected:
// a client may notice the end of its connection, and come back, before the server notices it.
func (s *sessions) point(session string, connected *viewers) (resumePoint, bool) {
	number, ok := s.parse(session)
	if !ok {
		return resumePoint{}, false
	}
	if v := connected.byNumber[number]; v != nil {
		return v.resumePoint(), true
	}
	point, known := s.ended[number]
	return point, known
}
