package kafka

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/live"
	"iotmon/internal/wire"
)

// tombstone returns the record that deletes a device at a position; offset 0 is another program's.
func (c *cluster) tombstone(device int, offset int64) *kgo.Record {
	r := c.state(device, 0)
	r.Value = nil
	if offset > 0 {
		position := iot.Position{Partition: r.Partition, Offset: offset}
		r.Headers = []kgo.RecordHeader{{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, position)}}
	}
	return r
}

// standing folds records of device-state as every reader must: the highest position stands, and of equal ones the last;
// what another program has deleted is gone until a state follows.
type standing map[string]iot.Position

func (s standing) take(r *kgo.Record) (present bool) {
	position, ours := tombstonePosition(r)
	if r.Value != nil {
		position, _ = wire.StatePosition(r.Value)
	} else if !ours {
		delete(s, string(r.Key))
		return false
	}
	if before, known := s[string(r.Key)]; known && position.Compare(before) < 0 {
		return true
	}
	s[string(r.Key)] = position
	return true
}

func TestARestoreFoldsTheStatesByPosition(t *testing.T) {
	c := &cluster{topics: DefaultTopics()}
	rapid.Check(t, func(t *rapid.T) {
		reader := stateReader{fits: func(_ int32, p iot.Position) bool { return p.Offset < 9 }}
		kept, gone := make(keptStates), make(map[string]bool)
		want := make(standing)
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			device, offset := rapid.IntRange(0, 2).Draw(t, "device"), rapid.Int64Range(1, 10).Draw(t, "position")
			r := c.state(device, float64(offset))
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				r = c.tombstone(device, offset)
			case 1:
				r = c.tombstone(device, 0)
			}
			reader.keep(kept, []*kgo.Record{r}, 100)
			if p, ours := tombstonePosition(r); r.Value == nil && ours && p.Offset >= 9 || r.Value != nil && offset >= 9 {
				continue // It does not fit.
			}
			before := want[string(r.Key)]
			if want.take(r); want[string(r.Key)] != before || before.Offset == offset {
				gone[string(r.Key)] = r.Value == nil
			}
		}
		got := make(standing)
		for key, k := range kept {
			got[key] = k.position
			if k.gone != gone[key] {
				t.Errorf("%s: got gone %v, want %v", key, k.gone, gone[key])
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// A device that was deleted is gone for whoever reads states, before and after they are compacted: an older tombstone
// deletes no newer state, and an older state brings no device back.
func TestADeletedDeviceIsGoneForEveryReader(t *testing.T) {
	c := startCluster(t)
	client := c.client()
	const partitions = testPartitions
	c.produce(client, // All of partition 0.
		c.state(0, 5), c.tombstone(0, 7), // Deleted.
		c.state(1*partitions, 9), c.tombstone(1*partitions, 8), // By a processor that had lost the partition.
		c.state(2*partitions, 5), c.tombstone(2*partitions, 6), c.state(2*partitions, 7), // Deleted, and back.
		c.state(3*partitions, 5), c.tombstone(3*partitions, 0), // By another program.
		c.state(4*partitions, 5), c.tombstone(4*partitions, 0), c.state(4*partitions, 6),
		c.state(5*partitions, 5),
	)
	want := make(map[iot.DeviceID]int64)
	for device, position := range map[int]int64{1: 9, 2: 7, 4: 6, 5: 5} {
		want[reading(device*partitions, time.Now(), 0).ID] = position
	}
	check := func(who string, got map[iot.DeviceID]int64) {
		t.Helper()
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", who, got, want)
		}
	}
	check("restore", c.restored(0))
	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	check("live view", standingOf(drain(batches)))
	s := newShelf()
	c.fill(s)
	eventually(t, "everything is cached", func() bool { return s.reached()[0] >= 13 })
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, held := range s.partitions {
		if p.ID == 0 {
			check("cache", positions(t, held.values))
		}
	}
}

// restored returns the positions of the states that a processor restores of a partition, by device.
func (c *cluster) restored(id int32) map[iot.DeviceID]int64 {
	c.t.Helper()
	w, err := newWriter(c.dial, c.topics, "test")
	if err != nil {
		c.t.Fatal(err)
	}
	defer w.close()
	s := &session{Processor: NewProcessor(ProcessorOptions{Dial: c.dial, Topics: c.topics, Group: "test", Logger: c.dial.Logger}), writer: w}
	states, err := s.readStates(c.t.Context(), []int32{id}, func(int32, iot.Position) bool { return true })
	if err != nil {
		c.t.Fatal(err)
	}
	got := make(map[iot.DeviceID]int64)
	for device, state := range states[id] {
		got[device] = state.Offset
	}
	return got
}

// standingOf applies what a tail has handed over, as it is meant to be.
func standingOf(batch live.Batch) map[iot.DeviceID]int64 {
	got := make(map[iot.DeviceID]int64)
	gone := make(map[iot.DeviceID]int64)
	for _, f := range batch.Forgotten {
		gone[f.Device] = max(gone[f.Device], f.Offset)
	}
	for i := range batch.States {
		if s := &batch.States[i]; s.Offset > gone[s.Latest.ID] {
			got[s.Latest.ID] = max(got[s.Latest.ID], s.Offset)
		}
	}
	return got
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

// Records on device-state that no processor has written must not keep a partition from being processed, and not take the place of
// a state that one has.
func TestARestorePassesOverWhatIsNoState(t *testing.T) {
	c := startCluster(t)
	client := c.client()
	id := string(reading(0, time.Now(), 0).ID)
	foreign := func(key, value string) *kgo.Record {
		return &kgo.Record{Topic: c.topics.States, Key: []byte(key), Value: []byte(value)}
	}
	const end = `,"partition":0,"epoch":0,"position":9}`
	other := c.state(testPartitions, 9)
	c.produce(client,
		c.state(0, 5),
		foreign(id, "not JSON"),
		foreign(id, `{"reading":[]`+end),
		foreign(id, `{"reading":{"device_id":"x"}`+end),
		foreign(id, string(other.Value)), // Another device's.
		foreign("", `{"a":1`+end),
		foreign("unknown", `{"a":1`+end),
	)
	got := c.restored(0)
	if want := (map[iot.DeviceID]int64{iot.DeviceID(id): 5}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestForgettingIsARecordInTheDevicesPartition(t *testing.T) {
	c := startCluster(t)
	p := c.producer(ProducerOptions{})
	sent := someReadings(10)
	if err := p.Append(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if err := p.Forget(t.Context(), sent[3].ID); err != nil {
		t.Fatal(err)
	}
	partitions := make(map[string]string)
	for _, r := range c.read(c.topics.Readings, len(sent)+1) {
		if !wire.Forgets(r.Key, r.Value) {
			partitions[string(r.Key)] = fmt.Sprint(r.Partition)
			continue
		}
		if got, want := string(r.Key), string(sent[3].ID); got != want || partitions[got] != fmt.Sprint(r.Partition) || isTick(r) {
			t.Errorf("got %q in partition %d, want %q in partition %s", got, r.Partition, want, partitions[want])
		}
		partitions["forgotten"] = ""
	}
	if _, found := partitions["forgotten"]; !found {
		t.Error("no record without a value was appended")
	}
}
