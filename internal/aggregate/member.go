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
	// types are the device types the device was counted under: one, unless somebody reuses an id.
	types []iot.DeviceType
}

// add records a reading at the given time and reports whether it is the first there. In order is the fast path.
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

// addType reports whether the device has not been counted under t before, and counts it.
func (m *member) addType(t iot.DeviceType) bool {
	if slices.Contains(m.types, t) {
		return false
	}
	m.types = append(m.types, t)
	return true
}

// reset makes the member one of a window without readings. It keeps room for as many readings as it has had, or about.
func (m *member) reset() {
	if cap(m.seen) > 4*len(m.seen)+16 {
		m.seen = nil
	}
	m.seen, m.types = m.seen[:0], m.types[:0]
}
