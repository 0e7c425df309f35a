package decisions_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// An entry with a parent, and an outage, wait until every processor knows them. An entry without one, and a rule, do not wait behind them.
func TestParentsWaitUntilEveryProcessorKnowsThem(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelParents - min(uint8(id), 1), Devices: -1})
	}
	below := control.DeviceObject(device(1), &iot.DeviceEntry{Version: 1, Parent: "gateway"})
	if _, err := log.Append(t.Context(), []control.Object{below, entry(2, 1, "x"), rule(1)}); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	silent := control.Outage{Parent: device(9), Partition: 1, Outage: iot.Outage{Silent: true, For: iot.MaxOutage}}
	if err := log.Outages(t.Context(), []control.Outage{silent}); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelParents, Devices: -1})
	}
	if _, err := log.Append(t.Context(), []control.Object{below}); err != nil {
		t.Fatal(err)
	}
	if err := log.Outages(t.Context(), []control.Outage{silent}); err != nil {
		t.Fatal(err)
	}
	kinds := make(map[iot.Kind][]uint8)
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		kind := kafka.KindOf(r)
		if kind.Kind == iot.KindOutage {
			said, err := wire.DecodeOutage(r.Value)
			if err != nil || said != silent.Outage || r.Partition != 1 || string(r.Key) != string(silent.Parent.ID) || !kind.Deciding {
				t.Errorf("got %s %s in partition %d, %v", r.Key, r.Value, r.Partition, err)
			}
		}
		kinds[kind.Kind] = append(kinds[kind.Kind], kind.Level)
		return len(kinds[iot.KindOutage]) == 1 && len(kinds[iot.KindDevice]) == 2 && len(kinds[iot.KindRule]) == kafkatest.Partitions
	})
	if got := kinds[iot.KindDevice]; !slices.Contains(got, iot.EntryLevelPlain) || !slices.Contains(got, iot.EntryLevelParent) {
		t.Errorf("got entries of the levels %v", got)
	}
}

// What is in force of parents and outages is read from what the processors commit, and what differs is said.
func TestOutagesInForceAreFollowed(t *testing.T) {
	l := kafkatest.NewLog(t)
	inForce, log := follow(t, l), newLog(t, l)
	gateway := iot.Identity{ID: "gateway"}
	var silent atomic.Bool
	parents := control.NewParents(control.ParentsOptions{
		InForce: inForce, Log: log, Complete: func() bool { return true }, Logger: kafkatest.Quiet(),
		State: func(id iot.Identity) (iot.DeviceState, bool) {
			state := iot.DeviceState{Position: iot.Position{Partition: 2, Offset: 50}}
			if silent.Load() {
				state.Offset, state.Alerts = 40, []iot.AlertState{{Rule: iot.RuleOffline, Raised: new(iot.Alert)}}
			}
			return state, id == gateway
		},
	})
	silent.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- parents.Run(ctx) }()
	defer func() { cancel(); <-done }()
	below := iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Parent: gateway.ID}, Position: iot.Position{Partition: 1, Offset: 3}}
	put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendInForceKey(nil, wire.EntryInForce, device(1)), Value: wire.AppendEntryInForce(nil, &below)})
	said := 0
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindOutage {
			return false
		}
		o, err := wire.DecodeOutage(r.Value)
		if err != nil || r.Partition != 1 {
			t.Errorf("got %s in partition %d, %v", r.Value, r.Partition, err)
		}
		if said++; said == 1 {
			if !o.Silent || o.Evidence.Offset != 40 {
				t.Errorf("got %+v", o)
			}
			o := iot.OutageInForce{Silent: true, Evidence: o.Evidence, Since: time.Unix(1e9, 0), Until: time.Unix(1e9, 0).Add(o.For), Position: iot.Position{Partition: 1, Offset: 7}}
			put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendInForceKey(nil, wire.OutageInForce, gateway), Value: wire.AppendOutageInForce(nil, &o)})
			silent.Store(false)
		}
		return !o.Silent
	})
}
