package processor

import (
	"context"
	"sync"

	"iotmon/internal/kafka"
	"iotmon/internal/statecache"
)

// Handover passes the states that a processor restores when it starts on to the tail of the same process: at a restart both
// want to know every device, and reading the log is what takes the time. Each partition is handed over once, and none
// after End.
type Handover struct {
	mu         sync.Mutex
	partitions map[int32]*handed
	over       bool
}

var _ kafka.StateLoader = (*Handover)(nil)

// handed is what one partition's restore has read up to next, from when given is closed until it is taken.
type handed struct {
	given  chan struct{}
	states keptStates
	next   int64
	taken  bool
}

// NewHandover returns a Handover of nothing yet.
func NewHandover() *Handover { return &Handover{partitions: make(map[int32]*handed)} }

// partition returns what is known of one. The caller holds mu.
func (h *Handover) partition(id int32) *handed {
	p := h.partitions[id]
	if p == nil {
		p = &handed{given: make(chan struct{})}
		h.partitions[id] = p
	}
	return p
}

// give offers what a restore has read. What was there before and has not been taken is outdated.
func (h *Handover) give(id int32, states keptStates, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	p := h.partition(id)
	if p.taken {
		return
	}
	if p.states == nil {
		close(p.given)
	}
	p.states, p.next = states, next
}

// End forgets what was given and not taken, and takes no more: the tail has caught up and waits for nobody.
func (h *Handover) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	clear(h.partitions)
}

// Load implements kafka.StateLoader. It waits for the restore, and has nothing the second time, or after End.
func (h *Handover) Load(ctx context.Context, partition statecache.Partition, visit func(value []byte)) (next int64, cached bool, err error) {
	h.mu.Lock()
	over, given := h.over, h.partition(partition.ID).given
	h.mu.Unlock()
	if over {
		return 0, false, nil
	}
	select {
	case <-given:
	case <-ctx.Done():
		return 0, false, context.Cause(ctx)
	}
	h.mu.Lock()
	p := h.partition(partition.ID)
	states, next, cached := p.states, p.next, !p.taken && !h.over
	p.states, p.taken = nil, true
	h.mu.Unlock()
	for _, state := range states {
		if !state.gone {
			visit(state.value)
		}
	}
	return next, cached, nil
}
