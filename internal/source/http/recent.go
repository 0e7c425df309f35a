package httpsource

import (
	"hash/maphash"
	"math"
	"sync"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// tableSize is the number of slots of a recent: 512 KiB. It is a power of two.
const tableSize = 1 << 15

// recent remembers recently accepted readings, in a hash table by device and timestamp, to count duplicates and conflicts in
// answers. Of two readings with the same slot the later one replaces the other. So a duplicate may be missed; a reading that is
// not one is mistaken for one with a probability of 2^-63. It is safe for concurrent use.
type recent struct {
	seed maphash.Seed
	mu   sync.Mutex
	// slots is allocated with the first reading: many instances never receive one.
	slots []slot
}

// slot holds one reading: the hash of its device and timestamp, and its value.
type slot struct {
	identity uint64
	value    float64
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// count adds to result how many of the readings are duplicates of, or conflict with, an earlier one of the request or a
// remembered one. It does not remember the readings: they may still be refused by the log.
func (m *recent) count(readings []iot.Reading, result *wire.Ingested) {
	m.mu.Lock()
	defer m.mu.Unlock()
	within := make(map[uint64]float64, len(readings))
	for i := range readings {
		r := &readings[i]
		identity := m.identity(r)
		first, known := within[identity]
		if !known {
			first, known = m.recall(identity)
		}
		switch {
		case !known:
			within[identity] = r.Value
		case math.Float64bits(first) == math.Float64bits(r.Value):
			result.Duplicates++
		default:
			result.Conflicts++
		}
	}
}

// remember adds readings that the log has acknowledged. Of two with the same device and timestamp it remembers the first.
func (m *recent) remember(readings []iot.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots == nil {
		m.slots = make([]slot, tableSize)
	}
	for i := range readings {
		identity := m.identity(&readings[i])
		if s := &m.slots[identity%tableSize]; s.identity != identity {
			*s = slot{identity, readings[i].Value}
		}
	}
}

// recall returns the value of a remembered reading; false if it is not remembered.
func (m *recent) recall(identity uint64) (float64, bool) {
	if m.slots == nil {
		return 0, false
	}
	s := &m.slots[identity%tableSize]
	return s.value, s.identity == identity
}

// identity returns the hash of a reading's device and timestamp; never 0, which marks an empty slot.
func (m *recent) identity(r *iot.Reading) uint64 {
	return maphash.Comparable(m.seed, struct {
		id iot.DeviceID
		at int64
	}{r.ID, r.Time.UnixMicro()}) | 1
}
