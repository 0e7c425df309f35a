package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/forward"
	"iotmon/internal/kafka"
)

// Group returns the name of the group under which the positions are committed, beside a processors' group.
func Group(processors string) string { return processors + "-forward" }

// Log implements forward.Log: the readings' topic of the local broker. The positions are the committed offsets of a group without
// members. It may be used concurrently.
type Log struct {
	dial         kafka.Dial
	topic, group string
	client       *kgo.Client
	admin        *kadm.Client
}

var _ forward.Log = (*Log)(nil)

// NewLog returns the log of a broker. It does not connect before it is used.
func NewLog(dial kafka.Dial, topics kafka.Topics, processors string) (*Log, error) {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Log{dial: dial, topic: topics.Readings, group: Group(processors), client: client, admin: kadm.NewClient(client)}, nil
}

// Close ends the connections of the log, but not those of its readers.
func (l *Log) Close() { l.client.Close() }

// note is the metadata of a committed offset.
type note struct {
	Log   string `json:"log"`
	Lost  int64  `json:"lost,omitempty"`
	First int64  `json:"first,omitempty"`
	Last  int64  `json:"last,omitempty"`
}

// Partitions implements forward.Log.
func (l *Log) Partitions(ctx context.Context) ([]forward.Partition, error) {
	committed, err := l.admin.FetchOffsetsForTopics(ctx, l.group, l.topic)
	if err == nil {
		err = committed.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("fetch the positions of forwarding: %w", err)
	}
	extents, err := kafka.ListCommittedExtents(ctx, l.admin, l.topic)
	if err != nil {
		return nil, err
	}
	details, err := l.admin.ListTopics(ctx, l.topic)
	if err = errors.Join(err, details.Error()); err != nil {
		return nil, fmt.Errorf("describe %s: %w", l.topic, err)
	}
	var partitions []forward.Partition
	for id, extent := range extents {
		p := forward.Partition{ID: id, Start: extent.Start, End: extent.End, Log: details[l.topic].ID.String()}
		if at, ok := committed.Lookup(l.topic, id); ok && at.At >= 0 {
			p.Position = positionOf(at.At, at.Metadata)
		}
		partitions = append(partitions, p)
	}
	return partitions, nil
}

// positionOf decodes a committed offset. One with another program's metadata is of no log, so that everything is forwarded again.
func positionOf(next int64, metadata string) *forward.Position {
	var n note
	if json.Unmarshal([]byte(metadata), &n) != nil {
		n = note{}
	}
	return &forward.Position{Next: next, Log: n.Log, Lost: forward.Loss{Records: n.Lost, First: n.First, Last: n.Last}}
}

// Store implements forward.Log.
func (l *Log) Store(ctx context.Context, positions map[int32]forward.Position) error {
	var offsets kadm.Offsets
	for id, p := range positions {
		metadata, err := json.Marshal(note{Log: p.Log, Lost: p.Lost.Records, First: p.Lost.First, Last: p.Lost.Last})
		if err != nil {
			return err
		}
		offsets.Add(kadm.Offset{Topic: l.topic, Partition: id, At: p.Next, LeaderEpoch: -1, Metadata: string(metadata)})
	}
	committed, err := l.admin.CommitOffsets(ctx, l.group, offsets)
	if err != nil {
		return err
	}
	return committed.Error()
}

// Limits of a fetch: a fetch is decompressed to several times its size, and forwarding may be far behind.
const (
	maxFetchBytes          = 1 << 20
	maxFetchPartitionBytes = 512 << 10
	// Readings that come one by one are fetched together.
	minFetchBytes = 16 << 10
	maxFetchWait  = 200 * time.Millisecond
)

// Read implements forward.Log.
func (l *Log) Read(from map[int32]int64) (forward.Reader, error) {
	offsets := make(map[int32]kgo.Offset, len(from))
	for id, at := range from {
		offsets[id] = kgo.NewOffset().At(at)
	}
	client, err := kgo.NewClient(l.dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // A marker moves the position.
		kgo.FetchMaxBytes(maxFetchBytes),
		kgo.FetchMaxPartitionBytes(maxFetchPartitionBytes),
		kgo.FetchMinBytes(minFetchBytes),
		kgo.FetchMaxWait(maxFetchWait),
		kafka.NoFetchSession(),
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &reader{client: client}, nil
}

// reader implements forward.Reader.
type reader struct {
	client  *kgo.Client
	fetches kgo.Fetches
	records []forward.Record
}

// Poll implements forward.Reader.
func (r *reader) Poll(ctx context.Context, most int, patience time.Duration) ([]forward.Record, error) {
	kafka.Recycle(r.fetches)
	r.fetches = nil
	r.records = r.records[:0]
	fetches, err := kafka.Poll(ctx, r.client, most, patience)
	if err != nil {
		return nil, err
	}
	r.fetches = fetches
	fetches.EachRecord(func(record *kgo.Record) {
		r.records = append(r.records, forward.Record{
			Partition: record.Partition, Offset: record.Offset, Appended: record.Timestamp, Key: record.Key, Value: record.Value,
			Kind: kafka.KindOf(record), Marker: record.Attrs.IsControl(),
		})
	})
	return r.records, nil
}

// Close implements forward.Reader.
func (r *reader) Close() { r.client.Close() }
