package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
)

// Members write batches and are in no hurry: their fetches wait until they are worth it.
const (
	minFetchBytes = 64 << 10
	maxFetchWait  = 500 * time.Millisecond
)

// memberOptions are what the members of a group differ in. V is what their owner calls a partition. All are required.
type memberOptions[V any] struct {
	dial   kafka.Dial
	group  string
	topics []string
	// resume says where to read the partitions from that the group has given to this member, by topic; those that it does not
	// return are read from where the client would begin. After an error the member joins the group again and asks anew. It may
	// block until ctx ends, and may be called before open has returned.
	resume func(ctx context.Context, topics map[string][]int32) ([]start[V], error)
	// failure is what is logged when resume fails.
	failure string
	// released is told that a partition is read here no more. It must not block.
	released func(of V)
	// fetch bounds what is fetched.
	fetch []kgo.Opt
}

// start is where a member begins to read a partition.
type start[V any] struct {
	topic     string
	partition int32
	offset    int64
	of        V
	// begun is called once the partition is this member's; nil for nothing.
	begun func()
}

// member is a member of a group that reads committed records and commits nothing: where to go on is said by whoever has taken
// them. Offsets that have left the log end it; what is opened next asks again, and the loss is told there.
type member[V any] struct {
	memberOptions[V]
	consumer *kgo.Client
	// admin asks for offsets: the consumer calls back before its constructor has returned it.
	admin *kgo.Client

	mu sync.Mutex
	// given are the partitions that the group has given to this member. The group's callbacks change them, on the client's
	// goroutines, while the member reads: what was fetched of a partition may be handed over after it is another member's.
	given map[string]map[int32]V
}

// open joins the group.
func (m *member[V]) open(options memberOptions[V]) (err error) {
	m.memberOptions, m.given = options, make(map[string]map[int32]V)
	if m.admin, err = kgo.NewClient(m.dial.Options()...); err != nil {
		return err
	}
	shared := append(m.dial.Group(m.group),
		kgo.ConsumeTopics(m.topics...),
		kgo.AdjustFetchOffsetsFn(m.assigned),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.revoked),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMinBytes(minFetchBytes),
		kgo.FetchMaxWait(maxFetchWait),
	)
	if m.consumer, err = kgo.NewClient(m.dial.Options(append(shared, m.fetch...)...)...); err != nil {
		m.admin.Close()
	}
	return err
}

// Close leaves the group.
func (m *member[V]) Close() {
	m.consumer.Close()
	m.admin.Close()
}

// assigned asks where to read what the group has given to this member.
func (m *member[V]) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	topics := make(map[string][]int32)
	for topic, partitions := range offsets {
		for id := range partitions {
			topics[topic] = append(topics[topic], id)
		}
	}
	if len(topics) == 0 {
		return offsets, nil
	}
	starts, err := m.resume(ctx, topics)
	if err != nil {
		if ctx.Err() == nil && m.dial.Logger != nil {
			m.dial.Logger.Warn(m.failure, "reason", err)
		}
		return nil, err
	}
	for _, s := range starts {
		m.add(s)
		offsets[s.topic][s.partition] = kgo.NewOffset().At(s.offset)
	}
	return offsets, nil
}

func (m *member[V]) add(s start[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.given[s.topic] == nil {
		m.given[s.topic] = make(map[int32]V)
	}
	m.given[s.topic][s.partition] = s.of
	if s.begun != nil {
		s.begun()
	}
}

// revoked may come before assigned has ended well, or without it: a partition can be lost before anybody has found out where to
// read it from.
func (m *member[V]) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	for topic, partitions := range gone {
		for _, id := range partitions {
			if of, ours := m.remove(topic, id); ours {
				m.released(of)
			}
		}
	}
}

// remove takes a partition out of those given; false if it was not among them.
func (m *member[V]) remove(topic string, partition int32) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, ours := m.given[topic][partition]
	delete(m.given[topic], partition)
	return of, ours
}

// poll waits for records, no more than most, or until ctx ends, and calls collect with those of each partition that is this
// member's. No partition is released before collect has returned. An error means that the member is of no further use.
func (m *member[V]) poll(ctx context.Context, most int, collect func(p kgo.FetchTopicPartition, of V)) error {
	fetches := m.consumer.PollRecords(ctx, most)
	if fetches.IsClientClosed() {
		return kafka.ErrClosed
	}
	for _, failed := range fetches.Errors() {
		if !passing(ctx, failed.Err) {
			return fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if of, ours := m.given[p.Topic][p.Partition]; ours && len(p.Records) > 0 {
			collect(p, of)
		}
	})
	return nil
}

// passing reports whether the client gets over an error by itself: ctx has ended, or the group could not be joined, for
// example because the database did not answer.
func passing(ctx context.Context, err error) bool {
	var session *kgo.ErrGroupSession
	return ctx.Err() != nil && errors.Is(err, ctx.Err()) || errors.As(err, &session)
}

// extents are what the log holds of a topic's partitions.
type extents struct{ starts, ends kadm.ListedOffsets }

// listExtents asks the log what it holds now of a topic.
func listExtents(ctx context.Context, admin *kadm.Client, topic string) (e extents, err error) {
	e.starts, err = admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, e.starts.Error()); err != nil {
		return e, fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	e.ends, err = admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, e.ends.Error()); err != nil {
		return e, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	return e, nil
}

// of returns the offsets of a partition, end excluded.
func (e extents) of(topic string, partition int32) (start, end int64) {
	first, _ := e.starts.Lookup(topic, partition)
	last, _ := e.ends.Lookup(topic, partition)
	return first.Offset, last.Offset
}
