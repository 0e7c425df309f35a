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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
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

// readStates reads the committed device states of the partitions, of each device the last that fits.
//
// It must reach the end of the log as it was when it began, transactions still open included. The end cannot be waited for
// by offset: the last one may belong to a transaction marker or to a record that was compacted away. So it appends a
// record of its own, without a transaction, and reads until it finds that.
func (s *session) readStates(ctx context.Context, ids []int32, fits func(iot.Position) bool) (map[int32]map[iot.DeviceID]iot.DeviceState, error) {
	starts, err := kadm.NewClient(s.writer.client).ListStartOffsets(ctx, s.Topics.States)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list start offsets of the device states: %w", err)
	}
	marks, err := s.markStates(ctx, ids)
	if err != nil {
		return nil, err
	}
	last, err := s.lastStates(ctx, starts.Offsets(), maps.Clone(marks), fits)
	if err != nil {
		return nil, err
	}
	if s.Handover != nil {
		for id, values := range last {
			s.Handover.give(id, values, marks[id])
		}
	}
	decoder := wire.NewStreamDecoder()
	states := make(map[int32]map[iot.DeviceID]iot.DeviceState, len(last))
	for id, values := range last {
		states[id] = make(map[iot.DeviceID]iot.DeviceState, len(values))
		for key, kept := range values {
			state, err := decoder.DeviceState(kept.value)
			if err != nil {
				return nil, fmt.Errorf("device state of %q in partition %d: %w", key, id, err)
			}
			states[id][state.Latest.ID] = state
		}
	}
	return states, nil
}

// lastStates reads from the starts, which must be older than the marks, up to those and returns, undecoded, the last value of
// each key that fits. A log that is deleted from its beginning meanwhile is an error: what lived there has moved behind the
// mark, and going on from the new beginning would miss it.
func (s *session) lastStates(ctx context.Context, starts kadm.Offsets, marks map[int32]int64, fits func(iot.Position) bool) (map[int32]keptStates, error) {
	last := make(map[int32]keptStates, len(marks))
	offsets := make(map[int32]kgo.Offset, len(marks))
	for id := range marks {
		last[id] = make(keptStates)
		start, _ := starts.Lookup(s.Topics.States, id)
		offsets[id] = kgo.NewOffset().At(start.At)
	}
	reader, err := kgo.NewClient(s.Dial.options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.Topics.States: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		newFetchMemory(),
	)...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for fetch := 1; len(marks) > 0; fetch++ {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read device states: %w", err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			mark, waiting := marks[p.Partition]
			if !waiting {
				return
			}
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset >= mark {
				delete(marks, p.Partition)
			}
			last[p.Partition].take(p.Records, mark, fetch, fits)
		})
		recycle(fetches)
	}
	return last, nil
}

// keptStates are the newest values of the keys of a partition, so far.
type keptStates map[string]*keptState

// keptState is a value and the number of the fetch that it came with.
type keptState struct {
	value []byte
	fetch int
}

// take keeps of the records of a fetch, up to the mark, the last of each key that fits. It goes from the end to the beginning:
// most records have newer ones of the same key behind them, and then there is nothing to look at.
func (k keptStates) take(records []*kgo.Record, mark int64, fetch int, fits func(iot.Position) bool) {
	for _, r := range slices.Backward(records) {
		kept := k[string(r.Key)]
		if r.Offset >= mark || r.Value == nil || kept != nil && kept.fetch == fetch {
			continue
		}
		if position, ok := wire.StatePosition(r.Value); !ok || !fits(position) {
			continue
		}
		if kept == nil {
			kept = new(keptState)
			k[string(r.Key)] = kept
		}
		kept.value, kept.fetch = append(kept.value[:0], r.Value...), fetch
	}
}

// markKey is the key of the records that a restore reads up to: no device can have it.
const markKey = "\x00restore"

// markStates appends a mark to the device states of each partition and returns their offsets.
func (s *session) markStates(ctx context.Context, ids []int32) (map[int32]int64, error) {
	client, err := kgo.NewClient(s.Dial.options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	marks := make([]*kgo.Record, len(ids))
	for i, id := range ids {
		marks[i] = &kgo.Record{Topic: s.Topics.States, Partition: id, Key: []byte(markKey)}
	}
	if err := client.ProduceSync(ctx, marks...).FirstErr(); err != nil {
		return nil, fmt.Errorf("mark the end of the device states: %w", err)
	}
	offsets := make(map[int32]int64, len(ids))
	for _, mark := range marks {
		offsets[mark.Partition] = mark.Offset
	}
	return offsets, nil
}
