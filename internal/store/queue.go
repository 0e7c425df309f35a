package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"iotmon/internal/control"
)

// MaxQueueWait is how long a change waits for those before it. A database that hangs would otherwise keep every later change waiting
// without an answer.
const MaxQueueWait = 5 * time.Second

// Queue has the changes of one process made one after another, in the order in which they were asked for. It may be used concurrently.
type Queue struct {
	turn chan struct{}
	// ended counts the changes that have ended.
	ended atomic.Int64
}

// NewQueue returns a queue.
func NewQueue() *Queue { return &Queue{turn: make(chan struct{}, 1)} }

// errHangs means that no change has ended for MaxQueueWait.
var errHangs = errors.New("the change before it does not end")

// Wait waits until it is the caller's turn, which then must call done. It returns an error after MaxQueueWait: control.ErrBusy if other
// changes have ended meanwhile. If ctx ends before, it returns its error.
func (q *Queue) Wait(ctx context.Context) (done func(), err error) {
	ended := q.ended.Load()
	timer := time.NewTimer(MaxQueueWait)
	defer timer.Stop()
	select {
	case q.turn <- struct{}{}:
		return func() { q.ended.Add(1); <-q.turn }, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		if err = errHangs; q.ended.Load() > ended {
			err = control.ErrBusy
		}
	}
	return nil, fmt.Errorf("wait for other changes: %w", err)
}
