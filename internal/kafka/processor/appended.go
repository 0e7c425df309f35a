package processor

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// appended knows the last record of the configuration that was appended to each partition, so that the same is not appended again before
// that one was read. Sequence: a partition has a backlog of hours, and reads its record at the end of it. Without this, it would get another
// one every settingsInterval. It is safe for concurrent use.
type appended struct {
	mu   sync.Mutex
	last map[int32]place
}

// place is an offset of a partition's log, in an epoch of it; see process.Checkpoint.
type place struct {
	epoch  int32
	offset int64
}

// waits reports whether the partition has still to read what was appended to it. What was appended to an earlier log it never reads.
func (a *appended) waits(id int32, part *owned) bool {
	a.mu.Lock()
	last, any := a.last[id]
	a.mu.Unlock()
	if !any {
		return false
	}
	at := part.Checkpoint()
	return at.Epoch == last.epoch && at.Position <= last.offset
}

// keep keeps the last record of each partition of which the epoch is given.
func (a *appended) keep(results kgo.ProduceResults, epochs map[int32]int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = make(map[int32]place)
	}
	for _, result := range results { // Those of a partition are in the order of its log.
		if epoch, any := epochs[result.Record.Partition]; any {
			a.last[result.Record.Partition] = place{epoch, result.Record.Offset}
		}
	}
}
