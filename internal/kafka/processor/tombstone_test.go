package processor

import (
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/wire"
)

// foldedStates has the position of the valid record of each device, by the rule for all readers of device-state: the record with the
// highest position is valid, and the last among equal ones. A tombstone of another program has no position and deletes the device.
type foldedStates map[string]iot.Position

func (s foldedStates) apply(r *kgo.Record) (present bool) {
	position, ours := kafka.TombstonePosition(r)
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
	c := &kafkatest.Cluster{Topics: kafka.DefaultTopics()}
	rapid.Check(t, func(t *rapid.T) {
		reader := stateReader{fits: func(_ int32, p iot.Position) bool { return p.Offset < 9 }}
		kept, gone := make(keptStates), make(map[string]bool)
		want := make(foldedStates)
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			device, offset := rapid.IntRange(0, 2).Draw(t, "device"), rapid.Int64Range(1, 10).Draw(t, "position")
			r := c.State(device, float64(offset))
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				r = c.Tombstone(device, offset)
			case 1:
				r = c.Tombstone(device, 0)
			}
			reader.keep(kept, []*kgo.Record{r}, 100)
			if p, ours := kafka.TombstonePosition(r); r.Value == nil && ours && p.Offset >= 9 || r.Value != nil && offset >= 9 {
				continue // It does not fit.
			}
			before := want[string(r.Key)]
			if want.apply(r); want[string(r.Key)] != before || before.Offset == offset {
				gone[string(r.Key)] = r.Value == nil
			}
		}
		got := make(foldedStates)
		for key, k := range kept {
			got[key] = k.position
			if k.deleted != gone[key] {
				t.Errorf("%s: got gone %v, want %v", key, k.deleted, gone[key])
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestARestoreOmitsDeletedDevices(t *testing.T) {
	c := startCluster(t)
	want, _ := c.Deletions()
	if got := c.restored(0); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// restored returns the positions of the states that a processor restores of a partition, by device.
func (c *cluster) restored(id int32) map[iot.DeviceID]int64 {
	c.T.Helper()
	w, err := newWriter(c.Dial, c.Topics, "test", kafka.TransactionTimeout)
	if err != nil {
		c.T.Fatal(err)
	}
	defer w.close()
	s := &session{Processor: New(Options{Dial: c.Dial, Topics: c.Topics, Group: "test", Logger: c.Dial.Logger}), writer: w}
	states, err := s.readStates(c.T.Context(), []int32{id}, func(int32, iot.Position) bool { return true })
	if err != nil {
		c.T.Fatal(err)
	}
	got := make(map[iot.DeviceID]int64)
	for device, state := range states[id] {
		got[iot.DeviceID(device)] = state.Offset
	}
	return got
}

// A record on device-state that no processor has written does not stop its partition, and does not replace a state of the same key.
func TestARestoreSkipsForeignRecords(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	id := string(kafkatest.Reading(0, time.Now(), 0).ID)
	foreign := func(key, value string) *kgo.Record {
		return &kgo.Record{Topic: c.Topics.States, Key: []byte(key), Value: []byte(value)}
	}
	const end = `,"partition":0,"epoch":0,"position":9}`
	other := c.State(kafkatest.Partitions, 9)
	c.Produce(client,
		c.State(0, 5),
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
