package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/iot"
)

// correctionsPerStep bounds the corrections that are published at a time.
const correctionsPerStep = 500

// publishPatience is how long the log may take to acknowledge them. Late readings wait for nobody, and the next try is a second away.
const publishPatience = 10 * time.Second

// recompute recomputes what was too much for one write, and has what was recomputed told. A failure only means that it is done later.
func (a *Archiver) recompute(ctx context.Context) {
	a.regularly(ctx, recomputeInterval, a.marked, "windows not recomputed, or not told of; it is tried again", func(ctx context.Context) error {
		return errors.Join(a.Store.Recompute(ctx), a.publish(ctx))
	})
}

// publish tells the log which windows have been recomputed. They are published before they are forgotten: a crash in between
// publishes them twice.
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
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	return a.Publish(ctx, summaries)
}

// prune removes old rows. A failure only means that they stay a little longer.
func (a *Archiver) prune(ctx context.Context) {
	a.regularly(ctx, max(pruneInterval, pruneSeldom*a.Patience), nil, "old rows not removed from the archive; it is tried again", func(ctx context.Context) error {
		removed, err := a.Store.Prune(ctx, a.Retention)
		a.Metrics.Pruned(removed)
		return err
	})
}

// regularly works at each interval, and when it is woken, until ctx ends. Of failures in a row the first is told.
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
			return // Both had come.
		}
		err := work(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			a.Logger.Warn(trouble, "error", err)
		}
		failed = err != nil
	}
}
