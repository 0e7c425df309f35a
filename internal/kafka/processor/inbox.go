package processor

import (
	"context"
	"sync"
)

// inbox lets other goroutines run functions on the goroutine that owns a state, between two of its steps. Waiting work
// interrupts the owner's poll.
type inbox struct {
	mu        sync.Mutex
	work      []func() error
	interrupt context.CancelFunc
	changed   *sync.Cond
	closed    bool
	// done counts the work that was run since the inbox was made; taken counts what was handed in.
	done, taken int
}

func newInbox() *inbox {
	b := &inbox{}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// do has the owner run f and returns when it has, or when the owner has left for good.
func (b *inbox) do(f func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.work = append(b.work, f)
	b.taken++
	ticket := b.taken
	if b.interrupt != nil {
		b.interrupt()
	}
	for b.done < ticket && !b.closed {
		b.changed.Wait()
	}
}

// waiting reports whether there is work, and otherwise has cancel called when some arrives.
func (b *inbox) waiting(cancel context.CancelFunc) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interrupt = cancel
	return len(b.work) > 0
}

// run does the work that waits and returns the first error. Only the owner calls it.
func (b *inbox) run() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first error
	for _, f := range b.work {
		if err := f(); err != nil && first == nil {
			first = err
		}
		b.done++
	}
	b.work = nil
	b.changed.Broadcast()
	return first
}

// close ends the owner's service: whoever waits and whoever comes later returns at once.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
