package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
)

// Members write to a database or a cache in batches, so a fetch may wait until there is enough data for one.
const (
	minFetchBytes = 64 << 10
	maxFetchWait  = 500 * time.Millisecond
)

// memberOptions are the differences between ArchiveLog and StateLog. V is the type that the reader of the member identifies a
// partition with. Every field is required.
type memberOptions[V any] struct {
	dial   kafka.Dial
	group  string
	topics []string
	// resume returns the offsets from which to read the newly assigned partitions, which are given by topic. A partition that it
	// does not return is read from where the client would begin. After an error the member joins the group again and calls resume
	// again. It may block until ctx ends, and may be called before open has returned.
	resume func(ctx context.Context, topics map[string][]int32) ([]start[V], error)
	// failure is the log message for a failed resume.
	failure string
	// released is called when a partition is no longer read by this member. It must not block.
	released func(of V)
	// fetch are the options that limit a fetch.
	fetch []kgo.Opt
}

// start is where a member begins to read a partition.
type start[V any] struct {
	topic     string
	partition int32
	offset    int64
	of        V
	// added is called when the partition has been added to the member's own; nil for nothing.
	added func()
}

// member is a member of a consumer group that reads committed records and commits no offsets: the database or the cache that the
// records are written to holds the offsets. If an offset is no longer in the log, poll fails. The next member calls resume again,
// which finds and reports the loss.
type member[V any] struct {
	memberOptions[V]
	consumer *kgo.Client
	// admin lists offsets. The consumer cannot: it may call back before its constructor has returned.
	admin *kgo.Client

	mu sync.Mutex
	// partitions are those that are assigned to this member, by topic. The group's callbacks change them on the client's goroutines
	// while the owner polls. So a fetch may contain records of a partition that has meanwhile been revoked.
	partitions map[string]map[int32]V
}

// open joins the group.
func (m *member[V]) open(options memberOptions[V]) (err error) {
	m.memberOptions, m.partitions = options, make(map[string]map[int32]V)
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

// assigned adds newly assigned partitions, and sets the offsets to read them from. If resume fails, it logs that and adds none.
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

// add makes a partition the member's own. Its added is called with mu held, so before any of its records is collected.
func (m *member[V]) add(s start[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.partitions[s.topic] == nil {
		m.partitions[s.topic] = make(map[int32]V)
	}
	m.partitions[s.topic][s.partition] = s.of
	if s.added != nil {
		s.added()
	}
}

// revoked removes partitions. The client may call it for a partition that assigned has not added: a partition can be lost while
// resume is still finding out where to read it from, or after resume has failed.
func (m *member[V]) revoked(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	for topic, partitions := range lost {
		for _, id := range partitions {
			if of, ours := m.remove(topic, id); ours {
				m.released(of)
			}
		}
	}
}

// remove removes a partition from the member's own; false if it was not among them.
func (m *member[V]) remove(topic string, partition int32) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, ours := m.partitions[topic][partition]
	delete(m.partitions[topic], partition)
	return of, ours
}

// poll waits for records, at most most of them, or until ctx ends. It calls collect with the records of each partition that is still
// the member's own; the partition is not released before collect has returned. After an error the member cannot be used any more.
func (m *member[V]) poll(ctx context.Context, most int, collect func(p kgo.FetchTopicPartition, of V)) error {
	fetches := m.consumer.PollRecords(ctx, most)
	if fetches.IsClientClosed() {
		return kafka.ErrClosed
	}
	for _, failed := range fetches.Errors() {
		if !temporary(ctx, failed.Err) {
			return fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if of, ours := m.partitions[p.Topic][p.Partition]; ours && len(p.Records) > 0 {
			collect(p, of)
		}
	})
	return nil
}

// temporary reports whether polling may go on after an error: ctx has ended, or the client will join the group again by itself, for
// example after resume has failed because the database did not answer.
func temporary(ctx context.Context, err error) bool {
	var session *kgo.ErrGroupSession
	return ctx.Err() != nil && errors.Is(err, ctx.Err()) || errors.As(err, &session)
}
