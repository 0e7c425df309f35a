package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"iotmon/internal/api"
)

const (
	// answerTimeout is how long Redis may take: a query of the database takes little more.
	answerTimeout = 100 * time.Millisecond
	// pauseAfterFailure is how long Redis is not used after a failure, so that requests do not wait for it again and again.
	pauseAfterFailure = time.Second
)

// Answers caches answers from the archive under iotmon:answer:<key>. While Redis is down every Get is a miss.
type Answers struct {
	*Client
	outcome func(outcome string)
	// pausedUntil is when Redis is used again, in Unix nanoseconds.
	pausedUntil atomic.Int64
}

var _ api.Answers = (*Answers)(nil)

// NewAnswers returns a cache in Redis. It calls outcome with "hit", "miss" or "error" for each Get; outcome must not block.
func NewAnswers(c *Client, outcome func(outcome string)) *Answers {
	return &Answers{Client: c, outcome: outcome}
}

// Get implements api.Answers.
func (a *Answers) Get(ctx context.Context, key string) ([]byte, bool) {
	if a.paused() {
		a.outcome("error")
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answer, err := a.redis.Get(ctx, answerKey(key)).Bytes()
	switch {
	case errors.Is(err, goredis.Nil):
		a.outcome("miss")
	case err != nil:
		a.outcome("error")
		a.pause()
	default:
		a.outcome("hit")
	}
	return answer, err == nil
}

// Keep implements api.Answers.
func (a *Answers) Keep(ctx context.Context, key string, answer []byte, expiry time.Duration) {
	if a.paused() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if a.redis.Set(ctx, answerKey(key), answer, expiry).Err() != nil {
		a.pause()
	}
}

func answerKey(key string) string { return prefix + "answer:" + key }

func (a *Answers) paused() bool { return time.Now().UnixNano() < a.pausedUntil.Load() }

func (a *Answers) pause() { a.pausedUntil.Store(time.Now().Add(pauseAfterFailure).UnixNano()) }
