package archive

import (
	"context"
	"slices"
	"time"
)

// Freshen has what has been read from the log written now rather than after Patience, and returns when it is or ctx has ended.
// It does nothing if that was done half a second ago or less: the store is as fresh then as it is without any patience.
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

// requestFlush has done closed when a batch has been written; false if there is no need to.
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

// cancelRequest takes back what was asked for.
func (a *Archiver) cancelRequest(done chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiters = slices.DeleteFunc(a.waiters, func(other chan struct{}) bool { return other == done })
}

// popWaiters returns what is to be closed when the next batch has been written.
func (a *Archiver) popWaiters() []chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiters := a.waiters
	a.waiters = nil
	return waiters
}

// interruptible has cancel called when somebody asks, or has asked already, until the function that it returns is called.
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

// noteWritten notes that there is nothing left to write.
func (a *Archiver) noteWritten() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written = time.Now()
}

// lastTimeout is how long an archiver that is to end may take to write what waits.
const lastTimeout = 2 * time.Second

// flushLast writes what waits, so that the database is complete when the program has ended. If it cannot, the log still has it.
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
