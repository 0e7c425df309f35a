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

// LatestOptions configure the logs that a filler opens.
type LatestOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the processor's group; the fillers form one of their own beside it.
	Group string
	// Lag is told how many records of a partition are still to be polled, Released that it is read here no more. They are
	// called concurrently and must not block; nil for nobody.
	Lag      func(partition int32, records int64)
	Released func(partition int32)
}

const (
	maxLatestBytes = 4 << 20
	maxLatestPoll  = 20_000
)

// LatestLog returns what opens the log of device states for a filler: read committed, shared by the members of the group. It
// commits nothing: where to go on is the cache's to say.
func LatestLog(options LatestOptions) statecache.Opener {
	if options.Lag == nil {
		options.Lag = func(int32, int64) {}
	}
	if options.Released == nil {
		options.Released = func(int32) {}
	}
	return func(resume statecache.Resume, released func(statecache.Partition)) (statecache.Log, error) {
		l := &latestLog{topic: options.Topics.States, lag: options.Lag, resume: resume}
		err := l.open(memberOptions[statecache.Partition]{
			dial:    options.Dial,
			group:   options.Group + "-cache",
			topics:  []string{l.topic},
			resume:  l.starts,
			failure: "device states cannot be cached yet",
			released: func(partition statecache.Partition) {
				released(partition)
				options.Released(partition.ID)
			},
			fetch: []kgo.Opt{kgo.FetchMaxBytes(maxLatestBytes), kgo.FetchMaxPartitionBytes(maxLatestBytes / 4)},
		})
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// latestLog implements statecache.Log.
type latestLog struct {
	member[statecache.Partition]
	topic   string
	lag     func(int32, int64)
	resume  statecache.Resume
	records []statecache.Record
}

// starts asks the filler where to read partitions from.
func (l *latestLog) starts(ctx context.Context, topics map[string][]int32) ([]start[statecache.Partition], error) {
	given := topics[l.topic]
	if len(given) == 0 {
		return nil, nil
	}
	admin := kadm.NewClient(l.admin)
	all, err := statePartitions(ctx, admin, l.topic)
	if err != nil {
		return nil, err
	}
	asked := slices.DeleteFunc(all, func(p statecache.Partition) bool { return !slices.Contains(given, p.ID) })
	from, err := l.resume(ctx, asked, func(ctx context.Context) (map[statecache.Partition]statecache.Extent, error) {
		return stateExtents(ctx, admin, l.topic, asked)
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

// statePartitions returns the partitions of the device states.
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

// stateExtents returns what the log holds now of the partitions of the device states.
func stateExtents(ctx context.Context, admin *kadm.Client, topic string, partitions []statecache.Partition) (map[statecache.Partition]statecache.Extent, error) {
	log, err := listExtents(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	extents := make(map[statecache.Partition]statecache.Extent, len(partitions))
	for _, partition := range partitions {
		first, end := log.of(topic, partition.ID)
		extents[partition] = statecache.Extent{Start: first, End: end}
	}
	return extents, nil
}

// Poll implements statecache.Log.
func (l *latestLog) Poll(ctx context.Context) ([]statecache.Record, error) {
	l.records = l.records[:0]
	if err := l.poll(ctx, maxLatestPoll, l.collect); err != nil {
		return nil, err
	}
	return l.records, nil
}

func (l *latestLog) collect(p kgo.FetchTopicPartition, partition statecache.Partition) {
	for _, r := range p.Records {
		deleted, _ := kafka.TombstonePosition(r)
		l.records = append(l.records, statecache.Record{
			Partition: partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Deleted: deleted,
		})
	}
	// Behind the last record is the marker of its transaction.
	l.lag(p.Partition, max(p.HighWatermark-p.Records[len(p.Records)-1].Offset-2, 0))
}
