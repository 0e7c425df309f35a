package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Extent is the range of offsets that the log holds of a partition: from Start up to but not including End.
type Extent struct{ Start, End int64 }

// ListExtents asks the log what it holds of each partition of a topic.
func ListExtents(ctx context.Context, admin *kadm.Client, topic string) (map[int32]Extent, error) {
	return listExtents(ctx, admin.ListStartOffsets, admin.ListEndOffsets, topic)
}

// ListCommittedExtents is ListExtents for reading committed: an extent ends where a transaction that is still open begins.
func ListCommittedExtents(ctx context.Context, admin *kadm.Client, topic string) (map[int32]Extent, error) {
	return listExtents(ctx, admin.ListStartOffsets, admin.ListCommittedOffsets, topic)
}

type listOffsets func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error)

func listExtents(ctx context.Context, listStarts, listEnds listOffsets, topic string) (map[int32]Extent, error) {
	starts, err := listStarts(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	ends, err := listEnds(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	extents := make(map[int32]Extent)
	for id, end := range ends[topic] {
		start, _ := starts.Lookup(topic, id)
		extents[id] = Extent{start.Offset, end.Offset}
	}
	return extents, nil
}
