package aggregate

import (
	"slices"
)

// member remembers which readings of one device a window holds.
type member struct {
	// seen holds the times of the readings in microseconds since the start of the segment, ascending. Four bytes a reading
	// keep the exact test affordable.
	seen []uint32
	// last is the group of the device's last reading, nil before the first: the next one nearly always belongs to it too.
	last *group
	// groups are those in which the device was counted: one, unless its type or its area has changed.
	groups []*group
}

// add records a reading at the given time and reports whether it is the first at that time. Readings in order are the fast
// path.
func (m *member) add(micros uint32) bool {
	n := len(m.seen)
	if n == 0 || micros > m.seen[n-1] {
		m.seen = append(m.seen, micros)
		return true
	}
	i, found := slices.BinarySearch(m.seen, micros)
	if found {
		return false
	}
	m.seen = slices.Insert(m.seen, i, micros)
	return true
}

// count counts the device in a group, and in the group's type, unless it is counted there already.
func (m *member) count(g *group) {
	if len(m.groups) == 1 && m.groups[0] == g || slices.Contains(m.groups, g) {
		return
	}
	g.Devices++
	if !slices.ContainsFunc(m.groups, func(other *group) bool { return other.kind == g.kind }) {
		g.kind.devices++
	}
	m.groups = append(m.groups, g)
}

// reset removes the readings for the next window. It keeps the storage unless that is far too large.
func (m *member) reset() {
	if cap(m.seen) > 4*len(m.seen)+16 {
		m.seen = nil
	}
	clear(m.groups) // The groups of a closed window are not kept.
	m.seen, m.last, m.groups = m.seen[:0], nil, m.groups[:0]
}
