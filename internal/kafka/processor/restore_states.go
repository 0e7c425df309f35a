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
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// readStates reads the committed device states of partitions. It returns the last state of each device for which fits is true.
func (s *session) readStates(ctx context.Context, ids []int32, fits func(int32, iot.Position) bool) (map[int32]map[string]iot.DeviceState, error) {
	decoder := wire.NewStreamDecoder()
	latest, err := readLatest(ctx, s, s.Topics.States, ids, fits, s.Handover != nil, func(key string, value []byte) (iot.DeviceState, error) {
		return decodeState(decoder, key, value)
	})
	if err != nil {
		return nil, err
	}
	if s.Handover != nil {
		for id, values := range latest.kept {
			s.Handover.offer(id, values, latest.marks[id])
		}
	}
	return latest.decoded, nil
}

// decodeState decodes a state. It is an error if the state is of another device than the record's key.
func decodeState(decoder *wire.Decoder, key string, value []byte) (iot.DeviceState, error) {
	state, err := decoder.DeviceState(value)
	if err == nil && state.Latest.Identity().String() != key {
		err = fmt.Errorf("device state of %q has the key %q", state.Latest.Identity(), key)
	}
	return state, err
}

// readInForce reads what is in force in partitions. It returns the last value of each key for which fits is true.
func (s *session) readInForce(ctx context.Context, ids []int32, fits func(int32, iot.Position) bool) (map[int32]map[string]process.InForce, error) {
	var sharing iot.EntrySharing
	latest, err := readLatest(ctx, s, s.Topics.InForce, ids, fits, false, func(key string, value []byte) (process.InForce, error) {
		f, err := process.DecodeInForce([]byte(key), value)
		f.Share(&sharing)
		return f, err
	})
	return latest.decoded, err
}

// latest are the last values of the keys of a compacted topic, by partition.
type latest[T any] struct {
	// kept has the values as they were written, only if these were to be kept.
	kept    map[int32]keptStates
	decoded map[int32]map[string]T
	// marks are the offsets up to which the partitions were read.
	marks map[int32]int64
}

// readLatest reads the committed records of some partitions of a compacted topic whose values end with a position. It returns the last
// value of each key for which fits is true. The error of decode means that no processor has written the value under this key.
//
// It reads to the end of the log at the time of the call, and waits for transactions that are open then. It cannot wait for the end
// offset, because the last offset may belong to a marker or to a record that compaction has removed. So it appends a record of its
// own, without a transaction, and reads until it finds that record.
func readLatest[T any](ctx context.Context, s *session, topic string, ids []int32, fits func(int32, iot.Position) bool, keepText bool,
	decode func(key string, value []byte) (T, error)) (latest[T], error) {
	starts, err := kadm.NewClient(s.writer.client).ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return latest[T]{}, fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	marks, err := s.markEnds(ctx, topic, ids)
	if err != nil {
		return latest[T]{}, err
	}
	reader := stateReader{session: s, topic: topic, starts: starts.Offsets(), marks: marks, fits: fits}
	kept, err := reader.read(ctx)
	if err != nil {
		return latest[T]{}, err
	}
	decoded, foreign := decodeLatest(kept, keepText, decode)
	if len(foreign) > 0 {
		s.Logger.Error("a compacted topic holds records that no processor has written; the ones before them are restored",
			"topic", topic, "count", len(foreign), "first", foreign[0].String())
		// In a second pass every record of these keys is decoded before it is kept.
		reader.strict = make(map[stateKey]bool, len(foreign))
		for _, key := range foreign {
			reader.strict[key] = true
		}
		reader.check = func(key string, value []byte) error {
			_, err := decode(key, value)
			return err
		}
		if kept, err = reader.read(ctx); err != nil {
			return latest[T]{}, err
		}
		decoded, _ = decodeLatest(kept, keepText, decode)
	}
	return latest[T]{kept, decoded, marks}, nil
}

// stateKey is a key in a partition of a compacted topic.
type stateKey struct {
	partition int32
	key       string
}

func (k stateKey) String() string { return fmt.Sprintf("key %q in partition %d", k.key, k.partition) }

// decodeLatest decodes the kept values, and removes each then unless keepText. It also returns the keys whose value no processor has written.
func decodeLatest[T any](kept map[int32]keptStates, keepText bool, decode func(key string, value []byte) (T, error)) (decoded map[int32]map[string]T, foreign []stateKey) {
	decoded = make(map[int32]map[string]T, len(kept))
	for id, values := range kept {
		decoded[id] = make(map[string]T, len(values))
		for key, state := range values {
			if state.deleted {
				continue
			}
			value, err := decode(key, state.value)
			if err != nil {
				foreign = append(foreign, stateKey{id, key})
				continue
			}
			decoded[id][key] = value
			if !keepText {
				delete(values, key) // Of 100,000 devices it is as much as what is decoded.
			}
		}
	}
	return decoded, foreign
}

// maxRestoreBytes bounds the bytes of a fetch of a restore, which are compressed: states and entries take ten times as much in memory.
const maxRestoreBytes = 1 << 20

// stateReader reads a compacted topic from starts up to marks, the offset of the mark of each partition. The starts must have been
// listed before the marks were appended.
type stateReader struct {
	*session
	topic  string
	starts kadm.Offsets
	marks  map[int32]int64
	// fits reports whether to keep a value.
	fits func(partition int32, position iot.Position) bool
	// strict has the keys with records that no processor has written. Every record of these keys is checked before it is kept.
	strict map[stateKey]bool
	check  func(key string, value []byte) error
	// newer is why the partitions must not be restored by this version; nil if they may.
	newer *unsupportedError
}

// read returns the last fitting value of each key, not decoded. It fails if records at the beginning of the log are deleted
// meanwhile: the embedded broker has then moved their current values behind the mark, where read would miss them.
func (s *stateReader) read(ctx context.Context) (map[int32]keptStates, error) {
	marks := maps.Clone(s.marks)
	last := make(map[int32]keptStates, len(marks))
	offsets := make(map[int32]kgo.Offset, len(marks))
	for id := range marks {
		last[id] = make(keptStates)
		start, _ := s.starts.Lookup(s.topic, id)
		offsets[id] = kgo.NewOffset().At(start.At)
	}
	reader, err := kgo.NewClient(s.Dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(maxRestoreBytes),
		kgo.FetchMaxPartitionBytes(maxRestoreBytes/4),
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
			return nil, fmt.Errorf("read %s: %w", s.topic, err)
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
	if s.newer != nil {
		return nil, s.newer
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
	if level := kafka.LevelOf(r); level > process.MaxLevel {
		s.newer = &unsupportedError{r.Partition, &process.NewerError{Level: level}}
	}
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
	return s.check(string(r.Key), r.Value) != nil
}

// markKey is the key of the records that a restore reads up to. No device can have this id, and nothing that is in force this key.
const markKey = "\x00restore"

// markEnds appends a mark to each partition of a topic and returns their offsets.
func (s *session) markEnds(ctx context.Context, topic string, ids []int32) (map[int32]int64, error) {
	client, err := kgo.NewClient(s.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	marks := make([]*kgo.Record, len(ids))
	for i, id := range ids {
		marks[i] = &kgo.Record{Topic: topic, Partition: id, Key: []byte(markKey)}
	}
	if err := client.ProduceSync(ctx, marks...).FirstErr(); err != nil {
		return nil, fmt.Errorf("mark the end of %s: %w", topic, err)
	}
	offsets := make(map[int32]int64, len(ids))
	for _, mark := range marks {
		offsets[mark.Partition] = mark.Offset
	}
	return offsets, nil
}
