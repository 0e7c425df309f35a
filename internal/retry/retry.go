// Package retry is how long to wait before something is tried again, and the waiting.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Backoff is the pause between tries of one thing: it doubles from try to try, up to a longest one. Each pause is cut at random
// by up to a half, so that those who failed together do not come back together. It is not safe for concurrent use.
type Backoff struct{ exponential backoff.ExponentialBackOff }

// NewBackoff returns a Backoff whose pauses are at most first, twice that, and so on up to longest.
func NewBackoff(first, longest time.Duration) *Backoff {
	// The library's pauses lie around a middle: three quarters and a third of it to both sides reach from a half to the whole.
	return &Backoff{backoff.ExponentialBackOff{
		InitialInterval: first * 3 / 4, MaxInterval: longest * 3 / 4, Multiplier: 2, RandomizationFactor: 1.0 / 3,
	}}
}

// Next returns the next pause, in whole milliseconds from 10 ms on.
func (b *Backoff) Next() time.Duration {
	pause := b.exponential.NextBackOff()
	if pause < 10*time.Millisecond {
		return pause
	}
	return pause.Truncate(time.Millisecond)
}

// Reset has the next pause be the first again.
func (b *Backoff) Reset() { b.exponential.Reset() }

// Wait waits for the next pause. It returns nil after that, or earlier the context's error.
func (b *Backoff) Wait(ctx context.Context) error { return Wait(ctx, b.Next()) }

// Repeat calls try until ctx ends, and returns nil then. After each error it calls failed with the error and the pause that follows,
// and pauses. After a try that reports progress the pause is the first again.
func (b *Backoff) Repeat(ctx context.Context, try func(ctx context.Context) (progress bool, err error), failed func(err error, pause time.Duration)) error {
	for ctx.Err() == nil {
		progress, err := try(ctx)
		if ctx.Err() != nil {
			break
		}
		if progress {
			b.Reset()
		}
		pause := b.Next()
		failed(err, pause)
		_ = Wait(ctx, pause) // The loop checks ctx.
	}
	return nil
}

// Wait returns nil after d, or earlier the context's error.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
