package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchMemory pools the memory of a consumer's fetches: the buffers that batches are decompressed into, and the records. So at full
// rate neither becomes garbage. Recycle returns the records of a fetch, with their keys, values and headers, to the pool.
type fetchMemory struct {
	buffers slicePool[byte]
	records slicePool[kgo.Record]
}

var (
	_ kgo.PoolDecompressBytes = (*fetchMemory)(nil)
	_ kgo.PoolRecords         = (*fetchMemory)(nil)
)

// PooledFetches returns the consumer option to reuse the memory of fetches. Each consumer gets a pool of its own. Its owner must
// call Recycle for every fetch, else the pool stays empty.
func PooledFetches() kgo.Opt {
	return kgo.WithPools(&fetchMemory{
		buffers: slicePool[byte]{minClass: 12, maxClass: 20},
		records: slicePool[kgo.Record]{minClass: 3, maxClass: 14},
	})
}

// expansion is the guess how many times larger a batch of readings or states is when it is decompressed: a little more than
// measured with many devices. A guess that is too small costs a copy, one that is too large costs clearing unused memory.
const expansion = 12

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (m *fetchMemory) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return m.buffers.get(expansion * len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (m *fetchMemory) PutDecompressBytes(buffer []byte) { m.buffers.put(buffer) }

// GetRecords implements kgo.PoolRecords.
func (m *fetchMemory) GetRecords(n int) []kgo.Record { return m.records.get(n) }

// PutRecords implements kgo.PoolRecords.
func (m *fetchMemory) PutRecords(records []kgo.Record) { m.records.put(records) }

// Recycle returns the memory of a fetch to the pool of its consumer. The records, keys, values and headers must not be used after it.
func Recycle(fetches kgo.Fetches) { fetches.EachRecord((*kgo.Record).Recycle) }

// slicePool keeps slices for reuse, in classes by capacity: a slice of class c has a capacity of 2^c to 2^(c+1)-1. Larger slices
// than those of maxClass are not kept.
type slicePool[T any] struct {
	minClass, maxClass int
	pools              [21]sync.Pool
}

// get returns an empty slice with a capacity of n at least; for a large n, of 2^maxClass, so that the caller has to grow it.
func (s *slicePool[T]) get(n int) []T {
	class := min(max(bits.Len(uint(max(n, 1)-1)), s.minClass), s.maxClass)
	if kept, ok := s.pools[class].Get().(*[]T); ok {
		return (*kept)[:0]
	}
	return make([]T, 0, 1<<class)
}

// put keeps a slice for reuse, unless its class is not kept.
func (s *slicePool[T]) put(slice []T) {
	class := bits.Len(uint(cap(slice))) - 1
	if class < s.minClass || class > s.maxClass {
		return
	}
	s.pools[class].Put(&slice)
}
