package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/latest"
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
func LatestLog(options LatestOptions) latest.Opener {
	if options.Lag == nil {
		options.Lag = func(int32, int64) {}
	}
	if options.Released == nil {
		options.Released = func(int32) {}
	}
	return func(resume latest.Resume, released func(latest.Partition)) (latest.Log, error) {
		l := &latestLog{LatestOptions: options, resume: resume, forget: released}
		if err := l.open(); err != nil {
			return nil, err
		}
		return l, nil
	}
}

// latestLog implements latest.Log.
type latestLog struct {
	LatestOptions
	consumer *kgo.Client
	// admin asks for offsets: the consumer calls back before its constructor has returned it.
	admin  *kgo.Client
	resume latest.Resume
	forget func(latest.Partition)
	// given are the partitions that are read, with the topic's id.
	given   given[latest.Partition]
	records []latest.Record
}

func (l *latestLog) open() (err error) {
	if l.admin, err = kgo.NewClient(l.Dial.Options()...); err != nil {
		return err
	}
	l.consumer, err = kgo.NewClient(l.Dial.Options(append(l.Dial.Group(l.Group+"-cache"),
		kgo.ConsumeTopics(l.Topics.States),
		kgo.AdjustFetchOffsetsFn(l.assigned),
		kgo.OnPartitionsRevoked(l.released),
		kgo.OnPartitionsLost(l.released),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(maxLatestBytes),
		kgo.FetchMaxPartitionBytes(maxLatestBytes/4),
		kgo.FetchMinBytes(minArchiveBytes),
		kgo.FetchMaxWait(maxArchiveWait),
	)...)...)
	if err != nil {
		l.admin.Close()
	}
	return err
}

// assigned asks where to read the partitions from that the group has given to this member. After an error the client joins
// the group again and comes back.
func (l *latestLog) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	given := offsets[l.Topics.States]
	if len(given) == 0 {
		return offsets, nil
	}
	from, err := l.where(ctx, given)
	if err != nil {
		if ctx.Err() == nil && l.Dial.Logger != nil {
			l.Dial.Logger.Warn("device states cannot be cached yet", "reason", err)
		}
		return nil, err
	}
	for partition, offset := range from {
		l.given.add(l.Topics.States, partition.ID, partition)
		given[partition.ID] = kgo.NewOffset().At(offset)
	}
	return offsets, nil
}

// where asks the filler where to read the partitions from.
func (l *latestLog) where(ctx context.Context, given map[int32]kgo.Offset) (map[latest.Partition]int64, error) {
	admin := kadm.NewClient(l.admin)
	all, err := statePartitions(ctx, admin, l.Topics.States)
	if err != nil {
		return nil, err
	}
	var asked []latest.Partition
	for _, partition := range all {
		if _, ours := given[partition.ID]; ours {
			asked = append(asked, partition)
		}
	}
	return l.resume(ctx, asked, func(ctx context.Context) (map[latest.Partition]latest.Extent, error) {
		return stateExtents(ctx, admin, l.Topics.States, asked)
	})
}

// statePartitions returns the partitions of the device states.
func statePartitions(ctx context.Context, admin *kadm.Client, topic string) ([]latest.Partition, error) {
	details, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, details.Error()); err != nil {
		return nil, fmt.Errorf("describe %s: %w", topic, err)
	}
	id := fmt.Sprintf("%x", details[topic].ID)
	var partitions []latest.Partition
	for _, number := range details[topic].Partitions.Numbers() {
		partitions = append(partitions, latest.Partition{Topic: id, ID: number})
	}
	return partitions, nil
}

// stateExtents returns what the log holds now of the partitions of the device states.
func stateExtents(ctx context.Context, admin *kadm.Client, topic string, partitions []latest.Partition) (map[latest.Partition]latest.Extent, error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	extents := make(map[latest.Partition]latest.Extent, len(partitions))
	for _, partition := range partitions {
		start, _ := starts.Lookup(topic, partition.ID)
		end, _ := ends.Lookup(topic, partition.ID)
		extents[partition] = latest.Extent{Start: start.Offset, End: end.Offset}
	}
	return extents, nil
}

// released may come before assigned has ended well, or without it.
func (l *latestLog) released(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	for topic, partitions := range gone {
		for _, id := range partitions {
			if partition, ours := l.given.take(topic, id); ours {
				l.forget(partition)
				l.Released(id)
			}
		}
	}
}

// Poll implements latest.Log.
func (l *latestLog) Poll(ctx context.Context) ([]latest.Record, error) {
	fetches := l.consumer.PollRecords(ctx, maxLatestPoll)
	if fetches.IsClientClosed() {
		return nil, kafka.ErrClosed
	}
	for _, failed := range fetches.Errors() {
		if !passing(ctx, failed.Err) {
			return nil, fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	l.records = l.records[:0]
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		l.given.with(p.Topic, p.Partition, func(partition latest.Partition) { l.collect(p, partition) })
	})
	return l.records, nil
}

func (l *latestLog) collect(p kgo.FetchTopicPartition, partition latest.Partition) {
	if len(p.Records) == 0 {
		return
	}
	for _, r := range p.Records {
		deleted, _ := kafka.TombstonePosition(r)
		l.records = append(l.records, latest.Record{
			Partition: partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Deleted: deleted,
		})
	}
	// Behind the last record is the marker of its transaction.
	l.Lag(p.Partition, max(p.HighWatermark-p.Records[len(p.Records)-1].Offset-2, 0))
}

// Close implements latest.Log.
func (l *latestLog) Close() {
	l.consumer.Close()
	l.admin.Close()
}
