package httpsource

import (
	"hash/maphash"
	"math"
	"sync"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// remembered is how many readings a recent remembers: 512 KiB of them. It is a power of two.
const remembered = 1 << 15

// recent remembers the readings that came in last, by device and time, to say which of the next ones are none anew. Where two
// share a place the later one takes it, so it may miss a repetition; it does not invent one, but for once in 2^64.
type recent struct {
	seed maphash.Seed
	mu   sync.Mutex
	// places is made when the first reading comes in: many an instance never sees one.
	places []place
}

// place holds one reading: the hash of its device and time, and its value.
type place struct {
	identity uint64
	value    float64
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// count adds to result how many of the readings repeat one of the others or one that was remembered.
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

// remember keeps readings that the log has acknowledged. Of two with the same device and time it keeps the first.
func (m *recent) remember(readings []iot.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places == nil {
		m.places = make([]place, remembered)
	}
	for i := range readings {
		identity := m.identity(&readings[i])
		if p := &m.places[identity%remembered]; p.identity != identity {
			*p = place{identity, readings[i].Value}
		}
	}
}

func (m *recent) recall(identity uint64) (float64, bool) {
	if m.places == nil {
		return 0, false
	}
	p := &m.places[identity%remembered]
	return p.value, p.identity == identity
}

// identity returns the hash of what a reading is identified by; never 0, which marks an empty place.
func (m *recent) identity(r *iot.Reading) uint64 {
	return maphash.Comparable(m.seed, struct {
		id iot.DeviceID
		at int64
	}{r.ID, r.Time.UnixMicro()}) | 1
}
