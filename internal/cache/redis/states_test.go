package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/statecache"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

var partition = statecache.Partition{Topic: "0123456789abcdef", ID: 3}

// state returns the state of a device at an offset.
func state(id string, offset int64) statecache.State {
	s := iot.DeviceState{Status: iot.Online, Position: iot.Position{Partition: partition.ID, Offset: offset}}
	s.Latest = iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(id), Type: iot.Temperature, Unit: "°C", Location: iot.Location{Building: "A栋", Floor: 2, Room: "201"}},
		Time:   time.UnixMicro(1_700_000_000_000_000 + offset).UTC(), Value: float64(offset) + 0.5,
	}
	s.Since, s.LastSeen = s.Latest.Time, s.Latest.Time
	return statecache.State{Key: string(s.Latest.ID), State: &s, Value: wire.AppendDeviceState(nil, &s)}
}

func batch(from, next int64, states ...statecache.State) *statecache.Batch {
	return &statecache.Batch{Partition: partition, From: from, Next: next, States: states}
}

func first(from, next int64, states ...statecache.State) *statecache.Batch {
	b := batch(from, next, states...)
	b.First = true
	return b
}

type probe struct {
	t *testing.T
	States
}

func newProbe(t *testing.T) probe {
	t.Helper()
	return probe{t, States{open(t, testenv.Redis(t))}}
}

func (p probe) apply(b *statecache.Batch, want bool) {
	p.t.Helper()
	if applied, err := p.Apply(p.t.Context(), b); err != nil || applied != want {
		p.t.Fatalf("apply %d to %d: got %v, %v, want %v", b.From, b.Next, applied, err, want)
	}
}

// expect compares the cached states, as "device offset", and the offset up to which the partition is complete.
func (p probe) expect(next int64, cached bool, want ...string) {
	p.t.Helper()
	var got []string
	at, ok, err := p.Load(p.t.Context(), partition, func(value []byte) {
		s, err := wire.DecodeDeviceState(value)
		if err != nil {
			p.t.Error(err)
		}
		got = append(got, fmt.Sprintf("%s %d", s.Latest.ID, s.Offset))
	})
	if err != nil || ok != cached || cached && at != next {
		p.t.Fatalf("load: got %d, %v, %v, want %d, %v", at, ok, err, next, cached)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		p.t.Errorf("got %q, want %q", got, want)
	}
	if at, ok, err := p.Next(p.t.Context(), partition); err != nil || ok != cached || cached && at != next {
		p.t.Errorf("next: got %d, %v, %v, want %d, %v", at, ok, err, next, cached)
	}
}

func TestStatesAreAppliedInOrder(t *testing.T) {
	p := newProbe(t)
	p.expect(0, false)
	p.apply(batch(0, 5, state("a", 1)), false)
	p.expect(0, false)
	p.apply(first(0, 5, state("a", 1), state("b", 4)), true)
	p.expect(5, true, "a 1", "b 4")
	p.apply(batch(5, 9, state("a", 7)), true)
	p.expect(9, true, "a 7", "b 4")
	p.apply(batch(5, 9, state("a", 7)), false)                         // Twice, as after an answer that was lost.
	p.apply(batch(12, 15, state("c", 14)), false)                      // With a gap.
	p.apply(batch(9, 9), true)                                         // Only to look after it.
	p.apply(batch(9, 12, statecache.State{Key: "b"}), true)            // Deleted.
	p.apply(batch(12, 13, statecache.State{Key: "never known"}), true) //
	p.expect(13, true, "a 7")
	p.apply(first(2, 3, state("d", 2)), true)
	p.expect(3, true, "d 2")
}

func TestStatesOfAnotherTopicAreNotKnown(t *testing.T) {
	p := newProbe(t)
	p.apply(first(0, 5, state("a", 1)), true)
	anew := batch(5, 6, state("a", 5))
	anew.Topic = "fedcba9876543210"
	p.apply(anew, false)
	if _, cached, err := p.Next(t.Context(), anew.Partition); cached || err != nil {
		t.Errorf("got %v, %v, want that it is not cached", cached, err)
	}
	anew.First = true
	p.apply(anew, true)
	p.expect(0, false)
}

func TestManyStates(t *testing.T) {
	p := newProbe(t)
	var states []statecache.State
	var want []string
	for i := range 2*statesPerScript + 7 {
		id := fmt.Sprintf("device_%05d", i)
		states = append(states, state(id, int64(i)))
		want = append(want, fmt.Sprintf("%s %d", id, i))
	}
	p.apply(first(0, int64(len(states)), states...), true)
	p.expect(int64(len(states)), true, want...)
	p.apply(batch(int64(len(states)), 5000, states...), true)
	p.expect(5000, true, want...)
}

// If another filler clears the partition during a scan, the scan may have missed states. It must fail.
func TestLoadOfWhatIsBegunAnewFails(t *testing.T) {
	p := newProbe(t)
	var states []statecache.State
	for i := range 3 * scanCount {
		states = append(states, state(fmt.Sprint("device_", i), int64(i)))
	}
	p.apply(first(0, 5000, states...), true)
	begun := false
	_, cached, err := p.Load(t.Context(), partition, func([]byte) {
		if !begun {
			begun = true
			p.apply(first(0, 5000, states...), true)
		}
	})
	if cached || err != nil {
		t.Errorf("got %v, %v, want that nothing is cached", cached, err)
	}
}

