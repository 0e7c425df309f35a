package decisions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/decisions"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

const group = "processors"

func newLog(t *testing.T, l *kafkatest.Log) *decisions.Log {
	t.Helper()
	log, err := decisions.NewLog(decisions.LogOptions{Dial: l.Dial, Topics: l.Topics, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}

func device(i int) iot.Identity { return iot.Identity{ID: iot.DeviceID(fmt.Sprint("device_", i))} }

func entry(i int, version int64, name string) control.Object {
	return control.DeviceObject(device(i), &iot.DeviceEntry{Version: version, Name: name})
}

func rule(version int64) control.Object {
	e := iot.RuleEntry{Version: version, Rule: iot.Rule{Name: "high", Severity: iot.Warning, Condition: iot.Condition{Threshold: 1}}}
	return control.RuleObject(&e)
}

func TestDecisionsAreAppendedWhereTheyBelong(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	const devices = 8
	var objects []control.Object
	for i := range devices {
		objects = append(objects, entry(i, 3, "x"))
	}
	ends, err := log.Append(t.Context(), append(objects, rule(2)))
	if err != nil {
		t.Fatal(err)
	}
	entries, rules := make(map[string]bool), make(map[int32]bool)
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		kind := kafka.KindOf(r)
		if kind.Level != 1 || !kind.Deciding || r.Offset >= ends[r.Partition] {
			t.Errorf("offset %d of partition %d, which ends at %d: got %+v", r.Offset, r.Partition, ends[r.Partition], kind)
		}
		switch kind.Kind {
		case iot.KindDevice:
			id, err := wire.DecodeDeviceKey(r.Key)
			e, err2 := wire.DecodeDeviceEntry(r.Value)
			if err != nil || err2 != nil || e.Version != 3 || log.PartitionOf(id, kafkatest.Partitions) != r.Partition {
				t.Errorf("partition %d: got %q %s, %v, %v", r.Partition, r.Key, r.Value, err, err2)
			}
			entries[string(r.Key)] = true
		case iot.KindRule:
			if e, err := wire.DecodeRuleEntry(r.Value); err != nil || e.Version != 2 || r.Key != nil {
				t.Errorf("got %s, %v", r.Value, err)
			}
			rules[r.Partition] = true
		default:
			t.Errorf("got kind %s", kind.Kind)
		}
		return len(entries) == devices && len(rules) == kafkatest.Partitions
	})
}

// Types are in every partition, as one record of a level that older consumers stop at, and therefore not before all partitions have that level.
func TestTypesAreAppendedToEveryPartition(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelTypes - min(uint8(id), 1), Devices: -1})
	}
	flow, level := iot.TypeSpec{Name: "flow", Unit: "L", Max: 9}, iot.TypeSpec{Name: "level", Unit: "m", Max: 9}
	objects := []control.Object{control.TypeObject(&flow), control.TypeObject(&level), entry(1, 1, "x")}
	if err := log.TypesAllowed(t.Context()); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	if _, err := log.Append(t.Context(), objects); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: process.LevelTypes, Devices: -1})
	}
	ends, err := log.Append(t.Context(), objects)
	if err != nil || len(ends) != kafkatest.Partitions {
		t.Fatal(ends, err)
	}
	found, entries := make(map[int32]int), 0
	l.Committed(l.Topics.Readings, func(r *kgo.Record) bool {
		switch kind := kafka.KindOf(r); kind.Kind {
		case iot.KindDevice:
			entries++ // Also while types were refused.
		case iot.KindSettings:
			s, err := wire.DecodeSettings(r.Value)
			if err != nil || kind.Level != iot.SettingsLevelTypes || !kind.Deciding || len(s.Types) != 2 || s.Types[0].Name != "flow" || r.Offset >= ends[r.Partition] {
				t.Errorf("got %+v, %+v, %v", kind, s, err)
			}
			found[r.Partition]++
		}
		return len(found) == kafkatest.Partitions && entries == 2
	})
}

