package statecache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/statecache"
	"iotmon/internal/wire"
)

var partition = statecache.Partition{Topic: "topic", ID: 1}

func record(offset int64, device, key string) statecache.Record {
	s := iot.DeviceState{Status: iot.Online, Position: iot.Position{Offset: offset}}
	s.Latest.ID, s.Latest.Type, s.Latest.Time = iot.DeviceID(device), iot.Temperature, time.UnixMicro(offset).UTC()
	return statecache.Record{Partition: partition, Offset: offset, Key: []byte(key), Value: wire.AppendDeviceState(nil, &s)}
}

func says(offset int64, device string) statecache.Record { return record(offset, device, device) }

// log holds one partition. After each open it returns every record from the resumed offset on once.
type log struct {
	mu      sync.Mutex
	start   int64
	records []statecache.Record
	opens   int
	opened  func(released func(statecache.Partition))
	fail    error
}

func (l *log) add(records ...statecache.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, records...)
}

func (l *log) open(resume statecache.Resume, released func(statecache.Partition)) (statecache.Log, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opens++
	end := l.start
	if n := len(l.records); n > 0 {
		end = l.records[n-1].Offset + 1
	}
	from, err := resume(context.Background(), []statecache.Partition{partition}, func(context.Context) (map[statecache.Partition]statecache.Extent, error) {
		return map[statecache.Partition]statecache.Extent{partition: {Start: l.start, End: end}}, nil
	})
	if err != nil {
		return nil, err
	}
	if l.opened != nil {
		l.opened(released)
	}
	return &reading{l, from[partition]}, nil
}

type reading struct {
	*log
	next int64
}

func (r *reading) Poll(ctx context.Context) ([]statecache.Record, error) {
	for {
		r.mu.Lock()
		if err := r.fail; err != nil {
			r.fail = nil
			r.mu.Unlock()
			return nil, err
		}
		var found []statecache.Record
		for _, record := range r.records {
			if record.Offset >= r.next {
				found = append(found, record)
			}
		}
		r.mu.Unlock()
		if len(found) > 0 {
			r.next = found[len(found)-1].Offset + 1
			return found, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *reading) Close() {}

// cache is a statecache.Cache in a map.
type cache struct {
	mu     sync.Mutex
	begun  bool
	next   int64
	states map[string]int64
	calls  int
	down   bool
}

func (c *cache) Next(context.Context, statecache.Partition) (int64, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return 0, false, errors.New("away")
	}
	return c.next, c.begun, nil
}

func (c *cache) Apply(_ context.Context, b *statecache.Batch) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.down {
		return false, errors.New("away")
	}
	if b.First {
		c.begun, c.next, c.states = true, b.From, make(map[string]int64)
	}
	if !c.begun || c.next != b.From {
		return false, nil
	}
	for _, s := range b.States {
		if delete(c.states, s.Key); s.State != nil {
			c.states[s.Key] = s.State.Offset
		}
	}
	c.next = b.Next
	return true, nil
}

func (c *cache) Load(context.Context, statecache.Partition, func([]byte)) (int64, bool, error) {
	return 0, false, errors.New("not used in this test")
}

