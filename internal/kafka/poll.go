package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Poll waits for records and returns at most that many, 0 for all that have been fetched. If none come within patience it returns none;
// a patience of 0 is without end. The error is that of ctx, or of a partition that the client cannot fetch from.
func Poll(ctx context.Context, client *kgo.Client, most int, patience time.Duration) (kgo.Fetches, error) {
	wait := ctx
	if patience > 0 {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	fetches := client.PollRecords(wait, most)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	return fetches, nil
}
