package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/process"
	"iotmon/internal/retry"
)

// stablePatience is how long an open transaction may keep a committed offset from being known. A processor's lasts milliseconds.
const stablePatience = 5 * time.Second

// CommittedOffsets returns the offset that the processors' group has committed for each partition of the readings' topic. After a
// restart the processors read from there. A partition without a commit is missing from the map.
func CommittedOffsets(ctx context.Context, dial Dial, topics Topics, group string) (map[int32]int64, error) {
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
		return nil, nil // The group has never committed.
	}
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	offsets := make(map[int32]int64)
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topics.Readings && o.At >= 0 {
			offsets[o.Partition] = o.At
		}
	})
	return offsets, nil
}

// ProcessedOffsets returns, for each partition of the readings' topic, the first record whose results the processors' group has not
// committed. A partition without a checkpoint is missing from the map.
func ProcessedOffsets(ctx context.Context, admin *kadm.Client, topics Topics, group string) (map[int32]int64, error) {
	commits, err := stableOffsets(ctx, admin, group, topics.Readings)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // The group has never committed.
	}
	if err != nil {
		return nil, err
	}
	offsets := make(map[int32]int64, len(commits))
	for id, position := range reached(commits) {
		offsets[id] = position.Offset
	}
	return offsets, nil
}

// ProcessedLevel returns the lowest process.Checkpoint.Level that the processors' group has committed for the partitions of the readings'
// topic; 0 if it has committed nothing.
func ProcessedLevel(ctx context.Context, admin *kadm.Client, topics Topics, group string) (uint8, error) {
	offsets, err := stableOffsets(ctx, admin, group, topics.Readings)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return 0, nil // The group has never committed.
	}
	if err != nil {
		return 0, err
	}
	lowest := uint8(0)
	for id, offset := range offsets {
		if offset.At < 0 {
			continue
		}
		checkpoint, err := process.ParseCheckpoint(offset.At, offset.Metadata)
		var newer *process.NewerError
		switch {
		case errors.As(err, &newer):
			checkpoint.Level = newer.Level
		case err != nil:
			return 0, fmt.Errorf("partition %d: %w", id, err)
		}
		if lowest == 0 || checkpoint.Level < lowest {
			lowest = checkpoint.Level
		}
	}
	return lowest, nil
}

// stableOffsets returns the group's commit for each partition of a topic that has one. It waits, at most stablePatience, for open transactions that
// would change a commit. Processors commit many times a second, so that among many partitions there is always such a transaction: a commit
// counts once it was stable in one answer, no matter what the others were.
func stableOffsets(ctx context.Context, admin *kadm.Client, group, topic string) (map[int32]kadm.OffsetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, stablePatience)
	defer cancel()
	stable := make(map[int32]kadm.OffsetResponse)
	for {
		open, err := addStableOffsets(ctx, admin, group, topic, stable)
		if err != nil || open == nil {
			return stable, err
		}
		if retry.Wait(ctx, 20*time.Millisecond) != nil {
			return nil, open
		}
	}
}

// addStableOffsets adds the commits of a topic's partitions that no open transaction would change. The error open is that of a partition
// without one yet, because of such a transaction; nil if there is none.
func addStableOffsets(ctx context.Context, admin *kadm.Client, group, topic string, to map[int32]kadm.OffsetResponse) (open, err error) {
	offsets, err := admin.FetchOffsets(kadm.RequireStable(ctx), group)
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	for id, offset := range offsets[topic] {
		switch {
		case offset.Err == nil:
			to[id] = offset
		case !errors.Is(offset.Err, kerr.UnstableOffsetCommit):
			return nil, fmt.Errorf("fetch the committed offset of partition %d: %w", id, offset.Err)
		default:
			if _, found := to[id]; !found {
				open = fmt.Errorf("fetch the committed offset of partition %d: %w", id, offset.Err)
			}
		}
	}
	return open, nil
}
