package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/iot"
)

// correctionsPerStep is the maximum number of corrections published at a time.
const correctionsPerStep = 500

// publishTimeout is how long Kafka may take to acknowledge them. A retry follows soon.
const publishTimeout = 10 * time.Second

// recompute recomputes the marked windows that a write left, and publishes the corrections. After a failure it does so
// later.
func (a *Archiver) recompute(ctx context.Context) {
	a.regularly(ctx, recomputeInterval, a.marked, "cannot recompute windows or publish corrections; retrying", func(ctx context.Context) error {
		return errors.Join(a.Store.Recompute(ctx), a.publish(ctx))
	})
}

// publish publishes the recomputed windows. It removes them from the store afterwards, so a crash in between publishes them
// twice.
func (a *Archiver) publish(ctx context.Context) error {
	for a.Publish != nil && ctx.Err() == nil {
		corrections, err := a.Store.Corrections(ctx, correctionsPerStep)
		if err != nil || len(corrections) == 0 {
			return err
		}
		summaries := make([]iot.WindowSummary, len(corrections))
		for i := range corrections {
			summaries[i] = corrections[i].Summary
		}
		if err := a.publishSummaries(ctx, summaries); err != nil {
			return fmt.Errorf("publish corrected windows: %w", err)
		}
		if err := a.Store.Published(ctx, corrections); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (a *Archiver) publishSummaries(ctx context.Context, summaries []iot.WindowSummary) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return a.Publish(ctx, summaries)
}

// prune removes old rows. After a failure they stay a little longer.
func (a *Archiver) prune(ctx context.Context) {
	a.regularly(ctx, max(pruneInterval, pruneSeldom*a.Patience), nil, "cannot remove old rows from the archive; retrying", func(ctx context.Context) error {
		keep, err := a.retention(ctx)
		if err != nil {
			return err
		}
		removed, err := a.Store.Prune(ctx, keep)
		a.Metrics.Pruned(removed)
		return err
	})
}

// regularly calls work at each interval, and when woken receives a value, until ctx ends. It logs the first of consecutive
// failures.
func (a *Archiver) regularly(ctx context.Context, interval time.Duration, woken <-chan struct{}, trouble string, work func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-ticker.C:
		}
		if ctx.Err() != nil {
			return // select chooses at random if ctx has ended as well.
		}
		err := work(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			a.Logger.Warn(trouble, "error", err)
		}
		failed = err != nil
	}
}
