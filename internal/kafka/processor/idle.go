package processor

import (
	"context"
	"maps"
	"time"
)

// idleCommit is how long what was read may be uncommitted because nothing followed from it: ticks, markers, what was aborted.
// Retention removes it in the end, and it must not look lost then.
const idleCommit = time.Minute

// idle is what has been committed without a transaction, or is known to be with one.
type idle struct {
	committed map[int32]commit
	at        time.Time
}

// commitIdle commits, now and then, how far has been read when there is nothing that it must commit with. A failure only means
// that it is done later: a successor would read the same once more, to no effect.
func (s *session) commitIdle(wrote bool, commits map[int32]commit, member string, generation int32) {
	now := time.Now()
	if !wrote {
		if now.Sub(s.idle.at) < s.idleAfter || maps.Equal(s.idle.committed, commits) {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		if s.writer.commitPlain(ctx, commits, member, generation) != nil {
			s.idle.at = now
			return
		}
	}
	s.idle = idle{commits, now}
}
