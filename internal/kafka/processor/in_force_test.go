package processor

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// ruleAt returns key and value of a rule that was put in force at a position of partition 1.
func ruleAt(name string, offset int64) (key, value []byte, at iot.Position) {
	at = iot.Position{Partition: 1, Offset: offset}
	rule := iot.RuleInForce{Position: at, RuleEntry: iot.RuleEntry{Version: offset, Rule: iot.Rule{
		Name: name, Version: offset, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning,
	}}}
	return wire.AppendRuleKey(nil, name), wire.AppendRuleInForce(nil, &rule), at
}

// A restore takes of what is in force the committed record with the highest position that fits.
func TestARestoreFoldsWhatIsInForceByPosition(t *testing.T) {
	c := startCluster(t)
	w, err := newWriter(c.Dial, c.Topics, "test", kafka.TransactionTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	out := &output{writer: w, partition: 1}
	put := func(name string, offset int64) { out.InForce(ruleAt(name, offset)) }
	remove := func(name string, offset int64) {
		key, _, at := ruleAt(name, offset)
		out.InForce(key, nil, at)
	}
	write := func(end kgo.TransactionEndTry, outputs func()) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := w.begin(); err != nil {
			t.Fatal(err)
		}
		outputs()
		if err := w.client.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := w.client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	write(kgo.TryCommit, func() { put("kept", 5); put("newer", 5); put("gone", 5); put("again", 5); put("outdated", 7) })
	write(kgo.TryAbort, func() { put("kept", 6); put("aborted", 6); remove("newer", 6) })
	write(kgo.TryCommit, func() { put("newer", 6); remove("gone", 6); remove("again", 6); put("again", 7) })
	write(kgo.TryCommit, func() { put("outdated", 6); remove("outdated", 6) }) // By a processor that had lost the partition.
	write(kgo.TryCommit, func() { put("kept", 9); remove("newer", 9) })        // These do not fit.
	write(kgo.TryCommit, func() {
		level := iot.LevelInForce{Level: 3, Position: iot.Position{Partition: 1, Offset: 5}}
		out.InForce(wire.AppendLevelKey(nil), wire.AppendLevelInForce(nil, &level), level.Position)
	})
	key, value, _ := ruleAt("kept", 8)
	foreign := &kgo.Record{Topic: c.Topics.InForce, Partition: 1, Key: key, Value: append([]byte(`{"a":1,`), value[1:]...)}
	other := &kgo.Record{Topic: c.Topics.InForce, Partition: 1, Key: []byte("calendar\x1fx"), Value: value}
	misplaced := &kgo.Record{Topic: c.Topics.InForce, Partition: 1, Key: wire.AppendRuleKey(nil, "newer"), Value: value}
	c.Produce(c.Client(), other, misplaced, foreign)

	s := &session{Processor: New(Options{Dial: c.Dial, Topics: c.Topics, Group: "test", Logger: c.Dial.Logger}), writer: w}
	read, err := s.readInForce(t.Context(), []int32{0, 1}, func(id int32, p iot.Position) bool { return p.Partition == id && p.Offset < 9 })
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for key, value := range read[1] {
		_, name, _ := wire.SplitInForceKey([]byte(key))
		got[string(name)] = value.Offset
	}
	// Unknown members are no error, so that a newer program may add some: the record at 8 is a rule.
	want := map[string]int64{"kept": 8, "newer": 6, "again": 7, "outdated": 7, "": 5}
	if !maps.Equal(got, want) || len(read[0]) != 0 {
		t.Errorf("got %v and %v, want %v and nothing", got, read[0], want)
	}
}