// What is in force of the types is read from what the processors commit.
func TestLimitsInForceAreFollowed(t *testing.T) {
	l := kafkatest.NewLog(t)
	inForce := follow(t, l)
	limits := func(partition int32, since int64, decided ...iot.TypeSpec) *kgo.Record {
		s := iot.SettingsInForce{Since: since, Settings: iot.Settings{Window: time.Second, Limits: &iot.Limits{Types: iot.BuiltinTypes(), Decided: decided}}}
		return &kgo.Record{Partition: partition, Key: wire.AppendLimitsKey(nil, since), Value: wire.AppendSettingsInForce(nil, &s)}
	}
	flow := iot.TypeSpec{Name: "flow", Unit: "L", Max: 9}
	for id := range int32(kafkatest.Partitions) {
		put(t, l, true, limits(id, 0))
	}
	kafkatest.Eventually(t, "the configured types", func() bool { return inForce.Admits(iot.Temperature) })
	put(t, l, true, limits(0, 10, flow))
	kafkatest.Eventually(t, "a type in one partition", func() bool {
		everywhere, anywhere := inForce.Types()
		return len(anywhere) == len(everywhere)+1
	})
	if inForce.Admits("flow") {
		t.Error("one partition has the type: got it in force")
	}
	for id := range int32(kafkatest.Partitions) {
		put(t, l, true, limits(id, 10+int64(id), flow))
	}
	kafkatest.Eventually(t, "the type in all partitions", func() bool { return inForce.Admits("flow") })
	// The oldest limits of the history are dropped.
	put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendLimitsKey(nil, 11)})
	kafkatest.Eventually(t, "a loss", func() bool { return !inForce.Admits("flow") })
}

func TestProgressIsThatOfTheProcessors(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	if _, err := log.Append(t.Context(), []control.Object{rule(1)}); err != nil {
		t.Fatal(err)
	}
	progress, err := log.Progress(t.Context())
	if err != nil || len(progress) != kafkatest.Partitions || progress[1] != (control.Progress{Processed: 0, End: 2}) {
		t.Errorf("before the first commit: got %+v, %v", progress, err) // A rule and the marker of its transaction.
	}
	commit(t, l, 1, process.Checkpoint{Offset: 0, Position: 2})
	if progress, err = log.Progress(t.Context()); err != nil || progress[1].Processed != 2 || progress[2].Processed != 0 {
		t.Errorf("after a commit: got %+v, %v", progress, err)
	}
}

// commit commits a checkpoint of a partition.
func commit(t *testing.T, l *kafkatest.Log, partition int32, checkpoint process.Checkpoint) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: l.Topics.Readings, Partition: partition, At: checkpoint.Offset, LeaderEpoch: -1, Metadata: checkpoint.Metadata()})
	if responses, err := kadm.NewClient(l.Client).CommitOffsets(t.Context(), group, offsets); err != nil || responses.Error() != nil {
		t.Fatal(err, responses.Error())
	}
}

