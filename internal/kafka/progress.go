package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/process"
)

// Progress asks a cluster how far the programs have come. Its methods may be called concurrently, and return an error if Kafka does
// not answer before their context ends.
type Progress struct {
	topics Topics
	group  string
	client *kgo.Client
	admin  *kadm.Client
	// serverSideGroups is Dial.ServerSideGroups.
	serverSideGroups bool
}

// NewProgress returns the Progress of the processors of a group. It does not connect before it is used.
func NewProgress(dial Dial, topics Topics, group string) (*Progress, error) {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Progress{topics: topics, group: group, client: client, admin: kadm.NewClient(client), serverSideGroups: dial.ServerSideGroups}, nil
}

// Close ends the connections.
func (p *Progress) Close() { p.client.Close() }

// PartitionProgress is how far the processors have come in one partition of the readings' topic.
type PartitionProgress struct {
	Partition int32
	// Start is the offset of the oldest record of the log, End the one behind its newest.
	Start, End int64
	// Position is the offset behind the last record whose results are committed; -1 if there are none.
	Position int64
}

// Partitions returns the progress in each partition of the readings' topic, in their order.
func (p *Progress) Partitions(ctx context.Context) ([]PartitionProgress, error) {
	// The offsets are asked for in this order, so that no position is beyond the end.
	positions, err := p.positions(ctx)
	if err != nil {
		return nil, err
	}
	extents, err := ListExtents(ctx, p.admin, p.topics.Readings)
	if err != nil {
		return nil, err
	}
	var partitions []PartitionProgress
	for id, extent := range extents {
		position, committed := positions[id]
		if !committed {
			position = -1
		}
		partitions = append(partitions, PartitionProgress{Partition: id, Start: extent.Start, End: extent.End, Position: position})
	}
	slices.SortFunc(partitions, func(a, b PartitionProgress) int { return int(a.Partition - b.Partition) })
	return partitions, nil
}

// positions returns the positions of the committed checkpoints.
func (p *Progress) positions(ctx context.Context) (map[int32]int64, error) {
	offsets, err := p.admin.FetchOffsetsForTopics(ctx, p.group, p.topics.Readings)
	if err == nil {
		err = offsets.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // The group has never committed.
	}
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	positions := make(map[int32]int64)
	for id, offset := range offsets[p.topics.Readings] {
		if offset.At < 0 {
			continue
		}
		positions[id] = offset.At
		if checkpoint, err := process.ParseCheckpoint(offset.At, offset.Metadata); err == nil {
			positions[id] = checkpoint.Position
		}
	}
	return positions, nil
}

// DeadLetters returns how many records the topic of the dead letters holds at most, markers of transactions included, and the sum
// of the ends of its partitions. Both are of what can be read committed, as feed.DeadLetters reads it.
func (p *Progress) DeadLetters(ctx context.Context) (held, end int64, err error) {
	extents, err := ListCommittedExtents(ctx, p.admin, p.topics.DeadLetters)
	if err != nil {
		return 0, 0, err
	}
	for _, extent := range extents {
		held += extent.End - extent.Start
		end += extent.End
	}
	return held, end, nil
}
