package archive

import (
	"context"
	"slices"
	"time"
)

// Freshen writes the waiting rows now instead of after Patience, and returns when they are written or ctx has ended. It
// does nothing if the last write was at most maxDelay ago: with a Patience of 0 the store would be no fresher. At the start it
// waits until what the log held then has been read.
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
	if a.interrupt != nil && a.caughtUp {
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

// popWaiters removes and returns the waiters; the caller closes them after the next write. Before the archiver has caught up
// there are none: a write would not give them what they wait for.
func (a *Archiver) popWaiters() []chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.caughtUp {
		return nil
	}
	waiters := a.waiters
	a.waiters = nil
	return waiters
}

// interruptible calls cancel if there are waiters, and makes requestFlush call it until end is called.
func (a *Archiver) interruptible(cancel context.CancelFunc) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.interrupt = cancel
	if len(a.waiters) > 0 && a.caughtUp {
		cancel()
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.interrupt = nil
	}
}

// interruptCollect ends the poll that is going on, if there is one.
func (a *Archiver) interruptCollect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.interrupt != nil {
		a.interrupt()
	}
}

// noteWritten records the time at which no row was left to write, among those read and, at the start, those to be read.
func (a *Archiver) noteWritten() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.caughtUp {
		a.written = time.Now()
	}
}

// noteCaughtUp records whether what the log held when the session began has been read, or is no longer waited for.
func (a *Archiver) noteCaughtUp(caughtUp bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.caughtUp = caughtUp
}

func (a *Archiver) hasCaughtUp() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.caughtUp
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
