package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

// restore brings partitions back to what was last committed of them: first the stable offsets, then the device states.
// In this order, because a transaction that ends in between must be seen whole or not at all: once the offsets are stable
// no earlier transaction of these partitions is open, and a zombie's later one cannot commit.
func (s *session) restore(ctx context.Context, ids []int32) (map[int32]*process.Partition, error) {
	admin := kadm.NewClient(s.writer.client)
	checkpoints, err := s.committed(ctx, ids)
	if err != nil {
		return nil, err
	}
	starts, err := admin.ListStartOffsets(ctx, s.Topics.Readings)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, s.Topics.Readings)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	states, err := s.readStates(ctx, ids, func(position iot.Position) bool {
		checkpoint, found := checkpoints[position.Partition]
		return !found || !ahead(position, checkpoint)
	})
	if err != nil {
		return nil, err
	}
	partitions := make(map[int32]*process.Partition, len(ids))
	for _, id := range ids {
		start, _ := starts.Lookup(s.Topics.Readings, id)
		end, _ := ends.Lookup(s.Topics.Readings, id)
		partitions[id] = s.rebuild(id, checkpoints, states[id], start.Offset, end.Offset)
	}
	return partitions, nil
}

// rebuild makes the partition from its checkpoint, if it has one, and its states.
func (s *session) rebuild(id int32, checkpoints map[int32]process.Checkpoint, states map[iot.DeviceID]iot.DeviceState, start, end int64) *process.Partition {
	checkpoint, found := checkpoints[id]
	lost := false
	if found {
		lost = checkpoint.Reconcile(start, end)
	} else {
		checkpoint.Offset, checkpoint.Position = start, start
		for _, state := range states {
			// The group has forgotten its offsets but not what came of them: what follows is a new epoch.
			checkpoint.Epoch = max(checkpoint.Epoch, state.Epoch+1)
		}
	}
	if lost {
		s.Logger.Error("readings are gone from the log before they were processed; their windows will be recomputed from the archive",
			"partition", id, "log_start", start, "log_end", end)
	}
	partition := process.New(s.Process, id, checkpoint, lost)
	for _, device := range slices.Sorted(maps.Keys(states)) {
		partition.Restore(states[device])
	}
	return partition
}

// committed fetches the checkpoints, waiting for open transactions that would change them.
func (s *session) committed(ctx context.Context, ids []int32) (map[int32]process.Checkpoint, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.RequireStable = true
	request.Group = s.Group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = s.Topics.Readings, ids
	request.Topics = append(request.Topics, topic)
	for {
		response, err := request.RequestWith(ctx, s.writer.client)
		if err != nil {
			return nil, fmt.Errorf("fetch committed offsets: %w", err)
		}
		checkpoints, err := parseCommitted(response)
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			return checkpoints, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func parseCommitted(response *kmsg.OffsetFetchResponse) (map[int32]process.Checkpoint, error) {
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	checkpoints := make(map[int32]process.Checkpoint)
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("fetch committed offset of partition %d: %w", p.Partition, err)
			}
			if p.Offset < 0 {
				continue
			}
			text := ""
			if p.Metadata != nil {
				text = *p.Metadata
			}
			checkpoint, err := process.ParseCheckpoint(p.Offset, text)
			if err != nil {
				return nil, fmt.Errorf("partition %d: %w", p.Partition, err)
			}
			checkpoints[p.Partition] = checkpoint
		}
	}
	return checkpoints, nil
}

// ahead reports whether a state speaks of records that the checkpoint has not reached. Only a commit that was torn leaves
// such a state: the embedded broker, killed in the middle of it, may have written the markers of some topics and not yet
// the offsets. What was written is written again, the same; the state before it is the one that fits.
func ahead(p iot.Position, c process.Checkpoint) bool {
	return p.Epoch > c.Epoch || p.Epoch == c.Epoch && p.Offset > c.Position
}
