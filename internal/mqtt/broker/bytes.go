package broker

import "sync/atomic"

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
