package replay

import (
	"hash/maphash"

	"iotmon/internal/iot"
)

// maxRepeats is the number of readings that are remembered to find repeated ones.
const maxRepeats = 1 << 17

// repeats finds readings whose device and time an earlier reading of the recording had. It remembers the last maxRepeats,
// so its memory does not grow with the recording.
type repeats struct {
	seed maphash.Seed
	// known maps the hash of device and time to that of the value.
	known map[uint64]uint64
	// ring has the keys of known in the order in which they came; at is where the next one goes.
	ring []uint64
	at   int
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), known: make(map[uint64]uint64)}
}

// add reports whether r repeats an earlier reading, and whether it has another value. The system keeps the first.
func (s *repeats) add(r *iot.Reading) (duplicate, conflict bool) {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(string(r.ID))
	maphash.WriteComparable(&h, r.Time.UnixMicro())
	key := h.Sum64()
	h.Reset()
	maphash.WriteComparable(&h, r.Value)
	_, _ = h.WriteString(r.ValueText)
	value := h.Sum64()
	if known, ok := s.known[key]; ok {
		return known == value, known != value
	}
	s.known[key] = value
	if len(s.ring) < maxRepeats {
		s.ring = append(s.ring, key)
		return false, false
	}
	delete(s.known, s.ring[s.at])
	s.ring[s.at] = key
	s.at = (s.at + 1) % maxRepeats
	return false, false
}