// Sequence: the web service is upgraded first, or beside old consumers, and somebody names a device. An old consumer leaves
// its partitions at the entry, in the middle of the upgrade; one that is still older rejects it as a reading, and the name is never in force.
func TestDecisionsWaitUntilEveryProcessorKnowsThem(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	for id := range int32(kafkatest.Partitions) {
		commit(t, l, id, process.Checkpoint{Level: 1, Devices: -1})
	}
	refused := func(when string) {
		t.Helper()
		for _, object := range []control.Object{entry(1, 1, "x"), rule(1)} {
			if _, err := log.Append(t.Context(), []control.Object{object}); err == nil || !strings.Contains(err.Error(), "iotmon upgrade finish") {
				t.Errorf("%s: got %v, want an error that says what to do", when, err)
			}
		}
		ends, err := kadm.NewClient(l.Client).ListEndOffsets(t.Context(), l.Topics.Readings)
		if err != nil {
			t.Fatal(err)
		}
		ends.Each(func(end kadm.ListedOffset) {
			if end.Offset != 0 {
				t.Errorf("%s: partition %d ends at %d, want nothing appended", when, end.Partition, end.Offset)
			}
		})
	}
	refused("all may be old")
	for id := range int32(kafkatest.Partitions - 1) {
		commit(t, l, id, process.Checkpoint{Level: process.MaxLevel})
	}
	refused("one may be old")
	alone, err := decisions.NewLog(decisions.LogOptions{Dial: l.Dial, Topics: l.Topics, Group: group, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if _, err := alone.Append(t.Context(), []control.Object{entry(1, 1, "x")}); err != nil {
		t.Errorf("alone: got %v, though there is no other process", err)
	}
	commit(t, l, kafkatest.Partitions-1, process.Checkpoint{Level: process.MaxLevel})
	if _, err := log.Append(t.Context(), []control.Object{entry(1, 1, "x"), rule(1)}); err != nil {
		t.Errorf("none is old: %v", err)
	}
}

// follow runs a follower until the test ends.
func follow(t *testing.T, l *kafkatest.Log) *control.InForce {
	t.Helper()
	inForce := control.NewInForce()
	follower := decisions.NewFollower(decisions.FollowerOptions{Dial: l.Dial, Topics: l.Topics, InForce: inForce, Logger: kafkatest.Quiet()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return inForce
}

// put appends records to partition-state in one transaction, which is aborted if commit is false.
func put(t *testing.T, l *kafkatest.Log, commit bool, records ...*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(l.Dial.Options(kgo.TransactionalID(kafka.NewTransactionID(group)), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		r.Topic = l.Topics.InForce
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	end := kgo.TryAbort
	if commit {
		end = kgo.TryCommit
	}
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func entryRecord(partition int32, i int, version int64, offset int64) *kgo.Record {
	e := iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: version}, Position: iot.Position{Partition: partition, Offset: offset}}
	return &kgo.Record{Partition: partition, Key: wire.AppendInForceKey(nil, wire.EntryInForce, device(i)), Value: wire.AppendEntryInForce(nil, &e)}
}

func ruleRecord(partition int32, version int64) *kgo.Record {
	r := iot.RuleInForce{Position: iot.Position{Partition: partition}}
	r.RuleEntry = iot.RuleEntry{Version: version, Deleted: true, Rule: iot.Rule{Name: "high"}}
	return &kgo.Record{Partition: partition, Key: wire.AppendRuleKey(nil, "high"), Value: wire.AppendRuleInForce(nil, &r)}
}

func wait(t *testing.T, f *control.InForce, ref control.Ref, version int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if !f.Wait(ctx, ref, version) {
		v, known := f.Version(ref)
		t.Fatalf("version %d of %v is not in force within 20 s: %d, %t", version, ref, v, known)
	}
}

func TestAFollowerReadsWhatIsInForce(t *testing.T) {
	l := kafkatest.NewLog(t)
	put(t, l, true, entryRecord(0, 1, 1, 10), entryRecord(1, 2, 1, 10), entryRecord(2, 3, 7, 10))
	put(t, l, false, entryRecord(0, 1, 9, 11))
	inForce := follow(t, l)
	kafkatest.Eventually(t, "everything is read", inForce.Current)
	for i, want := range map[int]int64{1: 1, 2: 1, 3: 7, 4: 0} {
		if got, known := inForce.Version(control.DeviceRef(device(i))); got != want || !known {
			t.Errorf("device %d: got version %d, %t, want %d", i, got, known, want)
		}
	}
	put(t, l, true, entryRecord(0, 1, 2, 12), entryRecord(1, 2, 8, 5), // Of a processor that had lost the partition.
		&kgo.Record{Partition: 2, Key: entryRecord(2, 3, 0, 0).Key},
		&kgo.Record{Partition: 2, Key: []byte("\x00restore")}, &kgo.Record{Partition: 2, Key: []byte("device\x1fx"), Value: []byte("not JSON")})
	wait(t, inForce, control.DeviceRef(device(1)), 2)
	kafkatest.Eventually(t, "a tombstone removes", func() bool { v, _ := inForce.Version(control.DeviceRef(device(3))); return v == 0 })
	if v, _ := inForce.Version(control.DeviceRef(device(2))); v != 1 {
		t.Errorf("got version %d of a lower position, want 1", v)
	}
	ref := control.RuleRef("high")
	put(t, l, true, ruleRecord(0, 5), ruleRecord(1, 5), ruleRecord(2, 5), ruleRecord(3, 4))
	wait(t, inForce, ref, 4)
	put(t, l, true, ruleRecord(3, 5))
	wait(t, inForce, ref, 5)
}

func TestAFollowerBeginsAgainWhenTheTopicDoes(t *testing.T) {
	l := kafkatest.NewLog(t)
	put(t, l, true, entryRecord(0, 1, 1, 10), entryRecord(0, 2, 1, 10))
	inForce := follow(t, l)
	wait(t, inForce, control.DeviceRef(device(2)), 1)
	admin := kadm.NewClient(l.Client)
	if _, err := admin.DeleteTopics(t.Context(), l.Topics.InForce); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), kafkatest.Partitions, 1, nil, l.Topics.InForce); err != nil {
		t.Fatal(err)
	}
	put(t, l, true, entryRecord(0, 1, 1, 0))
	kafkatest.Eventually(t, "what is gone is not in force any more", func() bool {
		first, known := inForce.Version(control.DeviceRef(device(1)))
		second, _ := inForce.Version(control.DeviceRef(device(2)))
		return known && first == 1 && second == 0
	})
}

func TestWithoutACluster(t *testing.T) {
	down := kafka.Dial{Brokers: []string{"127.0.0.1:1"}, Dialer: kafkatest.RefuseConnection, Logger: kafkatest.Quiet()}
	log, err := decisions.NewLog(decisions.LogOptions{Dial: down, Topics: kafka.DefaultTopics(), Group: group})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := log.Append(ctx, []control.Object{entry(1, 1, "")}); err == nil {
		t.Error("an entry was appended without a cluster")
	}
	if _, err := log.Progress(ctx); err == nil {
		t.Error("there is progress without a cluster")
	}
}
