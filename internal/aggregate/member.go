package aggregate

import (
	"slices"
)

// member remembers which readings of one device a window holds.
type member struct {
	// seen holds the times of the readings in microseconds since the start of the segment, ascending. Four bytes a reading
	// keep the exact test affordable.
	seen []uint32
	// last is the group of the device's last reading, nil before the first: the next one nearly always belongs to it too. counted
	// means that the device is counted there.
	last    *group
	counted bool
	// others are all groups in which the device was counted, once its type or its area has changed; otherwise nil. A pointer, so
	// that a member is 48 bytes.
	others *[]*group
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

// moveTo makes another group the last.
func (m *member) moveTo(g *group) {
	if m.counted {
		if m.others == nil {
			m.others = new([]*group)
		}
		if !slices.Contains(*m.others, m.last) {
			*m.others = append(*m.others, m.last)
		}
	}
	m.last = g
	m.counted = m.others != nil && slices.Contains(*m.others, g)
}

// count counts the device in its last group and, unless another group of the same type has counted it, in the type.
func (m *member) count() {
	m.counted = true
	m.last.Devices++
	if m.others == nil || !slices.ContainsFunc(*m.others, func(g *group) bool { return g.kind == m.last.kind }) {
		m.last.kind.devices++
	}
}

// reset removes the readings for the next window. It keeps the storage unless that is far too large.
func (m *member) reset() {
	if cap(m.seen) > 4*len(m.seen)+16 {
		m.seen = nil
	}
	m.seen, m.last, m.counted, m.others = m.seen[:0], nil, false, nil
}