func (c *cache) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// fill runs a filler, in a bubble of testing/synctest, while it calls do, and stops it when do returns.
func fill(t *testing.T, l *log, c *cache, do func(run func(time.Duration))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		filler := statecache.NewFiller(statecache.Options{Open: l.open, Cache: c, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		done := make(chan error)
		go func() { done <- filler.Run(ctx) }()
		do(func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (c *cache) expect(t *testing.T, next int64, want ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var got []string
	for _, device := range slices.Sorted(maps.Keys(c.states)) {
		got = append(got, fmt.Sprintf("%s %d", device, c.states[device]))
	}
	if !slices.Equal(got, want) || c.next != next {
		t.Errorf("got %q up to %d, want %q up to %d", got, c.next, want, next)
	}
}

func TestTheNewestStatesAreCached(t *testing.T) {
	l, c := &log{}, &cache{}
	l.add(says(0, "a"), says(1, "b"), says(3, "a"), record(4, "z", "\x00restore"), record(5, "b", "other"),
		statecache.Record{Partition: partition, Offset: 6, Key: []byte("c"), Value: []byte("nonsense")}, says(7, "d"),
		statecache.Record{Partition: partition, Offset: 8, Key: []byte("d")})
	fill(t, l, c, func(run func(time.Duration)) {
		run(time.Second)
		c.expect(t, 9, "a 3", "b 1")
		if c.calls != 1 {
			t.Errorf("got %d writes of one batch", c.calls)
		}
		l.add(says(9, "b"))
		run(time.Second)
		c.expect(t, 10, "a 3", "b 9")
	})
}

func TestAnEmptyLogIsCachedToo(t *testing.T) {
	l, c := &log{start: 40}, &cache{}
	fill(t, l, c, func(run func(time.Duration)) {
		run(time.Second)
		c.expect(t, 40)
		if !c.begun {
			t.Error("the partition does not count as cached, so web instances read it from the log")
		}
	})
}

func TestAFillerContinuesFromTheOffsetInTheCache(t *testing.T) {
	l := &log{}
	l.add(says(0, "a"), says(1, "b"), says(2, "a"))
	for _, test := range []struct {
		name  string
		start int64
		cache *cache
		want  []string
	}{
		{"in the middle", 0, &cache{begun: true, next: 2, states: map[string]int64{"a": 0, "b": 1}}, []string{"a 2", "b 1"}},
		{"at the end", 0, &cache{begun: true, next: 3, states: map[string]int64{"a": 2, "b": 1}}, []string{"a 2", "b 1"}},
		{"beyond it", 0, &cache{begun: true, next: 9, states: map[string]int64{"x": 8}}, []string{"a 2", "b 1"}},
		{"before the log", 1, &cache{begun: true, next: 0, states: map[string]int64{"x": 0}}, []string{"a 2", "b 1"}},
		{"nowhere", 0, &cache{}, []string{"a 2", "b 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.cache
			fill(t, &log{start: test.start, records: l.records}, c, func(run func(time.Duration)) {
				run(time.Second)
				c.expect(t, 3, test.want...)
			})
		})
	}
}

func TestAFillerWaitsForACacheThatCannotBeReached(t *testing.T) {
	l, c := &log{}, &cache{down: true}
	l.add(says(0, "a"))
	fill(t, l, c, func(run func(time.Duration)) {
		run(30 * time.Second)
		c.set(func() { c.down = false })
		run(10 * time.Second)
		c.expect(t, 1, "a 0")
		c.set(func() { c.down = true })
		l.add(says(1, "a"), says(2, "b"))
		run(30 * time.Second)
		l.add(says(3, "b"))
		c.set(func() { c.down = false })
		run(10 * time.Second)
		c.expect(t, 4, "a 1", "b 3")
	})
}

func TestACacheThatWasEmptiedIsFilledAgain(t *testing.T) {
	l, c := &log{}, &cache{}
	l.add(says(0, "a"), says(1, "b"))
	fill(t, l, c, func(run func(time.Duration)) {
		run(time.Second)
		c.set(func() { c.begun, c.states = false, nil })
		l.add(says(2, "c"))
		run(5 * time.Second)
		c.expect(t, 3, "a 0", "b 1", "c 2")
		// Also when the log has nothing new.
		c.set(func() { c.begun, c.states = false, nil })
		run(15 * time.Second)
		c.expect(t, 3, "a 0", "b 1", "c 2")
	})
}

func TestAReleasedPartitionIsNotWritten(t *testing.T) {
	l, c := &log{}, &cache{}
	l.add(says(0, "a"))
	l.opened = func(released func(statecache.Partition)) { released(partition) }
	fill(t, l, c, func(run func(time.Duration)) {
		run(time.Minute)
		if c.calls != 0 || l.opens != 1 {
			t.Errorf("got %d writes after %d opens, want none after 1", c.calls, l.opens)
		}
	})
}

func TestALogThatFailsIsOpenedAgain(t *testing.T) {
	l, c := &log{fail: errors.New("gone")}, &cache{}
	l.add(says(0, "a"))
	fill(t, l, c, func(run func(time.Duration)) {
		run(5 * time.Second)
		c.expect(t, 1, "a 0")
		if l.opens != 2 {
			t.Errorf("got %d opens, want 2", l.opens)
		}
	})
}
