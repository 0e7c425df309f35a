package process_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func TestACheckpointOfANewerVersionIsRefused(t *testing.T) {
	text := (&process.Checkpoint{Position: 5, Level: process.MaxLevel + 1}).Metadata()
	_, err := process.ParseCheckpoint(5, text)
	var newer *process.NewerError
	if !errors.As(err, &newer) || newer.Level != process.MaxLevel+1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line about the level", err)
	}
}

// A program of the last release writes no level, and reads what it knows of a checkpoint.
func TestACheckpointOfTheFirstLevelIsThatOfOlderVersions(t *testing.T) {
	first := process.Checkpoint{Offset: 4, Position: 5, Level: 1, Devices: -1}
	if text := first.Metadata(); strings.Contains(text, "level") {
		t.Errorf("got %s, want no level", text)
	}
	for _, text := range []string{first.Metadata(), ""} {
		if got, err := process.ParseCheckpoint(4, text); err != nil || got.Level != 1 {
			t.Errorf("%q: got level %d, %v, want 1", text, got.Level, err)
		}
	}
}

// The sequence: a consumer of this version and one of the last release share the partitions, and the new one has been configured with
// other rules. If it appended them, the old one would have to leave the group before the update is over.
func TestRulesAreAppendedOnlyOnceTheirLevelIsEnabled(t *testing.T) {
	older, newer := *options(t), *options(t)
	older.RuleRevision, newer.RuleRevision = 100, 200
	newer.Rules = newer.Rules[1:]
	var j journal
	j.reading(1, "a", 1, 20)
	out, p := owned(t, &older, j, process.Checkpoint{Level: 1}, newRecorder())
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	if !p.OutdatedRulesWait() || p.OutdatedRules() != nil || p.Checkpoint().Level != 1 {
		t.Fatalf("got %+v to append at level %d, want it to wait", p.OutdatedRules(), p.Checkpoint().Level)
	}
	j.kind(2, iot.RecordKind{Kind: iot.KindLevel, Level: process.MaxLevel, Deciding: true}, "")
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	if entries := p.OutdatedRules(); p.OutdatedRulesWait() || len(entries) != 1 || p.Checkpoint().Level != process.MaxLevel {
		t.Fatalf("got %+v to append at level %d, want the deletion of a rule", entries, p.Checkpoint().Level)
	}
	j.kind(3, iot.RecordKind{Kind: iot.KindLevel, Level: 1, Deciding: true}, "")
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	if p.Checkpoint().Level != process.MaxLevel {
		t.Errorf("got level %d, want it never to fall", p.Checkpoint().Level)
	}
	if got := out.rulesInForce(t); !slices.Contains(got, "temperature_high 100 28") || len(out.rejects) != 0 {
		t.Errorf("got %q in force and rejects %q, want the older rules", got, out.rejects)
	}
	alone := older
	alone.Alone = true
	if got := process.New(&alone, 3, process.Checkpoint{Level: 1}, false).Checkpoint().Level; got != process.MaxLevel {
		t.Errorf("alone: got level %d, want the highest", got)
	}
	if got := process.New(&older, 3, process.Checkpoint{}, false).Checkpoint().Level; got != process.MaxLevel {
		t.Errorf("a new partition: got level %d, want the highest", got)
	}
}

// An older program that shares the partitions would leave them at a rule of a kind that it does not know.
func TestRulesOfLaterKindsWaitForTheirLevel(t *testing.T) {
	for _, rule := range []iot.Rule{
		noData("quiet", time.Minute),
		{Name: "level", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Kind: iot.LevelLimits, Levels: iot.Levels{{On: true}}}},
		{Name: "jump", Severity: iot.Info, Condition: iot.Condition{Kind: iot.Expression, Expression: "value > 1"}},
	} {
		if got := process.LevelOfRule(&iot.RuleEntry{Version: 1, Rule: rule}); got != process.LevelStatistics {
			t.Errorf("%s: got level %d, want %d", rule.Name, got, process.LevelStatistics)
		}
		opts := *options(t)
		opts.RuleRevision, opts.Rules = 200, append(opts.Rules, rule)
		var j journal
		j.reading(1, "a", 1, 20)
		out, p := owned(t, &opts, j, process.Checkpoint{Level: process.LevelTypes}, newRecorder())
		if !p.OutdatedRulesWait() || p.OutdatedRules() != nil || len(out.rulesInForce(t)) != 0 {
			t.Errorf("%s: got %q in force and %+v to append before the upgrade is over, want nothing", rule.Name, out.rulesInForce(t), p.OutdatedRules())
		}
		j.kind(2, iot.RecordKind{Kind: iot.KindLevel, Level: process.MaxLevel, Deciding: true}, "")
		if _, p = owned(t, &opts, j, p.Checkpoint(), out); len(p.OutdatedRules()) != len(opts.Rules) {
			t.Errorf("%s: got %d rules to append after it, want all", rule.Name, len(p.OutdatedRules()))
		}
	}
}

// The level is kept with what is in force, so that it is known without the checkpoint, whether a new partition begins with it or a record has enabled it.
// Otherwise comments that are said with a second acknowledgement would be lost after the commits of the group, until an operator finishes the upgrade again.
func TestTheLevelIsKnownWithoutTheCheckpoint(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	if got := restoredLevel(t, onePass(t, j), process.Checkpoint{Level: 1}); got != process.MaxLevel {
		t.Errorf("a new partition: got level %d without its checkpoint, want %d", got, process.MaxLevel)
	}

	out, p := owned(t, options(t), j, process.Checkpoint{Level: 1}, newRecorder())
	if value := out.inForce[string(wire.AppendLevelKey(nil))]; value != nil {
		t.Errorf("got %s kept at the first level, want nothing: older programs share the partition", value)
	}
	j.kind(2, iot.RecordKind{Kind: iot.KindLevel, Level: process.MaxLevel - 1, Deciding: true}, "")
	out, p = owned(t, options(t), j, p.Checkpoint(), out)
	if got := restoredLevel(t, out, process.Checkpoint{Level: 1}); got != process.MaxLevel-1 {
		t.Errorf("an enabled level: got level %d without its checkpoint, want %d", got, process.MaxLevel-1)
	}
	// What is kept may be older than the checkpoint.
	if got := restoredLevel(t, out, process.Checkpoint{Level: process.MaxLevel}); got != process.MaxLevel {
		t.Errorf("got level %d, want that of the checkpoint", got)
	}
}

// restoredLevel returns the level of a partition that goes on from a checkpoint and what was in force.
func restoredLevel(t *testing.T, out *recorder, from process.Checkpoint) uint8 {
	t.Helper()
	p := process.New(options(t), 3, from, false)
	for key, value := range out.inForce {
		if value == nil {
			continue
		}
		f, err := process.DecodeInForce([]byte(key), value)
		if err != nil {
			t.Fatal(err)
		}
		p.RestoreInForce(f)
	}
	return p.Checkpoint().Level
}
