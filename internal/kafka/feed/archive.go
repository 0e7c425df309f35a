// Package feed has those who read what is in the log and decide nothing: the archiver's feed, the live tail, and the feed of the
// latest states for a cache.
package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// An archiver writes batches and is in no hurry: its fetches wait until they are worth it.
	minArchiveBytes = 64 << 10
	maxArchiveWait  = 500 * time.Millisecond
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
		log, err := openArchive(options, resume, released)
		if err != nil {
			return nil, err
		}
		return log, nil
	}
}

// archiveLog implements archive.Log. Offsets that have left the log end it: the next one asks the database again, and the
// loss is told there.
type archiveLog struct {
	ArchiveOptions
	consumer *kgo.Client
	// admin asks for offsets: the consumer calls back before its constructor has returned it.
	admin   *kgo.Client
	resume  archive.Resume
	forget  func(archive.Source)
	given   given[archive.Source]
	records []archive.Record
}

func openArchive(options ArchiveOptions, resume archive.Resume, released func(archive.Source)) (*archiveLog, error) {
	l := &archiveLog{ArchiveOptions: options, resume: resume, forget: released}
	var err error
	if l.admin, err = kgo.NewClient(l.Dial.Options()...); err != nil {
		return nil, err
	}
	l.consumer, err = kgo.NewClient(l.Dial.Options(append(l.Dial.Group(l.Group+"-archiver"),
		kgo.ConsumeTopics(l.Topics.Readings, l.Topics.Aggregates, l.Topics.Alerts),
		kgo.AdjustFetchOffsetsFn(l.assigned),
		kgo.OnPartitionsRevoked(l.released),
		kgo.OnPartitionsLost(l.released),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // They tell how far has been read when nothing else does.
		kgo.FetchMaxBytes(maxArchiveBytes),
		kgo.FetchMaxPartitionBytes(maxArchivePartitionBytes),
		kgo.FetchMinBytes(minArchiveBytes),
		kgo.FetchMaxWait(maxArchiveWait),
	)...)...)
	if err != nil {
		l.admin.Close()
		return nil, err
	}
	return l, nil
}

// assigned asks where to read the sources from that the group has given to this member. After an error the client joins
// the group again and comes back.
func (l *archiveLog) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	given, err := l.extents(ctx, offsets)
	if err != nil || len(given) == 0 {
		return offsets, err
	}
	from, err := l.resume(ctx, given)
	if err != nil {
		if ctx.Err() == nil && l.Dial.Logger != nil {
			l.Dial.Logger.Warn("archive sources cannot be read yet", "reason", err)
		}
		return nil, err
	}
	for _, extent := range given {
		source, offset := extent.Source, from[extent.Source]
		l.given.add(source.Topic, source.Partition, source)
		l.given.with(source.Topic, source.Partition, func(archive.Source) { l.Lag(source, max(extent.End-offset, 0)) })
		offsets[source.Topic][source.Partition] = kgo.NewOffset().At(offset)
	}
	return offsets, nil
}

// released may come before assigned has ended well, or without it.
func (l *archiveLog) released(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	for topic, partitions := range gone {
		for _, id := range partitions {
			if source, ours := l.given.take(topic, id); ours {
				l.forget(source)
				l.Released(source)
			}
		}
	}
}

// extents asks the log what it holds of the sources.
func (l *archiveLog) extents(ctx context.Context, offsets map[string]map[int32]kgo.Offset) ([]archive.Extent, error) {
	var given []archive.Extent
	admin := kadm.NewClient(l.admin)
	for topic, partitions := range offsets {
		starts, err := admin.ListStartOffsets(ctx, topic)
		if err = errors.Join(err, starts.Error()); err != nil {
			return nil, fmt.Errorf("list start offsets of %s: %w", topic, err)
		}
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err = errors.Join(err, ends.Error()); err != nil {
			return nil, fmt.Errorf("list end offsets of %s: %w", topic, err)
		}
		for id := range partitions {
			start, _ := starts.Lookup(topic, id)
			end, _ := ends.Lookup(topic, id)
			source := archive.Source{Topic: topic, Partition: id}
			given = append(given, archive.Extent{Source: source, Start: start.Offset, End: end.Offset})
		}
	}
	return given, nil
}

// Poll implements archive.Log.
func (l *archiveLog) Poll(ctx context.Context) ([]archive.Record, error) {
	l.records = l.records[:0]
	for len(l.records) == 0 && ctx.Err() == nil {
		fetches := l.consumer.PollRecords(ctx, maxArchivePoll)
		if fetches.IsClientClosed() {
			return nil, kafka.ErrClosed
		}
		for _, failed := range fetches.Errors() {
			if !passing(ctx, failed.Err) {
				return nil, fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
			}
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			l.given.with(p.Topic, p.Partition, func(source archive.Source) { l.collect(p, source) })
		})
	}
	return l.records, nil
}

// passing reports whether the client gets over an error by itself: ctx has ended, or the group could not be joined, for
// example because the database did not answer.
func passing(ctx context.Context, err error) bool {
	var session *kgo.ErrGroupSession
	return ctx.Err() != nil && errors.Is(err, ctx.Err()) || errors.As(err, &session)
}

func (l *archiveLog) collect(p kgo.FetchTopicPartition, source archive.Source) {
	if len(p.Records) == 0 {
		return
	}
	for _, r := range p.Records {
		l.records = append(l.records, archive.Record{
			Source: source, Offset: r.Offset, Appended: r.Timestamp, Key: r.Key, Value: r.Value, Tick: kafka.IsTick(r), Marker: r.Attrs.IsControl(),
		})
	}
	l.Lag(source, max(p.HighWatermark-1-p.Records[len(p.Records)-1].Offset, 0))
}

// Close implements archive.Log.
func (l *archiveLog) Close() {
	l.consumer.Close()
	l.admin.Close()
}