func TestLostStatesAreNoticed(t *testing.T) {
	p := newProbe(t)
	p.apply(first(0, 5, state("a", 1)), true)
	p.redis.Del(t.Context(), statesKey(partition))
	p.expect(0, false)
	p.apply(batch(5, 6, state("a", 5)), false)
	p.redis.Set(t.Context(), statesKey(partition), "somebody else's", 0)
	if _, err := p.Apply(t.Context(), batch(5, 6)); err == nil {
		t.Error("a key of another kind is overwritten")
	}
}

// Other systems read a device's hash.
func TestDevicesCanBeReadByOthers(t *testing.T) {
	p := newProbe(t)
	s := state("设备 1", 4)
	s.State.Alerts = []iot.AlertState{{Rule: "temperature_high", Raised: &iot.Alert{Rule: "temperature_high"}}}
	p.apply(first(0, 5, s), true)
	key := deviceKey("设备 1")
	got := p.redis.HGetAll(t.Context(), key).Val()
	want := map[string]string{
		"device_id": "设备 1", "device_type": "temperature_sensor", "value": "4.5", "timestamp": "2023-11-14T22:13:20.000004Z",
		"status": "online", "since": "2023-11-14T22:13:20.000004Z", "open_alerts": "1", "building": "A栋", "floor": "2",
		"room": "201", "partition": "3", "epoch": "0", "position": "4",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if ttl := p.redis.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("it lives for %v, want up to an hour", ttl)
	}
	if ttl := p.redis.PTTL(t.Context(), statesKey(partition)).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("the partition lives for %v, want up to an hour", ttl)
	}
	p.apply(batch(5, 6, statecache.State{Key: "设备 1"}), true)
	if n := p.redis.Exists(t.Context(), key).Val(); n != 0 {
		t.Error("the device was deleted and is still there")
	}
}

// A filler that has lost its partition and does not know it yet writes older states.
func TestDevicesDoNotBecomeOlder(t *testing.T) {
	p := newProbe(t)
	value := func() string { return p.redis.HGet(t.Context(), deviceKey("a"), "position").Val() }
	p.apply(first(0, 5, state("a", 4)), true)
	p.apply(batch(0, 3, state("a", 2)), false)
	if value() != "4" {
		t.Errorf("got position %s, want 4", value())
	}
	newer := state("a", 1)
	newer.State.Epoch = 1
	p.apply(batch(5, 6, newer), true)
	p.apply(batch(5, 6, state("a", 9)), false)
	if value() != "1" {
		t.Errorf("got position %s of an older epoch, want 1", value())
	}
	elsewhere := state("a", 0)
	elsewhere.State.Partition = 7
	p.apply(batch(6, 7, elsewhere), true)
	if value() != "0" {
		t.Errorf("got position %s, want that of the partition it has moved to", value())
	}
}

// Keys of one device, one partition and one answer are each by themselves, so that a cluster may spread them.
func TestAClusterAndASentinelDoAsWell(t *testing.T) {
	nodes := testenv.RedisCluster(t)
	for name, options := range map[string]Options{
		"cluster":  {URL: "redis://" + nodes[0], Addrs: nodes[1:]},
		"sentinel": {URL: "redis://" + testenv.RedisSentinel(t, "the-master"), Master: "the-master"},
	} {
		t.Run(name, func(t *testing.T) {
			options.Expiry = time.Hour
			c, err := Open(options)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := probe{t, States{c}}
			var states []statecache.State
			var want []string
			for i := range 2 * statesPerScript {
				states = append(states, state(fmt.Sprintf("device_%05d", i), int64(i)))
				want = append(want, fmt.Sprintf("device_%05d %d", i, i))
			}
			p.apply(first(0, 1000, states...), true)
			p.expect(1000, true, want...)
			p.apply(batch(1000, 1001, statecache.State{Key: "device_00999"}), true)
			p.expect(1001, true, want[:999]...)
			if got := c.redis.HGet(t.Context(), deviceKey("device_00007"), "value").Val(); got != "7.5" {
				t.Errorf("got value %q, want 7.5", got)
			}
			a := NewAnswers(c, func(string) {})
			a.Keep(t.Context(), "k", []byte("v"), time.Minute)
			if got, ok := a.Get(t.Context(), "k"); !ok || string(got) != "v" {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
}

func TestScriptsAreGivenToAServerThatForgot(t *testing.T) {
	env := testenv.Own(t, "redis")
	p := probe{t, States{open(t, env.RedisURL())}}
	p.apply(first(0, 5, state("a", 1)), true)
	if err := p.redis.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	p.apply(batch(5, 6, state("a", 5)), true)
	p.expect(6, true, "a 5")
	env.Kill("redis")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Apply(ctx, batch(6, 7)); err == nil || strings.Contains(err.Error(), "nil") {
		t.Errorf("got %v from a server that was killed", err)
	}
}

// A processor that has lost its partition may delete a device late. A newer state stays.
func TestADeletionGoesByItsPosition(t *testing.T) {
	p := newProbe(t)
	p.apply(first(0, 5, state("a", 4), state("b", 4), state("c", 4)), true)
	at := func(id string, offset int64) statecache.State {
		return statecache.State{Key: id, Deleted: iot.Position{Partition: partition.ID, Offset: offset}}
	}
	p.apply(batch(5, 9, at("a", 3), at("b", 5), at("c", 0)), true) // Of the last another program says so.
	for id, want := range map[string]int64{"a": 1, "b": 0, "c": 0} {
		if got, err := p.redis.Exists(t.Context(), deviceKey(id)).Result(); err != nil || got != want {
			t.Errorf("hash of %s: got %d, %v, want %d", id, got, err, want)
		}
	}
}
