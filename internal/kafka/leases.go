package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/retry"
)

const (
	// leaseSession is how long after its last heartbeat a member counts as dead. It is the shortest that brokers allow by default.
	leaseSession = 6 * time.Second
	// leaseHeartbeat is how often a member says that it lives, and learns that another one joined or died.
	leaseHeartbeat = 500 * time.Millisecond
	// releaseTimeout is how long a source may take to stop before another member may own it.
	releaseTimeout = 2 * time.Second
	// leaseRebalance is how long a broker waits for members to join again, and then for them to ask for their partitions, before it excludes
	// them. It must be longer than releaseTimeout and leaseHeartbeat together. While a broker waits, no session ends: a member that dies
	// while the broker waits for one that has died before would be noticed only a session after the end of a long wait. So a source moves within
	// ten seconds when its owner dies: after leaseSession and a heartbeat, or two waits and a heartbeat.
	leaseRebalance = 3 * time.Second
)

// SourceGroup returns the name of the group of the programs that run sources, beside a processors' group.
func SourceGroup(processors string) string { return processors + "-sources" }

// Leases decides which of many programs runs a source: each source belongs to a partition of a topic, and each partition to one member of a
// consumer group. It implements source.Owner. A member that no longer reaches the broker gives its sources up when its session ends.
type Leases struct {
	dial         Dial
	topic, group string

	mu sync.Mutex
	// What follows is guarded by mu. Partitions is how many the topic has; 0 as long as that is not known.
	partitions int
	owned      map[int32]*lease
	// changed is closed, and replaced, when the owned partitions change.
	changed chan struct{}
}

// lease is the ownership of a partition.
type lease struct {
	ctx    context.Context
	cancel context.CancelFunc
	// running counts the sources that have not been released.
	running sync.WaitGroup
}

// NewLeases returns the leases of a program in the group of a processors' group. Run makes the program a member.
func NewLeases(dial Dial, topic, processors string) *Leases {
	return &Leases{dial: dial, topic: topic, group: SourceGroup(processors), owned: make(map[int32]*lease), changed: make(chan struct{})}
}

// Run is a member of the group until ctx ends.
func (l *Leases) Run(ctx context.Context) error {
	dial := l.dial
	dial.ServerSideGroups = false // There the broker alone decides how long a session lasts, 45 s by default.
	client, err := kgo.NewClient(dial.Options(append(dial.Group(l.group),
		kgo.SessionTimeout(leaseSession),
		kgo.HeartbeatInterval(leaseHeartbeat),
		kgo.RebalanceTimeout(leaseRebalance),
		kgo.ConsumeTopics(l.topic),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) { l.assign(assigned[l.topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) { l.release(revoked[l.topic]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { l.release(lost[l.topic]) }),
	)...)...)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	client.PauseFetchTopics(l.topic)
	defer client.Close() // It leaves the group, and so releases everything.
	pause := retry.NewBackoff(100*time.Millisecond, leaseSession)
	for ctx.Err() == nil {
		if err := l.count(ctx, client); err == nil {
			break
		}
		_ = pause.Wait(ctx) // The client logs why the broker does not answer.
	}
	<-ctx.Done()
	return nil
}

// count finds out how many partitions the topic has.
func (l *Leases) count(ctx context.Context, client *kgo.Client) error {
	topics, err := kadm.NewClient(client).ListTopics(ctx, l.topic)
	if err = errors.Join(err, topics.Error()); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partitions = len(topics[l.topic].Partitions)
	l.notify()
	return nil
}

// Acquire implements source.Owner.
func (l *Leases) Acquire(ctx context.Context, source string) (context.Context, func(), error) {
	for {
		l.mu.Lock()
		changed := l.changed
		if held := l.owned[l.partitionOf(source)]; held != nil && l.partitions > 0 {
			held.running.Add(1)
			l.mu.Unlock()
			owned, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(held.ctx, cancel)
			return owned, func() { stop(); cancel(); held.running.Done() }, nil
		}
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// partitionOf returns the partition that a source belongs to. The caller holds mu.
func (l *Leases) partitionOf(source string) int32 {
	if l.partitions == 0 {
		return -1
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(source))
	return int32(hash.Sum32() % uint32(l.partitions))
}

// notify wakes all that wait in Acquire. The caller holds mu.
func (l *Leases) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Leases) assign(partitions []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range partitions {
		if l.owned[id] == nil {
			ctx, cancel := context.WithCancel(context.Background())
			l.owned[id] = &lease{ctx: ctx, cancel: cancel}
		}
	}
	l.notify()
}

// release ends the ownership of partitions, and returns when their sources have stopped, after releaseTimeout at the latest: until it
// returns, no other member owns them.
func (l *Leases) release(partitions []int32) {
	l.mu.Lock()
	var released []*lease
	for _, id := range partitions {
		if held := l.owned[id]; held != nil {
			delete(l.owned, id)
			held.cancel()
			released = append(released, held)
		}
	}
	l.mu.Unlock()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for _, held := range released {
			held.running.Wait()
		}
	}()
	select {
	case <-stopped:
	case <-time.After(releaseTimeout):
	}
}
