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
	"iotmon/internal/kafka/processor"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

var (
	hallPeers = iot.Peers{Area: "hall", Type: iot.Temperature}
	deviates  = iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Version: 1, Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3},
	}}
)

// A rule about a deviation, and a median, wait until every processor knows them. A rule of another kind does not wait behind them.
func TestDeviationsWaitUntilEveryProcessorKnowsThem(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelDeviation - min(uint8(id), 1), Devices: -1})
	}
	if _, err := log.Append(t.Context(), []control.Object{control.RuleObject(&deviates), rule(1)}); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	median := control.Reference{
		Peers: hallPeers, Partition: 1, Reference: iot.Reference{Median: 20, Devices: 5, Newest: time.Unix(1e9, 0).UTC(), For: time.Minute},
	}
	if err := log.References(t.Context(), []control.Reference{median}); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelDeviation, Devices: -1})
	}
	if _, err := log.Append(t.Context(), []control.Object{control.RuleObject(&deviates)}); err != nil {
		t.Fatal(err)
	}
	if err := log.References(t.Context(), []control.Reference{median}); err != nil {
		t.Fatal(err)
	}
	kinds := make(map[iot.Kind][]uint8)
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		kind := kafka.KindOf(r)
		if kind.Kind == iot.KindReference {
			got, err := wire.DecodeReference(r.Value)
			peers, err2 := wire.DecodePeersKey(r.Key)
			if err != nil || err2 != nil || got != median.Reference || peers != median.Peers || r.Partition != 1 || !kind.Deciding {
				t.Errorf("got %q %s in partition %d, %v, %v", r.Key, r.Value, r.Partition, err, err2)
			}
		}
		kinds[kind.Kind] = append(kinds[kind.Kind], kind.Level)
		return len(kinds[iot.KindReference]) == 1 && len(kinds[iot.KindRule]) == 2*kafkatest.Partitions
	})
	if got := kinds[iot.KindRule]; !slices.Contains(got, iot.RuleLevelPlain) || !slices.Contains(got, iot.RuleLevelDeviation) {
		t.Errorf("got rules of the levels %v", got)
	}
}

// What is in force of medians is read from what the processors commit: a process that knows less than another one appends nothing as long as
// the median of that one is in force.
func TestReferencesInForceAreFollowed(t *testing.T) {
	l := kafkatest.NewLog(t)
	inForce, log := follow(t, l), newLog(t, l)
	newest := time.Unix(1e9, 0).UTC()
	another := iot.ReferenceInForce{
		Reference: iot.Reference{Median: 50, Devices: 9, Newest: newest.Add(time.Hour), For: time.Minute}, Position: iot.Position{Partition: 1, Offset: 7},
	}
	key := wire.AppendReferenceKey(nil, hallPeers)
	inAll := iot.RuleInForce{RuleEntry: deviates, Position: iot.Position{Partition: 1, Offset: 8}}
	put(t, l, true, &kgo.Record{Partition: 1, Key: key, Value: wire.AppendReferenceInForce(nil, &another)})
	put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendRuleKey(nil, "odd"), Value: wire.AppendRuleInForce(nil, &inAll)}, entryRecord(1, 1, 1, 9))
	wait(t, inForce, control.DeviceRef(device(1)), 1)

	var value, steps atomic.Int64
	value.Store(20)
	references := control.NewReferences(control.ReferencesOptions{
		InForce: inForce, Log: log, Complete: func() bool { return true }, OfflineAfter: time.Second, Logger: kafkatest.Quiet(),
		Each: func(visit func(*iot.DeviceState) bool) {
			steps.Add(1)
			for i := range iot.MinPeers {
				visit(&iot.DeviceState{
					Latest: iot.Reading{
						Device: iot.Device{ID: device(100 + i).ID, Type: iot.Temperature, Location: iot.Location{Building: "hall"}}, Value: float64(value.Load()),
					},
					Status: iot.Online, LastSeen: newest, Position: iot.Position{Partition: 1, Offset: 50},
				})
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- references.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for steps.Load() < 2 {
		time.Sleep(20 * time.Millisecond)
	}
	value.Store(30)
	put(t, l, true, &kgo.Record{Partition: 1, Key: key})
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindReference {
			return false
		}
		if got, err := wire.DecodeReference(r.Value); err != nil || got.Median != 30 || r.Partition != 1 {
			t.Errorf("got %s in partition %d first, %v, want what follows after the other one had ended", r.Value, r.Partition, err)
		}
		return true
	})
}

// The sequence of a rolling update: an old consumer runs beside new ones, and web services know medians already. What the partitions have committed
// is of the old level until somebody has said that no old consumer is left, and until then no median is appended to any of them.
func TestMediansAndPointsWaitForTheEndOfTheUpgrade(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	options := process.Options{Admission: &iot.Admission{Catalog: catalog}, Window: time.Minute, OfflineAfter: time.Minute}
	var partitions []*process.Partition
	for id := range int32(kafkatest.Partitions) {
		partitions = append(partitions, process.New(&options, id, process.Checkpoint{Level: process.LevelDeviation - 1}, false))
	}
	references := make([]control.Reference, len(partitions))
	for id, p := range partitions {
		commit(t, l, int32(id), p.Checkpoint())
		references[id] = control.Reference{
			Peers: hallPeers, Partition: int32(id), Reference: iot.Reference{Median: 20, Devices: 5, Newest: time.Unix(1e9, 0).UTC(), For: time.Minute},
		}
	}
	points := []control.MachinePoints{{Machine: iot.Machine{Area: "press"}, Partition: 1, Points: iot.Points{pressure(4)}}}
	byPoints := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "jam", Version: 1, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Expression, Expression: `point("pressure").value > 3`},
	}}
	refused := func(when string) {
		t.Helper()
		_, err := log.Append(t.Context(), []control.Object{control.RuleObject(&byPoints)})
		for what, err := range map[string]error{"medians": log.References(t.Context(), references), "points": log.Points(t.Context(), points), "a rule": err} {
			if !errors.Is(err, control.ErrOlder) {
				t.Errorf("%s: got %v of %s", when, err, what)
			}
		}
	}
	refused("before the upgrade is over")
	if _, err := processor.FinishUpgrade(t.Context(), l.Dial, l.Topics.Readings); err != nil {
		t.Fatal(err)
	}
	levels := 0
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindLevel {
			t.Errorf("got a %v before the upgrade is over", kafka.KindOf(r))
		}
		rec := process.Record{Offset: r.Offset, Appended: r.Timestamp, Value: r.Value, RecordKind: kafka.KindOf(r)}
		if err := partitions[r.Partition].Process([]process.Record{rec}, discard{}); err != nil {
			t.Error(err)
		}
		levels++
		return levels == len(partitions)
	})
	for id, p := range partitions[1:] {
		commit(t, l, int32(id+1), p.Checkpoint())
	}
	refused("while one partition may have an old owner")
	commit(t, l, 0, partitions[0].Checkpoint())
	_, err = log.Append(t.Context(), []control.Object{control.RuleObject(&byPoints)})
	if err := errors.Join(err, log.References(t.Context(), references), log.Points(t.Context(), points)); err != nil {
		t.Fatal(err)
	}
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		kind := kafka.KindOf(r)
		if kind.Kind != iot.KindPoints {
			return false
		}
		got, err := wire.DecodePoints(r.Value)
		machine, err2 := wire.DecodeMachineKey(r.Key)
		if err != nil || err2 != nil || got[0] != points[0].Points[0] || machine != points[0].Machine || r.Partition != 1 || !kind.Deciding {
			t.Errorf("got %q %s in partition %d, %v, %v", r.Key, r.Value, r.Partition, err, err2)
		}
		return true
	})
}

