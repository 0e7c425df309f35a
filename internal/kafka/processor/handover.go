package processor

import (
	"context"
	"sync"

	"iotmon/internal/kafka"
	"iotmon/internal/statecache"
)

// Handover passes the device states that a processor restores at its start to the tail of the same process. Both need the states of
// all devices, and reading them from the log twice would double the time of a restart. Each partition is handed over once, and none
// after End. The methods may be called concurrently.
type Handover struct {
	mu         sync.Mutex
	partitions map[int32]*restoredStates
	ended      bool
}

var _ kafka.StateLoader = (*Handover)(nil)

// restoredStates are the states of one partition. ready is closed when they have been restored, next is the offset after the last
// record that was read. The states are nil before that, and again after they were loaded.
type restoredStates struct {
	ready  chan struct{}
	states keptStates
	next   int64
	loaded bool
}

// NewHandover returns a Handover without states.
func NewHandover() *Handover { return &Handover{partitions: make(map[int32]*restoredStates)} }

// partition returns the entry of a partition, which it adds if necessary. The caller holds mu.
func (h *Handover) partition(id int32) *restoredStates {
	p := h.partitions[id]
	if p == nil {
		p = &restoredStates{ready: make(chan struct{})}
		h.partitions[id] = p
	}
	return p
}

// offer makes the restored states of a partition available to Load. They replace older ones that have not been loaded.
func (h *Handover) offer(id int32, states keptStates, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	p := h.partition(id)
	if p.loaded {
		return
	}
	if p.states == nil {
		close(p.ready)
	}
	p.states, p.next = states, next
}

// End deletes all states and ignores later ones. It is called when the tail has caught up and needs no more states.
func (h *Handover) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	clear(h.partitions)
}

// Load implements kafka.StateLoader. It waits until the partition has been restored. A second call for the same partition, and a call
// after End, return cached false.
func (h *Handover) Load(ctx context.Context, partition statecache.Partition, visit func(value []byte)) (next int64, cached bool, err error) {
	h.mu.Lock()
	ended, ready := h.ended, h.partition(partition.ID).ready
	h.mu.Unlock()
	if ended {
		return 0, false, nil
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return 0, false, context.Cause(ctx)
	}
	h.mu.Lock()
	p := h.partition(partition.ID)
	states, next, cached := p.states, p.next, !p.loaded && !h.ended
	p.states, p.loaded = nil, true
	h.mu.Unlock()
	for key, state := range states {
		delete(states, key) // Of a flood they take as much memory as what becomes of them.
		if !state.deleted {
			visit(state.value)
		}
	}
	return next, cached, nil
}
