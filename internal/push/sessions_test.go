package push

import (
	"testing"

	"iotmon/internal/wire"
)

func TestSessionsAreKnownByNameAndTheLastOnesAreKept(t *testing.T) {
	s, vs := newSessions(1_000_000, 3), newViewers(10)
	filter := newFilter(wire.Filter{}).key
	for number := uint64(1); number <= 5; number++ {
		s.end(number, resumePoint{from: 100 + number, filter: filter})
	}
	for number := uint64(1); number <= 6; number++ {
		point, known := s.point(s.name(number), vs)
		if want := number >= 3 && number <= 5; known != want || known && point.from != 100+number {
			t.Errorf("session %d: got %v, %v, want known %v", number, point.from, known, want)
		}
	}
	other := newSessions(1_000_001, 3)
	for _, session := range []string{"", "-", other.name(4), s.name(4) + "!", s.run, "-4"} {
		if _, known := s.point(session, vs); known {
			t.Errorf("session %q is known", session)
		}
	}
}

// A client may come back before the server notices that its connection has ended.
func TestSessionOfAConnectedViewerIsKnown(t *testing.T) {
	s, vs := newSessions(1, 3), newViewers(10)
	v := &viewer{resumeFrom: 42}
	vs.reserve()
	vs.add(v, newFilter(wire.Filter{}))
	point, known := s.point(s.name(v.number), vs)
	if !known || point != v.resumePoint() || point.from != 42 {
		t.Errorf("got %+v, %v, want the point of the viewer, 42", point, known)
	}
}

func TestResumePointAllowsTheSameFilterFromItsNumberOn(t *testing.T) {
	all, some := newFilter(wire.Filter{}), newFilter(wire.Filter{Buildings: []string{"A"}})
	point := resumePoint{from: 10, filter: all.key}
	for _, test := range []struct {
		name string
		o    opening
		want bool
	}{
		{"at the number", opening{filter: all, since: 10}, true},
		{"after it", opening{filter: all, since: 11}, true},
		{"before it", opening{filter: all, since: 9}, false},
		{"another filter", opening{filter: some, since: 10}, false},
	} {
		if got := point.allows(test.o); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if (resumePoint{from: notResumable, filter: all.key}).allows(opening{filter: all, since: 1 << 62}) {
		t.Error("a viewer without its whole snapshot can be resumed")
	}
}