// pressure is the point of that name with a value.
func pressure(value float64) iot.Point {
	return iot.Point{
		Name: "pressure", Device: "pressure", Good: true, Value: value, Seen: time.Unix(1e9, 0).UTC(), For: time.Minute, Evidence: iot.Position{Partition: 2, Offset: int64(value)},
	}
}

// Which points are in force is read from what the processors commit: nothing is appended that is in force, or older.
func TestPointsInForceAreFollowed(t *testing.T) {
	l := kafkatest.NewLog(t)
	inForce, log := follow(t, l), newLog(t, l)
	rule := iot.RuleInForce{RuleEntry: iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "jam", Version: 1, Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature},
		Condition: iot.Condition{Kind: iot.Expression, Expression: `point("pressure").value > 3`},
	}}, Position: iot.Position{Partition: 1, Offset: 8}}
	key := wire.AppendPointsKey(nil, iot.Machine{Area: "press"})
	another := iot.PointsInForce{Points: iot.Points{pressure(50)}, Position: iot.Position{Partition: 1, Offset: 7}}
	put(t, l, true, &kgo.Record{Partition: 1, Key: key, Value: wire.AppendPointsInForce(nil, &another)})
	put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendRuleKey(nil, "jam"), Value: wire.AppendRuleInForce(nil, &rule)}, entryRecord(1, 1, 1, 9))
	wait(t, inForce, control.DeviceRef(device(1)), 1)

	state := func(device iot.DeviceID, typ iot.DeviceType, value float64, partition int32) iot.DeviceState {
		return iot.DeviceState{
			Latest: iot.Reading{Device: iot.Device{ID: device, Type: typ, Location: iot.Location{Building: "press"}}, Value: value},
			Status: iot.Online, LastSeen: time.Unix(1e9, 0).UTC(), Position: iot.Position{Partition: partition, Offset: int64(value)},
		}
	}
	var value, steps atomic.Int64
	value.Store(40)
	points := control.NewPoints(control.PointsOptions{
		InForce: inForce, Log: log, Complete: func() bool { steps.Add(1); return true }, OfflineAfter: time.Second, Logger: kafkatest.Quiet(),
		Each: func(visit func(*iot.DeviceState) bool) {
			a, b := state("a", iot.Temperature, 20, 1), state("pressure", iot.Pressure, 40, 2)
			_ = visit(&a) && visit(&b)
		},
		State: func(id iot.Identity) (iot.DeviceState, bool) {
			s := state(id.ID, iot.Pressure, float64(value.Load()), 2)
			s.LastSeen = s.LastSeen.Add(time.Duration(value.Load()) * time.Millisecond)
			return s, true
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- points.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for steps.Load() < 3 {
		time.Sleep(20 * time.Millisecond)
	}
	value.Store(30)
	put(t, l, true, &kgo.Record{Partition: 1, Key: key})
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		if kafka.KindOf(r).Kind != iot.KindPoints {
			return false
		}
		if got, err := wire.DecodePoints(r.Value); err != nil || got[0].Value != 30 || r.Partition != 1 {
			t.Errorf("got %s in partition %d first, %v, want what follows after the other one had ended", r.Value, r.Partition, err)
		}
		return true
	})
}

// discard is a process.Output.
type discard struct{}

func (discard) Summary(*iot.WindowSummary)           {}
func (discard) Alert(*iot.Alert)                     {}
func (discard) Areas(*iot.DeviceAreas)               {}
func (discard) State(*iot.DeviceState)               {}
func (discard) Forget(iot.Identity, iot.Position)    {}
func (discard) InForce([]byte, []byte, iot.Position) {}
func (discard) Reject(*process.Reject)               {}
