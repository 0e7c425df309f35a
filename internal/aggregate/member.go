package aggregate

import (
	"slices"

	"iotmon/internal/iot"
)

// member remembers which readings of one device a window holds.
type member struct {
	// seen holds the times of the readings in microseconds since the start of the segment, ascending. Four bytes a reading
	// keep the exact test affordable.
	seen []uint32
	// types are the device types under which the device was counted: one, unless its id is used for several.
	types []iot.DeviceType
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

// addType records that the device is counted under t, and reports whether that is new.
func (m *member) addType(t iot.DeviceType) bool {
	if slices.Contains(m.types, t) {
		return false
	}
	m.types = append(m.types, t)
	return true
}

// reset removes the readings for the next window. It keeps the storage unless that is far too large.
func (m *member) reset() {
	if cap(m.seen) > 4*len(m.seen)+16 {
		m.seen = nil
	}
	m.seen, m.types = m.seen[:0], m.types[:0]
}
