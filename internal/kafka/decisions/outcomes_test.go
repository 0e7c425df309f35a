package decisions_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// Until every processor remembers what it has done with commands, nobody waits for that.
func TestOutcomesAreWaitedForOnceAllAreRemembered(t *testing.T) {
	l := kafkatest.NewLog(t)
	log := newLog(t, l)
	if !log.Remembers(t.Context()) {
		t.Error("a new group has processors of this version only")
	}
	for _, level := range []uint8{process.LevelOutcomes - 1, process.LevelOutcomes} {
		for id := range int32(kafkatest.Partitions) {
			commit(t, l, id, process.Checkpoint{Level: level, Devices: -1})
		}
		c := iot.Command{ID: "c", Action: iot.Acknowledge, Actor: "u", Alert: "a", Time: time.Now().UTC()}
		if _, err := log.Command(t.Context(), []iot.Identity{{ID: "d"}}, []iot.Command{c}); err != nil {
			t.Error(err)
		}
		if got := log.Remembers(t.Context()); got != (level == process.LevelOutcomes) {
			t.Errorf("level %d: got %v", level, got)
		}
	}
}

// What the processors remember is followed, and forgotten when they forget it.
func TestOutcomesAreFollowed(t *testing.T) {
	l := kafkatest.NewLog(t)
	inForce := follow(t, l)
	write := func(o iot.Outcome, value []byte) {
		t.Helper()
		put(t, l, true, &kgo.Record{Partition: 1, Key: wire.AppendOutcomeKey(nil, o.ID), Value: value})
	}
	one := iot.Outcome{ID: "c-1", Key: "k", Request: "r", Time: time.Now().UTC().Truncate(time.Second), Position: iot.Position{Partition: 1, Offset: 7}}
	two := one
	two.ID, two.Refused = "c-2", iot.AlertOver
	reused := one
	reused.ID, reused.Request, reused.Refused = "c-3", "s", iot.KeyReused
	for _, o := range []iot.Outcome{one, two, reused} {
		write(o, wire.AppendOutcome(nil, &o))
	}
	patience, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for _, o := range []iot.Outcome{one, two, reused} {
		if got, _ := inForce.Outcome(o.ID); !inForce.WaitOutcome(patience, o.ID) {
			t.Fatalf("got %+v, want %+v", got, o)
		}
		if got, known := inForce.Outcome(o.ID); !known || got != o {
			t.Errorf("got %+v, want %+v", got, o)
		}
	}
	for _, o := range []iot.Outcome{reused, one, two} {
		if request, known := inForce.Request("k"); !known || request != "r" {
			t.Errorf("got %q, %v, want the request as long as a command of it is remembered", request, known)
		}
		write(o, nil)
		for _, known := inForce.Outcome(o.ID); known && patience.Err() == nil; _, known = inForce.Outcome(o.ID) {
			time.Sleep(time.Millisecond)
		}
	}
	if _, known := inForce.Request("k"); known {
		t.Error("the key is not free again")
	}
}
