package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Taken returns, for each partition of the readings, the first offset that the group's processors would read again if they
// were restarted. A partition that they have not committed yet is missing.
func Taken(ctx context.Context, dial Dial, topics Topics, group string) (map[int32]int64, error) {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	committed, err := kadm.NewClient(client).FetchOffsetsForTopics(ctx, group, topics.Readings)
	if err == nil {
		err = committed.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // It has never committed.
	}
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	taken := make(map[int32]int64)
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topics.Readings && o.At >= 0 {
			taken[o.Partition] = o.At
		}
	})
	return taken, nil
}
