package feed

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/statecache"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// memoryCache is a statecache.Cache in memory.
type memoryCache struct {
	mu sync.Mutex
	// fails makes Load fail at its end, blocks makes it wait until its context ends.
	fails, blocks bool
	partitions    map[statecache.Partition]*cachedPartition
}

// cachedPartition has the states of a partition up to the offset next.
type cachedPartition struct {
	next   int64
	values map[iot.DeviceID][]byte
}

func newMemoryCache() *memoryCache {
	return &memoryCache{partitions: make(map[statecache.Partition]*cachedPartition)}
}

func (s *memoryCache) Next(_ context.Context, p statecache.Partition) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.partitions[p]; held != nil {
		return held.next, true, nil
	}
	return 0, false, nil
}

func (s *memoryCache) Apply(_ context.Context, b *statecache.Batch) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.First {
		s.partitions[b.Partition] = &cachedPartition{b.From, make(map[iot.DeviceID][]byte)}
	}
	held := s.partitions[b.Partition]
	if held == nil || held.next != b.From {
		return false, nil
	}
	for _, state := range b.States {
		held.values[iot.DeviceID(state.Key)] = state.Value
	}
	held.next = b.Next
	return true, nil
}

func (s *memoryCache) Load(ctx context.Context, p statecache.Partition, visit func([]byte)) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks {
		<-ctx.Done()
		return 0, false, ctx.Err()
	}
	held := s.partitions[p]
	if held == nil {
		return 0, false, nil
	}
	for _, value := range held.values {
		visit(value)
	}
	if s.fails {
		return 0, false, errors.New("failed after the last state")
	}
	return held.next, true, nil
}

// reached returns up to which offset each partition is complete.
func (s *memoryCache) reached() map[int32]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	reached := make(map[int32]int64)
	for p, held := range s.partitions {
		reached[p.ID] = held.next
	}
	return reached
}

// fill fills the cache from the log until the test ends, or until stop is called.
func (c *cluster) fill(s *memoryCache) (stop func()) {
	c.T.Helper()
	filler := statecache.NewFiller(statecache.Options{
		Open:   StateLog(StateOptions{Dial: c.Dial, Topics: c.Topics, Group: "test"}),
		Cache:  s,
		Logger: slog.New(slog.NewTextHandler(c.T.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- filler.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.T.Error(err)
		}
	})
	c.T.Cleanup(stop)
	return stop
}

// viewFrom returns the value of each device in a live view that starts now from the cache and the log.
func (c *cluster) viewFrom(cache statecache.Cache) map[iot.DeviceID]float64 {
	c.T.Helper()
	present := view.New(view.Options{WindowLength: 30 * time.Second})
	tail := NewTail(TailOptions{
		Dial: c.Dial, Topics: c.Topics, Cache: cache, CacheTimeout: time.Second, Sink: func(b view.Batch) { present.Apply(b) }, Logger: slog.New(slog.NewTextHandler(c.T.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(c.T.Context())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	select {
	case <-tail.CaughtUp():
	case <-time.After(20 * time.Second):
		c.T.Fatal("not caught up after 20 s")
	}
	cancel()
	if err := <-done; err != nil {
		c.T.Error(err)
	}
	values := make(map[iot.DeviceID]float64)
	present.Scan("", false, func(state *iot.DeviceState) bool {
		values[state.Latest.ID] = state.Latest.Value
		return true
	})
	return values
}

func TestTheViewIsTheSameFromTheCacheAndFromTheLog(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	const devices = 40
	produce := func(value float64) {
		for device := range devices {
			c.Produce(client, c.State(device, value))
		}
	}
	check := func(cache statecache.Cache, value float64) {
		t.Helper()
		got := c.viewFrom(cache)
		for id, v := range got {
			if v != value {
				t.Errorf("%s: got %v, want %v", id, v, value)
			}
		}
		if len(got) != devices {
			t.Errorf("got %d devices, want %d", len(got), devices)
		}
	}
	produce(1)
	s := newMemoryCache()
	stop := c.fill(s)
	kafkatest.Eventually(t, "everything is cached", func() bool {
		total := int64(0)
		for _, next := range s.reached() {
			total += next
		}
		return total == devices
	})
	check(s, 1)
	produce(2)
	stop()
	produce(3) // These are not cached.
	check(s, 3)
	check(nil, 3)

	s.fails = true
	check(s, 3)
	s.fails, s.blocks = false, true
	check(s, 3)
	s.blocks = false
	for _, held := range s.partitions {
		held.next += 1000 // As if the log had lost its newest records.
	}
	check(s, 3)
	clear(s.partitions)
	check(s, 3)
	stop = c.fill(s)
	kafkatest.Eventually(t, "the cache is filled again", func() bool { return len(s.reached()) == kafkatest.Partitions })
	stop()
	check(s, 3)
}

// Records of an aborted transaction must not be cached: other systems read the cache.
func TestOnlyCommittedStatesAreCached(t *testing.T) {
	c := startCluster(t)
	c.Produce(c.Client(), c.State(0, 1))
	writer := c.Client(kgo.TransactionalID("test"))
	if err := writer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	c.Produce(writer, c.State(0, 2))
	if err := writer.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	c.Produce(c.Client(), c.State(kafkatest.Partitions, 3)) // Another device of the same partition.
	s := newMemoryCache()
	c.fill(s)
	kafkatest.Eventually(t, "what was committed is cached", func() bool { return s.reached()[0] >= 4 })
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, held := range s.partitions {
		if p.ID != 0 {
			continue
		}
		state, err := wire.DecodeDeviceState(held.values[kafkatest.Reading(0, time.Now(), 0).ID])
		if err != nil || state.Latest.Value != 1 {
			t.Errorf("got %v, %v, want 1", state.Latest.Value, err)
		}
	}
}

func TestADeletedDeviceIsGoneFromTheCache(t *testing.T) {
	c := startCluster(t)
	want, records := c.Deletions()
	s := newMemoryCache()
	c.fill(s)
	kafkatest.Eventually(t, "everything is cached", func() bool { return s.reached()[0] >= records })
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, held := range s.partitions {
		if p.ID != 0 {
			continue
		}
		if got := positions(t, held.values); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func positions(t *testing.T, values map[iot.DeviceID][]byte) map[iot.DeviceID]int64 {
	t.Helper()
	got := make(map[iot.DeviceID]int64)
	for device, value := range values {
		if value == nil {
			continue
		}
		state, err := wire.DecodeDeviceState(value)
		if err != nil {
			t.Fatal(err)
		}
		got[device] = state.Offset
	}
	return got
}
