package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// readStates reads the committed device states of partitions. It returns the last state of each device for which fits is true.
//
// It reads to the end of the log at the time of the call, and waits for transactions that are open then. It cannot wait for the end
// offset, because the last offset may belong to a marker or to a record that compaction has removed. So it appends a record of its
// own, without a transaction, and reads until it finds that record.
func (s *session) readStates(ctx context.Context, ids []int32, fits func(int32, iot.Position) bool) (map[int32]map[iot.DeviceID]iot.DeviceState, error) {
	starts, err := kadm.NewClient(s.writer.client).ListStartOffsets(ctx, s.Topics.States)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list start offsets of the device states: %w", err)
	}
	marks, err := s.markStates(ctx, ids)
	if err != nil {
		return nil, err
	}
	reader := stateReader{session: s, starts: starts.Offsets(), marks: marks, fits: fits}
	last, err := reader.read(ctx)
	if err != nil {
		return nil, err
	}
	states, foreign := decodeStates(last)
	if len(foreign) > 0 {
		s.Logger.Error("device-state holds records that no processor has written; the states before them are restored",
			"count", len(foreign), "first", foreign[0].String())
		// In a second pass every record of these keys is decoded before it is kept.
		reader.strict = make(map[stateKey]bool, len(foreign))
		for _, key := range foreign {
			reader.strict[key] = true
		}
		if last, err = reader.read(ctx); err != nil {
			return nil, err
		}
		states, _ = decodeStates(last)
	}
	if s.Handover != nil {
		for id, values := range last {
			s.Handover.offer(id, values, marks[id])
		}
	}
	return states, nil
}

// stateKey is a key in a partition of the device states.
type stateKey struct {
	partition int32
	key       string
}

func (k stateKey) String() string { return fmt.Sprintf("key %q in partition %d", k.key, k.partition) }

// decodeStates decodes the kept values. It also returns the keys whose value no processor has written.
func decodeStates(last map[int32]keptStates) (states map[int32]map[iot.DeviceID]iot.DeviceState, foreign []stateKey) {
	decoder := wire.NewStreamDecoder()
	states = make(map[int32]map[iot.DeviceID]iot.DeviceState, len(last))
	for id, values := range last {
		states[id] = make(map[iot.DeviceID]iot.DeviceState, len(values))
		for key, kept := range values {
			if kept.deleted {
				continue
			}
			state, err := decodeState(decoder, key, kept.value)
			if err != nil {
				foreign = append(foreign, stateKey{id, key})
				continue
			}
			states[id][state.Latest.ID] = state
		}
	}
	return states, foreign
}

// decodeState decodes a state. It is an error if the state is of another device than the record's key.
func decodeState(decoder *wire.Decoder, key string, value []byte) (iot.DeviceState, error) {
	state, err := decoder.DeviceState(value)
	if err == nil && string(state.Latest.ID) != key {
		err = fmt.Errorf("device state of %q has the key %q", state.Latest.ID, key)
	}
	return state, err
}

// stateReader reads device states from starts up to marks, the offset of the mark of each partition. The starts must have been listed
// before the marks were appended.
type stateReader struct {
	*session
	starts kadm.Offsets
	marks  map[int32]int64
	// fits reports whether to keep a state.
	fits func(partition int32, position iot.Position) bool
	// strict has the keys with records that are not states. Every record of these keys is decoded before it is kept.
	strict map[stateKey]bool
}

// read returns the last fitting value of each key, not decoded. It fails if records at the beginning of the log are deleted
// meanwhile: the embedded broker has then moved their current states behind the mark, where read would miss them.
func (s *stateReader) read(ctx context.Context) (map[int32]keptStates, error) {
	marks := maps.Clone(s.marks)
	last := make(map[int32]keptStates, len(marks))
	offsets := make(map[int32]kgo.Offset, len(marks))
	for id := range marks {
		last[id] = make(keptStates)
		start, _ := s.starts.Lookup(s.Topics.States, id)
		offsets[id] = kgo.NewOffset().At(start.At)
	}
	reader, err := kgo.NewClient(s.Dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.Topics.States: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kafka.NoFetchSession(),
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for len(marks) > 0 {
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
			s.keep(last[p.Partition], p.Records, mark)
		})
		kafka.Recycle(fetches)
	}
	return last, nil
}

// keptStates are the values of the keys of a partition.
type keptStates map[string]*keptState

// keptState is the value with the highest position of a key.
type keptState struct {
	value    []byte
	position iot.Position
	// deleted means that the last record is a tombstone; value is then empty.
	deleted bool
}

// keep adds the records of a fetch that are before the mark.
func (s *stateReader) keep(kept keptStates, records []*kgo.Record, mark int64) {
	for _, r := range records {
		if r.Offset < mark {
			s.keepRecord(kept, r)
		}
	}
}

// keepRecord adds a record that fits, unless one with a higher position is known.
func (s *stateReader) keepRecord(kept keptStates, r *kgo.Record) {
	position, known := wire.StatePosition(r.Value)
	deleted := kafka.IsTombstone(r)
	if deleted {
		if position, known = kafka.TombstonePosition(r); !known {
			delete(kept, string(r.Key))
			return
		}
	}
	if !known || !s.fits(r.Partition, position) || s.foreign(r) {
		return
	}
	before := kept[string(r.Key)]
	if before == nil {
		before = new(keptState)
		kept[string(r.Key)] = before
	} else if position.Compare(before.position) < 0 {
		return
	}
	*before = keptState{value: append(before.value[:0], r.Value...), position: position, deleted: deleted}
}

// foreign reports whether a record was not written by a processor. To save time it checks only the keys of strict.
func (s *stateReader) foreign(r *kgo.Record) bool {
	if r.Value == nil || len(s.strict) == 0 || !s.strict[stateKey{r.Partition, string(r.Key)}] {
		return false
	}
	_, err := decodeState(new(wire.Decoder), string(r.Key), r.Value)
	return err != nil
}

// markKey is the key of the records that a restore reads up to. No device can have this id.
const markKey = "\x00restore"

// markStates appends a mark to the device states of each partition and returns their offsets.
func (s *session) markStates(ctx context.Context, ids []int32) (map[int32]int64, error) {
	client, err := kgo.NewClient(s.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
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
