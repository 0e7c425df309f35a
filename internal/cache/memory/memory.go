// Package memory keeps answers about the past in this process, for a program that has no Redis.
package memory

import (
	"context"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"iotmon/internal/api"
)

// Answers keeps answers up to a bound; of more, those that nobody has asked for the longest are forgotten.
type Answers struct {
	cache   *ttlcache.Cache[string, []byte]
	most    int
	outcome func(outcome string)
}

var _ api.Answers = (*Answers)(nil)

// NewAnswers returns a cache of that many bytes, keys included. Outcome is told of each question whether it was a hit or a
// miss; it must not block.
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
		return // It would drive out all others and not stay either.
	}
	a.cache.Set(key, answer, expiry)
}
