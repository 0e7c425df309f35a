package process_test

import (
	"errors"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

func (j *journal) kind(appended float64, kind iot.RecordKind, value string) {
	*j = append(*j, process.Record{Offset: int64(len(*j)), Appended: at(appended), Key: []byte("a"), Value: []byte(value), RecordKind: kind})
}

// A newer program may already write what this one does not know.
func TestAnUnknownKindIsSkippedAndCounted(t *testing.T) {
	var j, known journal
	for _, log := range []*journal{&j, &known} {
		log.reading(1, "a", 1, 20)
	}
	for _, kind := range []iot.RecordKind{{Kind: "vibration", Level: 1}, {Kind: iot.KindTick, Level: 2}} {
		j.kind(2, kind, "whatever")
		known.tick(2)
	}
	for _, log := range []*journal{&j, &known} {
		log.reading(3, "a", 3, 36)
		log.tick(40)
	}
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	got := newRecorder()
	if err := p.Process(j, got); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(got)
	if diff := got.difference(onePass(t, known)); diff != "" {
		t.Error(diff)
	}
	if counts := p.ResetCounts(); counts.Skipped != 2 || counts.Processed != 2 || counts.Rejected != nil {
		t.Errorf("got %+v, want two readings, two skipped and none rejected", counts)
	}
}

// A processor that went on after a rule that it does not know would decide otherwise than one that knows it.
func TestNothingIsProcessedFromAnUnknownDecisionOn(t *testing.T) {
	for name, kind := range map[string]iot.RecordKind{
		"a kind that is marked":          {Kind: "calendar", Level: 1, Deciding: true},
		"a higher level of settings":     {Kind: iot.KindSettings, Level: iot.SettingsLevelTypes + 1},
		"a marked level of another kind": {Kind: iot.KindTick, Level: 9, Deciding: true},
		"a higher level of an entry":     {Kind: iot.KindDevice, Level: iot.EntryLevelParent + 1},
		"a higher level of an outage":    {Kind: iot.KindOutage, Level: 2},
		"a higher level of a reference":  {Kind: iot.KindReference, Level: 2},
		"a higher level of points":       {Kind: iot.KindPoints, Level: 2},
		"a higher level of a rule":       {Kind: iot.KindRule, Level: iot.RuleLevelPoints + 1},
		"a higher level":                 {Kind: iot.KindLevel, Level: process.MaxLevel + 1},
	} {
		var j journal
		j.reading(1, "a", 1, 20)
		j.reading(2, "a", 2, 36)
		j.kind(3, kind, "{}")
		j.reading(4, "a", 4, 20)
		want := onePass(t, j[:2])
		p, out := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
		err := p.Process(j, out)
		p.PublishStates(out)
		var unsupported *process.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Offset != 2 || !strings.Contains(err.Error(), kind.Kind.String()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line that names the record at offset 2", name, err)
		}
		if diff := out.difference(want); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		checkpoint := p.Checkpoint()
		if checkpoint.Position != 2 || p.Next() != 2 {
			t.Errorf("%s: got position %d and next offset %d, want 2", name, checkpoint.Position, p.Next())
		}
		// It stops again after a restart, and also while it rebuilds what a newer version has processed.
		checkpoint.Position = 4
		for _, from := range []process.Checkpoint{p.Checkpoint(), checkpoint} {
			again := process.New(options(t), 3, from, false)
			if err := again.Process(j[from.Offset:], newRecorder()); !errors.As(err, &unsupported) || again.Next() != 2 {
				t.Errorf("%s: got %v and next offset %d after a restart, want it to stop again", name, err, again.Next())
			}
		}
	}
}
