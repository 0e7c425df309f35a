package archive

import (
	"context"
	"slices"
	"time"
)

// Freshen writes the waiting rows now instead of after Patience, and returns when they are written or ctx has ended. It
// does nothing if the last write was at most maxDelay ago: with a Patience of 0 the store would be no fresher.
func (a *Archiver) Freshen(ctx context.Context) {
	done := make(chan struct{})
	if !a.requestFlush(done) {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
		a.cancelRequest(done)
	}
}

// requestFlush registers done, which is closed after the next write; false if the last write is recent enough.
func (a *Archiver) requestFlush(done chan struct{}) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.written) < maxDelay {
		return false
	}
	a.waiters = append(a.waiters, done)
	if a.interrupt != nil {
		a.interrupt()
	}
	return true
}

// cancelRequest removes done from the waiters.
func (a *Archiver) cancelRequest(done chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiters = slices.DeleteFunc(a.waiters, func(other chan struct{}) bool { return other == done })
}

// popWaiters removes and returns the waiters; the caller closes them after the next write.
func (a *Archiver) popWaiters() []chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiters := a.waiters
	a.waiters = nil
	return waiters
}

// interruptible calls cancel if there are waiters, and makes requestFlush call it until end is called.
func (a *Archiver) interruptible(cancel context.CancelFunc) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.interrupt = cancel
	if len(a.waiters) > 0 {
		cancel()
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.interrupt = nil
	}
}

// noteWritten records the time at which no row was left to write.
func (a *Archiver) noteWritten() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written = time.Now()
}

// lastTimeout is how long the last write at the end of Run may take.
const lastTimeout = 2 * time.Second

// flushLast writes the waiting rows, so that the database is complete when the program has ended. If that fails, the next
// start archives them.
func (a *Archiver) flushLast(intake *intake) {
	ctx, cancel := context.WithTimeout(context.Background(), lastTimeout)
	defer cancel()
	batch, started := intake.batch(a.Now(), 0), a.Now()
	if batch == nil {
		return
	}
	if err := a.Store.Write(ctx, batch); err != nil {
		a.Logger.Warn("the last readings are archived at the next start", "reason", err)
		return
	}
	a.wrote(batch, started)
}
