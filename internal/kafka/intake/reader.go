package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

const (
	// maxHeaders is how many headers of a record become tags, maxTag how long in bytes a key or header may be to become one.
	maxHeaders, maxTag = 32, 1024
)

// reader is one Run.
type reader struct {
	adapter *Adapter
	session *source.Session
	address string
	// ready is closed when client and admin are there: the client calls back before it has been returned.
	ready  chan struct{}
	client *kgo.Client
	admin  *kadm.Client

	mu sync.Mutex
	// parts are the assigned partitions, guarded by mu.
	parts map[place]*partition
}

type place struct {
	topic     string
	partition int32
}

// partition is what a reader knows of an assigned partition. The mutex of the reader guards it.
type partition struct {
	// next is the offset behind the last record that was sent; -1 before the first. end is the end of what can be read.
	next, end int64
	// done is what may be committed, which is committed already if it is equal to committed.
	done, committed kgo.EpochOffset
	// gone is whether the partition has been taken away: then its offset must not be committed any more.
	gone bool
}

func (r *reader) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, partitions := range added {
		for _, id := range partitions {
			none := kgo.EpochOffset{Epoch: -1, Offset: -1}
			r.parts[place{topic, id}] = &partition{next: -1, end: -1, done: none, committed: none}
		}
	}
	if len(added) > 0 {
		r.session.Connected(r.address)
	}
}

// revoked commits what is done of the partitions that are taken away, and forgets them.
func (r *reader) revoked(ctx context.Context, client *kgo.Client, removed map[string][]int32) {
	<-r.ready
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = r.commit(ctx) // What is not committed is read again, by the next member.
	r.lost(ctx, client, removed)
}

func (r *reader) lost(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, partitions := range removed {
		for _, id := range partitions {
			if p := r.parts[place{topic, id}]; p != nil {
				p.gone = true
				delete(r.parts, place{topic, id})
			}
		}
	}
}

func (r *reader) hasPartitions() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.parts) > 0
}

func (r *reader) hasTopic(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at := range r.parts {
		if at.topic == topic {
			return true
		}
	}
	return false
}

// adjust checks the committed offsets against what the log still has. A partition whose committed offset has been deleted goes on where a
// new one would begin; one that ends before the committed offset has been made anew and is read from its beginning.
func (r *reader) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-r.ready
	var topics []string
	for topic := range offsets {
		topics = append(topics, topic)
	}
	starts, err1 := r.admin.ListStartOffsets(ctx, topics...)
	ends, err2 := r.admin.ListEndOffsets(ctx, topics...)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	for topic, partitions := range offsets {
		for id, offset := range partitions {
			start, known1 := starts.Lookup(topic, id)
			end, known2 := ends.Lookup(topic, id)
			at := offset.EpochOffset().Offset
			if at < 0 || !known1 || !known2 || start.Err != nil || end.Err != nil {
				continue
			}
			switch {
			case at < start.Offset:
				r.missing(topic, id, at, start.Offset)
				partitions[id] = r.adapter.start()
			case at > end.Offset:
				r.session.Problem(fmt.Errorf("topic %s, partition %d: was made anew: it ends at %d, and %d was read; it is read from its beginning",
					topic, id, end.Offset, at))
				partitions[id] = kgo.NewOffset().AtStart()
			}
		}
	}
	return offsets, nil
}

// missing says that records were deleted before they were read.
func (r *reader) missing(topic string, id int32, from, to int64) {
	r.session.Problem(fmt.Errorf("topic %s, partition %d: %d records, from offset %d, were deleted before they were read", topic, id, to-from, from))
	r.session.Missed(to - from)
}

