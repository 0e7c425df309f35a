package processor

import (
	"context"
	"sync"
)

// inbox lets other goroutines run functions on the goroutine that owns a state, between two of its steps. A function that is
// submitted interrupts the owner's poll.
type inbox struct {
	mu        sync.Mutex
	work      []func() error
	interrupt context.CancelFunc
	changed   *sync.Cond
	closed    bool
	// completed counts the functions that have run since the inbox was made, submitted those that were passed to do.
	completed, submitted int
}

func newInbox() *inbox {
	b := &inbox{}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// do runs f on the owner's goroutine. It returns when f has run, or when the inbox is closed, in which case f may not have run.
func (b *inbox) do(f func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.work = append(b.work, f)
	b.submitted++
	number := b.submitted
	if b.interrupt != nil {
		b.interrupt()
	}
	for b.completed < number && !b.closed {
		b.changed.Wait()
	}
}

// waiting reports whether a function is waiting to run. If not, cancel will be called when one is submitted.
func (b *inbox) waiting(cancel context.CancelFunc) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interrupt = cancel
	return len(b.work) > 0
}

// run runs all waiting functions and returns their first error. Only the owner calls it.
func (b *inbox) run() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first error
	for _, f := range b.work {
		if err := f(); err != nil && first == nil {
			first = err
		}
		b.completed++
	}
	b.work = nil
	b.changed.Broadcast()
	return first
}

// close ends the inbox: every present and future call of do returns at once.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
