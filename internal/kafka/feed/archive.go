// Package feed has the readers of the log that only pass records on: ArchiveLog for the archiver, StateLog for the cache of device
// states, and Tail for the live view.
package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/archive"
	"iotmon/internal/kafka"
)

// ArchiveOptions configure the logs that an archiver opens.
type ArchiveOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the processor's group. The archivers' own group is named after it.
	Group string
	// Lag is called with the number of records of a source that are still to be polled. Released is called when the source is no
	// longer read by this process. Both are called concurrently and must not block; nil ignores the calls.
	Lag      func(source archive.Source, records int64)
	Released func(source archive.Source)
}

// Limits of what an archiver buffers. Fetches are compressed, and their records need several times as much memory. The archiver is
// the reader that is most often behind, because the database may be slow.
const (
	maxArchiveBytes          = 2 << 20
	maxArchivePartitionBytes = 512 << 10
	maxArchivePoll           = 10_000
)

// ArchiveLog returns the function that opens a log for an archiver: readings, aggregates and alerts, read committed. All archivers
// of the group share the partitions. The log commits no offsets: the database holds them, and resume returns them.
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
			group:   kafka.ArchiverGroup(options.Group),
			topics:  []string{options.Topics.Readings, options.Topics.Aggregates, options.Topics.Alerts},
			resume:  l.starts,
			failure: "archive sources cannot be read yet",
			released: func(source archive.Source) {
				released(source)
				options.Released(source)
			},
			fetch: []kgo.Opt{
				kgo.KeepControlRecords(), // A marker moves the offset even if its transaction was aborted.
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

// starts asks the database from which offsets to read the newly assigned sources. The database gets to know which offsets the log holds,
// so that records which are gone are noticed. Each source has its lag reported once it is added.
func (l *archiveLog) starts(ctx context.Context, topics map[string][]int32) ([]start[archive.Source], error) {
	admin := kadm.NewClient(l.admin)
	var assigned []archive.Extent
	for topic, partitions := range topics {
		extents, err := kafka.ListExtents(ctx, admin, topic)
		if err != nil {
			return nil, err
		}
		stable, err := admin.ListCommittedOffsets(ctx, topic)
		if err = errors.Join(err, stable.Error()); err != nil {
			return nil, fmt.Errorf("list stable offsets of %s: %w", topic, err)
		}
		details, err := admin.ListTopics(ctx, topic)
		if err = errors.Join(err, details.Error()); err != nil {
			return nil, fmt.Errorf("describe %s: %w", topic, err)
		}
		for _, id := range partitions {
			extent := extents[id]
			readable, _ := stable.Lookup(topic, id)
			assigned = append(assigned, archive.Extent{
				Source: archive.Source{Topic: topic, Partition: id}, Start: extent.Start, Stable: readable.Offset, End: extent.End,
				Log: details[topic].ID.String(),
			})
		}
	}
	from, err := l.resume(ctx, assigned)
	if err != nil {
		return nil, err
	}
	starts := make([]start[archive.Source], len(assigned))
	for i, extent := range assigned {
		source, offset := extent.Source, from[extent.Source]
		starts[i] = start[archive.Source]{
			topic: source.Topic, partition: source.Partition, offset: offset, of: source,
			added: func() { l.lag(source, max(extent.End-offset, 0)) },
		}
	}
	return starts, nil
}

// Poll implements archive.Log.
func (l *archiveLog) Poll(ctx context.Context) ([]archive.Record, error) {
	clear(l.records) // What it points to is freed even if the next poll brings less.
	l.records = l.records[:0]
	for len(l.records) == 0 && ctx.Err() == nil {
		if err := l.poll(ctx, maxArchivePoll, l.collect); err != nil {
			return nil, err
		}
	}
	return l.records, nil
}

// collect converts what was fetched of a source, and reports the lag behind it.
func (l *archiveLog) collect(p kgo.FetchTopicPartition, source archive.Source) {
	for _, r := range p.Records {
		kind := kafka.KindOf(r)
		l.records = append(l.records, archive.Record{
			Source: source, Offset: r.Offset, Appended: r.Timestamp, Key: r.Key, Value: r.Value, Kind: kind.Kind, Level: kind.Level,
			Marker: r.Attrs.IsControl(),
		})
	}
	l.lag(source, max(p.HighWatermark-1-p.Records[len(p.Records)-1].Offset, 0))
}