// fetched notes what a fetch says about a partition.
func (r *reader) fetched(f *kgo.FetchTopicPartition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parts[place{f.Topic, f.Partition}]
	if p == nil {
		return
	}
	if p.end = f.LastStableOffset; r.adapter.o.Uncommitted || p.end < 0 {
		p.end = f.HighWatermark
	}
	if p.next >= 0 && f.LogStartOffset > p.next {
		r.missing(f.Topic, f.Partition, p.next, f.LogStartOffset)
		p.next = f.LogStartOffset
	}
}

// send sends a record to the pipeline. It blocks while the pipeline has no room.
func (r *reader) send(ctx context.Context, record *kgo.Record) error {
	r.mu.Lock()
	p := r.parts[place{record.Topic, record.Partition}]
	if p != nil {
		p.next = record.Offset + 1
	}
	r.mu.Unlock()
	if p == nil {
		return nil // It has just been taken away, and another member reads it.
	}
	m := message(record)
	m.Again = true
	after := kgo.EpochOffset{Epoch: record.LeaderEpoch, Offset: record.Offset + 1}
	m.Done = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && !p.gone {
			p.done = after // Messages are done in the order of the offsets.
		}
	}
	return r.session.Send(ctx, m)
}

// message returns a record as a message, whose time is the record's.
func message(record *kgo.Record) *source.Message {
	m := &source.Message{Topic: record.Topic, Payload: record.Value, Received: record.Timestamp, Tags: make(map[string]string)}
	if m.Payload == nil {
		m.Payload = []byte{}
	}
	if record.Timestamp.UnixMilli() <= 0 { // The record has none.
		m.Received = time.Now()
	}
	if isTag(record.Key) {
		m.Tags["key"] = string(record.Key)
	}
	for _, header := range record.Headers[:min(len(record.Headers), maxHeaders)] {
		if isTag(header.Value) && isTag([]byte(header.Key)) {
			m.Tags["header."+header.Key] = string(header.Value)
		}
	}
	return m
}

func isTag(text []byte) bool { return len(text) > 0 && len(text) <= maxTag && utf8.Valid(text) }

// Decode returns a decoder of payloads that gives values without a time that of their record. So a record that is read twice becomes the
// same readings.
func Decode(decode source.Decode) source.Decode {
	return func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
		if len(m.Payload) == 0 {
			return points, iot.Invalid("", "a record without a value")
		}
		before := len(points)
		points, err := decode(m, points)
		for i := before; i < len(points); i++ {
			if points[i].Time.IsZero() {
				points[i].Time = iot.CutTime(m.Received)
			}
		}
		return points, err
	}
}

// commit commits what is done.
func (r *reader) commit(ctx context.Context) error {
	if r.adapter.o.Trial {
		return nil
	}
	r.mu.Lock()
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	var changed []*partition
	for at, p := range r.parts {
		if p.done == p.committed || p.done.Offset < 0 {
			continue
		}
		if offsets[at.topic] == nil {
			offsets[at.topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[at.topic][at.partition] = p.done
		changed = append(changed, p)
	}
	committing := make([]kgo.EpochOffset, len(changed))
	for i, p := range changed {
		committing[i] = p.done
	}
	r.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	var failed error
	r.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if failed = err; failed == nil {
			failed = commitError(answer)
		}
	})
	if failed != nil {
		return fmt.Errorf("commit offsets of group %s: %w", r.adapter.o.Group, failed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range changed {
		p.committed = committing[i]
	}
	return nil
}

// commitError returns why offsets were not committed; nil if all were, or if those that were not are read again by another member.
func commitError(answer *kmsg.OffsetCommitResponse) error {
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			switch err := kerr.ErrorForCode(p.ErrorCode); {
			case err == nil, errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
			default:
				return err
			}
		}
	}
	return nil
}

// publishLag publishes how many records have not been done.
func (r *reader) publishLag() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lag int64
	for _, p := range r.parts {
		at := p.next
		if p.done.Offset >= 0 {
			at = p.done.Offset
		}
		if at >= 0 && p.end > at {
			lag += p.end - at
		}
	}
	r.session.Lag(lag)
}
