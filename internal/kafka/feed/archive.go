// Package feed has those who read what is in the log and decide nothing: the archiver's feed, the live tail, and the feed of the
// latest states for a cache.
package feed

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/archive"
	"iotmon/internal/kafka"
)

// ArchiveOptions configure the logs that an archiver opens.
type ArchiveOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the processor's group; the archivers form one of their own beside it.
	Group string
	// Lag is told how many records of a source are still to be polled, Released that the source is read here no more. They
	// are called concurrently and must not block; nil for nobody.
	Lag      func(source archive.Source, records int64)
	Released func(source archive.Source)
}

// Bounds of what an archiver buffers. The log has it compressed, in memory it is several times as much, and the archiver
// is the one that lags when the database is slow.
const (
	maxArchiveBytes          = 2 << 20
	maxArchivePartitionBytes = 512 << 10
	maxArchivePoll           = 10_000
)

// ArchiveLog returns what opens the log for an archiver: readings, aggregates and alerts, read committed, shared by the
// members of the group. It commits nothing: where to go on is the database's to say.
func ArchiveLog(options ArchiveOptions) archive.Opener {
	if options.Lag == nil {
		options.Lag = func(archive.Source, int64) {}
	}
	if options.Released == nil {
		options.Released = func(archive.Source) {}
	}
	return func(resume archive.Resume, released func(archive.Source)) (archive.Log, error) {
		l := &archiveLog{lag: options.Lag, resume: resume}
		err := l.open(memberOptions[archive.Source]{
			dial:    options.Dial,
			group:   options.Group + "-archiver",
			topics:  []string{options.Topics.Readings, options.Topics.Aggregates, options.Topics.Alerts},
			resume:  l.starts,
			failure: "archive sources cannot be read yet",
			released: func(source archive.Source) {
				released(source)
				options.Released(source)
			},
			fetch: []kgo.Opt{
				kgo.KeepControlRecords(), // They tell how far has been read when nothing else does.
				kgo.FetchMaxBytes(maxArchiveBytes),
				kgo.FetchMaxPartitionBytes(maxArchivePartitionBytes),
			},
		})
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// archiveLog implements archive.Log.
type archiveLog struct {
	member[archive.Source]
	lag     func(archive.Source, int64)
	resume  archive.Resume
	records []archive.Record
}

// starts asks the database where to read sources from.
func (l *archiveLog) starts(ctx context.Context, topics map[string][]int32) ([]start[archive.Source], error) {
	var given []archive.Extent
	for topic, partitions := range topics {
		log, err := listExtents(ctx, kadm.NewClient(l.admin), topic)
		if err != nil {
			return nil, err
		}
		for _, id := range partitions {
			first, end := log.of(topic, id)
			given = append(given, archive.Extent{Source: archive.Source{Topic: topic, Partition: id}, Start: first, End: end})
		}
	}
	from, err := l.resume(ctx, given)
	if err != nil {
		return nil, err
	}
	starts := make([]start[archive.Source], len(given))
	for i, extent := range given {
		source, offset := extent.Source, from[extent.Source]
		starts[i] = start[archive.Source]{
			topic: source.Topic, partition: source.Partition, offset: offset, of: source,
			begun: func() { l.lag(source, max(extent.End-offset, 0)) },
		}
	}
	return starts, nil
}

// Poll implements archive.Log.
func (l *archiveLog) Poll(ctx context.Context) ([]archive.Record, error) {
	l.records = l.records[:0]
	for len(l.records) == 0 && ctx.Err() == nil {
		if err := l.poll(ctx, maxArchivePoll, l.collect); err != nil {
			return nil, err
		}
	}
	return l.records, nil
}

func (l *archiveLog) collect(p kgo.FetchTopicPartition, source archive.Source) {
	for _, r := range p.Records {
		l.records = append(l.records, archive.Record{
			Source: source, Offset: r.Offset, Appended: r.Timestamp, Key: r.Key, Value: r.Value, Tick: kafka.IsTick(r), Marker: r.Attrs.IsControl(),
		})
	}
	l.lag(source, max(p.HighWatermark-1-p.Records[len(p.Records)-1].Offset, 0))
}
