package processor

import (
	"context"
	"maps"
	"time"
)

// idleCommit is the longest time between two commits of a partition whose records lead to no outputs: ticks, markers and aborted
// readings. Without such a commit, retention would delete records behind the committed offset, and they would look lost.
const idleCommit = time.Minute

// idle has the last commits of all partitions, with or without a transaction, and their time.
type idle struct {
	committed map[int32]commit
	at        time.Time
}

// commitIdle commits offsets without a transaction if there have been no outputs for a while. wrote means that a transaction has just
// committed them. A failure only delays the commit: until then, a successor would read the same records again, to no effect.
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
