package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/statecache"
)

// StateOptions configure the logs that a filler of the cache opens.
type StateOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the processor's group. The fillers' own group is named after it.
	Group string
	// Lag is called with the number of records of a partition that are still to be polled. Released is called when the partition is
	// no longer read by this process. Both are called concurrently and must not block; nil ignores the calls.
	Lag      func(partition int32, records int64)
	Released func(partition int32)
}

// Limits of one fetch and of one poll of device states.
const (
	maxStateBytes = 4 << 20
	maxStatePoll  = 20_000
)

// StateLog returns the function that opens the log of device states for a filler of the cache: read committed. All fillers of the
// group share the partitions. The log commits no offsets: the cache holds them, and resume returns them.
func StateLog(options StateOptions) statecache.Opener {
	if options.Lag == nil {
		options.Lag = func(int32, int64) {}
	}
	if options.Released == nil {
		options.Released = func(int32) {}
	}
	return func(resume statecache.Resume, released func(statecache.Partition)) (statecache.Log, error) {
		l := &stateLog{topic: options.Topics.States, lag: options.Lag, resume: resume}
		err := l.open(memberOptions[statecache.Partition]{
			dial:    options.Dial,
			group:   kafka.CacheGroup(options.Group),
			topics:  []string{l.topic},
			resume:  l.starts,
			failure: "device states cannot be cached yet",
			released: func(partition statecache.Partition) {
				released(partition)
				options.Released(partition.ID)
			},
			fetch: []kgo.Opt{kgo.FetchMaxBytes(maxStateBytes), kgo.FetchMaxPartitionBytes(maxStateBytes / 4)},
		})
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// stateLog implements statecache.Log.
type stateLog struct {
	member[statecache.Partition]
	topic   string
	lag     func(int32, int64)
	resume  statecache.Resume
	records []statecache.Record
}

// starts asks the filler from which offsets to read the newly assigned partitions.
func (l *stateLog) starts(ctx context.Context, topics map[string][]int32) ([]start[statecache.Partition], error) {
	ids := topics[l.topic]
	if len(ids) == 0 {
		return nil, nil
	}
	admin := kadm.NewClient(l.admin)
	all, err := statePartitions(ctx, admin, l.topic)
	if err != nil {
		return nil, err
	}
	assigned := slices.DeleteFunc(all, func(p statecache.Partition) bool { return !slices.Contains(ids, p.ID) })
	from, err := l.resume(ctx, assigned, func(ctx context.Context) (map[statecache.Partition]statecache.Extent, error) {
		return stateExtents(ctx, admin, l.topic, assigned)
	})
	if err != nil {
		return nil, err
	}
	var starts []start[statecache.Partition]
	for partition, offset := range from {
		starts = append(starts, start[statecache.Partition]{topic: l.topic, partition: partition.ID, offset: offset, of: partition})
	}
	return starts, nil
}

// statePartitions returns the partitions of the device states' topic, each with the topic's id.
func statePartitions(ctx context.Context, admin *kadm.Client, topic string) ([]statecache.Partition, error) {
	details, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, details.Error()); err != nil {
		return nil, fmt.Errorf("describe %s: %w", topic, err)
	}
	id := fmt.Sprintf("%x", details[topic].ID)
	var partitions []statecache.Partition
	for _, number := range details[topic].Partitions.Numbers() {
		partitions = append(partitions, statecache.Partition{Topic: id, ID: number})
	}
	return partitions, nil
}

// stateExtents returns which offsets the log holds now of the given partitions of the device states' topic.
func stateExtents(ctx context.Context, admin *kadm.Client, topic string, partitions []statecache.Partition) (map[statecache.Partition]statecache.Extent, error) {
	held, err := kafka.ListExtents(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	extents := make(map[statecache.Partition]statecache.Extent, len(partitions))
	for _, partition := range partitions {
		extents[partition] = statecache.Extent(held[partition.ID])
	}
	return extents, nil
}

// Poll implements statecache.Log.
func (l *stateLog) Poll(ctx context.Context) ([]statecache.Record, error) {
	clear(l.records) // What it points to is freed even if the next poll brings less.
	l.records = l.records[:0]
	if err := l.poll(ctx, maxStatePoll, l.collect); err != nil {
		return nil, err
	}
	return l.records, nil
}

// collect converts what was fetched of a partition, and reports the lag behind it.
func (l *stateLog) collect(p kgo.FetchTopicPartition, partition statecache.Partition) {
	for _, r := range p.Records {
		deleted, _ := kafka.TombstonePosition(r)
		l.records = append(l.records, statecache.Record{
			Partition: partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Deleted: deleted,
		})
	}
	// The marker of the transaction follows the last record and is no record to be polled.
	l.lag(p.Partition, max(p.HighWatermark-p.Records[len(p.Records)-1].Offset-2, 0))
}
