// Package memory is a cache of answers from the archive in this process, for a program without Redis.
package memory

import (
	"context"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"iotmon/internal/api"
)

// Answers is an LRU cache of limited size.
type Answers struct {
	cache   *ttlcache.Cache[string, []byte]
	most    int
	outcome func(outcome string)
}

var _ api.Answers = (*Answers)(nil)

// NewAnswers returns a cache of at most so many bytes, keys included. It calls outcome with "hit" or "miss" for each Get;
// outcome must not block.
func NewAnswers(bytes int, outcome func(outcome string)) *Answers {
	cost := func(item ttlcache.CostItem[string, []byte]) uint64 { return uint64(len(item.Key) + len(item.Value)) }
	return &Answers{
		cache: ttlcache.New(
			ttlcache.WithMaxCost(uint64(bytes), cost),
			ttlcache.WithDisableTouchOnHit[string, []byte](),
		),
		most:    bytes,
		outcome: outcome,
	}
}

// Get implements api.Answers.
func (a *Answers) Get(_ context.Context, key string) ([]byte, bool) {
	item := a.cache.Get(key)
	if item == nil {
		a.outcome("miss")
		return nil, false
	}
	a.outcome("hit")
	return item.Value(), true
}

// Keep implements api.Answers.
func (a *Answers) Keep(_ context.Context, key string, answer []byte, expiry time.Duration) {
	if len(key)+len(answer) > a.most {
		return // Larger than the cache: it would evict all others.
	}
	a.cache.Set(key, answer, expiry)
}
