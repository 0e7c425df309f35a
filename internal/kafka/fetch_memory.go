package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchMemory lends a consumer what fetched batches are decompressed into and what their records are kept in, so that at
// full rate neither is garbage. The records, with their keys, values and headers, are the client's again after Recycle.
type fetchMemory struct {
	texts   sizes[byte]
	records sizes[kgo.Record]
}

var (
	_ kgo.PoolDecompressBytes = (*fetchMemory)(nil)
	_ kgo.PoolRecords         = (*fetchMemory)(nil)
)

// NewFetchMemory returns the option that gives a consumer memory of its own, which is used again after Recycle.
func NewFetchMemory() kgo.Opt {
	return kgo.WithPools(&fetchMemory{texts: sizes[byte]{least: 12, most: 20}, records: sizes[kgo.Record]{least: 3, most: 14}})
}

// expansion is a little more than what readings and states of many devices grow by when they are decompressed. A guess that
// is too small costs a copy, one that is too large the clearing of what was not used.
const expansion = 12

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (m *fetchMemory) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return m.texts.get(expansion * len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (m *fetchMemory) PutDecompressBytes(text []byte) { m.texts.put(text) }

// GetRecords implements kgo.PoolRecords.
func (m *fetchMemory) GetRecords(n int) []kgo.Record { return m.records.get(n) }

// PutRecords implements kgo.PoolRecords.
func (m *fetchMemory) PutRecords(records []kgo.Record) { m.records.put(records) }

// Recycle gives back what the records of a fetch are kept in. Nothing of them may be used any more.
func Recycle(fetches kgo.Fetches) { fetches.EachRecord((*kgo.Record).Recycle) }

// sizes keeps slices for reuse by powers of two of what they hold, from 2^least to 2^most. Whoever needs a larger one makes
// it, and it is not kept.
type sizes[T any] struct {
	least, most int
	pools       [21]sync.Pool
}

// get returns an empty slice with room for n, or for as many as are kept at once.
func (s *sizes[T]) get(n int) []T {
	class := min(max(bits.Len(uint(max(n, 1)-1)), s.least), s.most)
	if kept, ok := s.pools[class].Get().(*[]T); ok {
		return (*kept)[:0]
	}
	return make([]T, 0, 1<<class)
}

// put keeps a slice, unless it is too small or too large for anybody.
func (s *sizes[T]) put(slice []T) {
	class := bits.Len(uint(cap(slice))) - 1
	if class < s.least || class > s.most {
		return
	}
	s.pools[class].Put(&slice)
}
