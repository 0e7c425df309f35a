package process_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// begun returns the processor of a partition that is ready for its next record.
func begun(opts *process.Options, from process.Checkpoint) *process.Partition {
	p := process.New(opts, 3, from, false)
	p.PublishStates(newRecorder())
	return p
}

// A lateness that was lowered between two starts must not close a window over a part of its readings.
func TestALatenessThatWasLoweredClosesNothingEarly(t *testing.T) {
	var j journal
	for second := 0.0; second < 58; second++ {
		j.reading(second, "a", second, 20)
	}
	before := *options(t)
	before.Lateness = 40 * time.Second
	p := process.New(&before, 3, process.Checkpoint{}, false)
	out := newRecorder()
	p.Process(j, out)
	p.PublishStates(out)
	checkpoint := p.Checkpoint()
	j.tick(59)
	after := *options(t)
	after.Lateness = time.Second
	p = process.New(&after, 3, checkpoint, false)
	p.Process(j[checkpoint.Offset:], out)
	if len(out.finals) != 1 || !strings.Contains(out.finals[0], `"count":30,`) {
		t.Errorf("got %q, want the first window with all of its 30 readings", out.finals)
	}
}

// Windows of another length begin at a boundary of both lengths. Closed windows do not change, and no windows overlap.
func TestAnotherLengthOfWindowsBeginsAtABoundary(t *testing.T) {
	opts := options(t)
	p := process.New(opts, 3, process.Checkpoint{}, false)
	out := newRecorder()
	var j journal
	j.every5("a", 0, 40, 0, 20)
	p.Process(j, out)

	changed := *opts
	changed.Window, changed.Revision = time.Minute, 7
	p = begun(&changed, p.Checkpoint())
	settings, any := p.Outdated(at(40))
	if !any || settings.Window != time.Minute || settings.From.Before(at(60)) || settings.From.Sub(settings.From.Truncate(time.Minute)) != 0 {
		t.Fatalf("got %+v, %v, want minutes from a whole one on, after what has been admitted", settings, any)
	}
	j.settings(39, settings)
	j.every5("a", 40, 400, 0, 20)
	for range 10 { // Each restart reads on under the old configuration, which must not bring the old length back.
		p = process.New(opts, 3, p.Checkpoint(), false)
		next := p.Checkpoint().Position
		p.Process(j[p.Next():min(next+8, int64(len(j)))], out)
	}
	if again, any := p.Outdated(at(400)); any && again.Window != time.Minute {
		t.Error("the older configuration wants to be in force again")
	}
	if inForce, overruled := p.Overruled(); !overruled || inForce != time.Minute {
		t.Errorf("got %v, %v, want the report that a minute is in force", inForce, overruled)
	}
	var end time.Time
	for _, text := range out.finals {
		s, err := wire.DecodeWindowSummary([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if s.Window.Start.Before(end) {
			t.Errorf("window %+v overlaps one before it, which ends at %v", s.Window, end)
		}
		end = s.Window.End()
		if want := int64(s.Window.Length / (5 * time.Second)); s.Count != want {
			t.Errorf("window %+v: got %d readings, want %d", s.Window, s.Count, want)
		}
	}
	if !end.After(settings.From) {
		t.Errorf("got windows up to %v, want some of the new length, from %v on", end, settings.From)
	}
}

func TestForeignSettingsAreRejected(t *testing.T) {
	j := journal{{Appended: at(0), Value: []byte(`{"window_seconds":0}`), RecordKind: iot.RecordKind{Kind: iot.KindSettings}}}
	out := onePass(t, j)
	if len(out.rejects) != 1 {
		t.Errorf("got rejects %q, want one", out.rejects)
	}
}

// A gateway has written its configuration while its clock was four years ahead. A later configuration is put in force in spite of
// it.
func TestSettingsOfAWrongClockGiveWay(t *testing.T) {
	opts := *options(t)
	years := 4 * 365 * 86400.0
	opts.Revision = at(years).UnixMicro()
	p := process.New(&opts, 3, process.Checkpoint{}, false)
	var j journal
	j.tick(years)
	j.settings(years+1, iot.Settings{Revision: opts.Revision + 1, Window: 10 * time.Second, From: at(years + 60)})
	j.every5("a", 0, 60, 0, 20)
	p.Process(j, newRecorder())

	opts.Window, opts.Revision = time.Minute, at(50).UnixMicro()
	p = begun(&opts, p.Checkpoint())
	settings, any := p.Outdated(at(60))
	if !any || settings.From.After(at(180)) {
		t.Fatalf("got %+v, %v, want minutes within the next two", settings, any)
	}
	j = nil
	j.settings(61, settings)
	j[0].Offset = p.Checkpoint().Position
	p.Process(j, newRecorder())
	if got := p.Checkpoint().Lengths; got.At(settings.From) != time.Minute || got.Newest() != time.Minute {
		t.Errorf("got %+v, want minutes from %v on", got, settings.From)
	}
}

func TestAProgramAloneIsNeverOverruled(t *testing.T) {
	opts := *options(t)
	opts.Revision = 1000
	p := process.New(&opts, 3, process.Checkpoint{}, false)
	p.Process(journal{{Appended: at(0), RecordKind: tick}}, newRecorder())
	opts.Revision, opts.Window, opts.Alone = 1, time.Minute, true
	p = begun(&opts, p.Checkpoint())
	if settings, any := p.Outdated(at(1)); !any || settings.Revision <= 1000 {
		t.Errorf("got %+v, %v, want settings newer than those in force", settings, any)
	}
}

// Windows that are open while the limits on readings change are rebuilt from other readings than they were built from.
func TestOpenWindowsAreMarkedWhenLimitsChange(t *testing.T) {
	opts := options(t)
	p := process.New(opts, 3, process.Checkpoint{}, false)
	var j journal
	j.every5("a", 0, 40, 0, 20)
	p.Process(j, newRecorder())
	for _, skew := range []time.Duration{10 * time.Second, time.Second} {
		changed := *opts
		admission := *opts.Admission
		admission.Skew = skew
		changed.Admission = &admission
		checkpoint := p.Checkpoint()
		after, out := process.New(&changed, 3, checkpoint, false), newRecorder()
		rest := j
		rest.tick(70)
		after.Process(rest[checkpoint.Offset:], out)
		if got, want := len(out.late) > 0, skew != opts.Admission.Skew; got != want || len(out.finals) != 1 {
			t.Errorf("skew %v: got windows %q and marks %v, want one window, marked %v", skew, out.finals, out.late, want)
		}
	}
}

// settingsInForce returns the windows in force: from, length and revision of each, and the offset from which they hold.
func settingsInForce(t *testing.T, out *recorder) []string {
	t.Helper()
	return describeInForce(t, out, wire.SettingsInForce, func(s *iot.SettingsInForce) string {
		return fmt.Sprint(s.From.Format(time.TimeOnly), " ", s.Window, " ", s.Revision, " ", s.Since)
	})
}

// describeInForce returns a line for each of the settings in force, or of the limits, in order.
func describeInForce(t *testing.T, out *recorder, kind wire.InForce, describe func(*iot.SettingsInForce) string) []string {
	t.Helper()
	var lines []string
	for key, value := range out.inForce {
		if of, _, _ := wire.SplitInForceKey([]byte(key)); of != kind || value == nil {
			continue
		}
		s, err := wire.DecodeSettingsInForce(value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, describe(&s))
	}
	slices.Sort(lines)
	return lines
}

// Sequence: the length of windows changes, then the commits of the group are lost, as those of one that was away for a week. With the
// configured length alone, windows from before the change would be marked under another length than the one that they have.
func TestTheHistoryOfLengthsSurvivesTheLossOfTheCommit(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.settings(1, iot.Settings{Revision: 5, Window: time.Minute, From: at(60)})
	j.reading(2, "a", 2, 20)
	j.settings(3, iot.Settings{Revision: 6, Window: time.Minute, From: at(600)}) // Only newer.
	out := onePass(t, j)
	want := []string{"00:00:00 30s 0 0", "10:31:00 1m0s 6 2"}
	if got := settingsInForce(t, out); !slices.Equal(got, want) {
		t.Fatalf("got %q in force, want %q", got, want)
	}
	p := restore(t, options(t), process.Checkpoint{Offset: 4, Position: 4}, out)
	again := newRecorder()
	p.Process(journal{{Offset: 4, Appended: at(4), RecordKind: tick}}, again)
	p.PublishStates(again)
	got := p.Checkpoint()
	if lengths := iot.OneLength(30*time.Second).With(at(60), time.Minute); !reflect.DeepEqual(got.Lengths, lengths) || got.Revision != 6 {
		t.Errorf("got %+v of revision %d, want %+v of revision 6", got.Lengths, got.Revision, lengths)
	}
	if got := settingsInForce(t, again); len(got) != 0 {
		t.Errorf("got %q written again, want nothing", got)
	}
}

// The checkpoint of an older version has a history of lengths that is not in force otherwise.
func TestTheHistoryOfAnOlderCheckpointIsPutInForce(t *testing.T) {
	lengths := iot.OneLength(30*time.Second).With(at(-600), 10*time.Second).With(at(-300), time.Minute)
	p := process.New(options(t), 3, process.Checkpoint{Lengths: lengths, Revision: 9, Clock: at(0), Watermark: at(-10), Level: 1}, false)
	out := newRecorder()
	p.Process(journal{{Appended: at(0), RecordKind: tick}}, out)
	p.PublishStates(out)
	want := []string{"00:00:00 30s 9 -2", "10:20:00 10s 9 -1", "10:25:00 1m0s 9 0"}
	if got := settingsInForce(t, out); !slices.Equal(got, want) {
		t.Errorf("got %q in force, want %q", got, want)
	}
}
