package broker

import (
	"sync"
	"sync/atomic"
)

// budget is how many bytes all sessions together may use for one purpose.
type budget struct {
	most int64
	used atomic.Int64
}

// reserve takes bytes if there are so many left.
func (b *budget) reserve(bytes int64) bool {
	if b.used.Add(bytes) > b.most {
		b.used.Add(-bytes)
		return false
	}
	return true
}

// add takes bytes even if there are not so many left.
func (b *budget) add(bytes int64) { b.used.Add(bytes) }

func (b *budget) release(bytes int64) { b.used.Add(-bytes) }

// shares is how many bytes the sessions of all users may use together for one purpose, and those of one user: half of that. It may be used concurrently.
type shares struct {
	most int64

	mu sync.Mutex
	// What follows is guarded by mu.
	used   int64
	byUser map[string]int64
}

// reserve takes bytes if there are so many left for the user.
func (s *shares) reserve(user string, bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+bytes > s.most || s.byUser[user]+bytes > s.most/2 {
		return false
	}
	if s.byUser == nil {
		s.byUser = make(map[string]int64)
	}
	s.used += bytes
	s.byUser[user] += bytes
	return true
}

func (s *shares) release(user string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= bytes
	if s.byUser[user] -= bytes; s.byUser[user] <= 0 {
		delete(s.byUser, user)
	}
}
