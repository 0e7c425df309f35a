package process_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// countTruth counts the good readings of a log by window: of two with the same device and time the first counts. A reading is admitted by
// the last limits before it in the log, if their revision was higher than that of those before.
func countTruth(t fatal, j journal, admission *iot.Admission, lengths iot.Lengths) map[string]int64 {
	truth := make(map[string]int64)
	seen := make(map[string]bool)
	revision := int64(0)
	for _, rec := range j {
		if rec.Kind == iot.KindSettings {
			s, err := wire.DecodeSettings(rec.Value)
			if err == nil && s.Limits != nil && s.Revision > revision && s.Revision <= iot.MaxVersion/2 {
				revision = s.Revision
				admission, err = admission.Under(s.Limits)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var r iot.Reading
		if rec.Kind != iot.KindReading ||
			new(wire.Decoder).Admit(rec.Key, rec.Value, rec.Appended, admission, &r) != nil {
			continue
		}
		identity := fmt.Sprint(r.Identity(), r.Time)
		if !seen[identity] && r.Quality != iot.Bad {
			truth[windowName(r.Type, lengths.WindowOf(r.Time))]++
		}
		seen[identity] = true
	}
	return truth
}

func windowName(t iot.DeviceType, w iot.Window) string {
	return fmt.Sprint(t, " ", w.Start.Format(time.TimeOnly))
}

// TestAWindowIsRightOrMarked restarts a processor again and again, each time with another configured lateness and window length, and with
// other texts, while limits change in the log.
// For any log, and whichever steps are lost, the last summary of a window is that of the log's readings, or the window is marked
// for recomputation at that position or later.
func TestAWindowIsRightOrMarked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := drawJournal(t)
		committed := newRecorder()
		var checkpoint process.Checkpoint
		opts := *options(t)
		begun := opts.Admission // By it the partition begins.
		p := process.New(&opts, 3, checkpoint, false)
		for p.Next() < int64(len(j)) {
			step := newRecorder()
			to := min(p.Next()+int64(rapid.IntRange(1, 40).Draw(t, "batch")), int64(len(j)))
			p.Process(j[p.Next():to], step)
			p.PublishStates(step)
			fate := rapid.IntRange(0, 9).Draw(t, "fate")
			if fate < 8 {
				committed.append(step)
				checkpoint = p.Checkpoint()
			}
			if fate > 5 {
				next := opts
				next.Lateness = rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second, 40 * time.Second}).Draw(t, "lateness")
				next.Window = rapid.SampledFrom([]time.Duration{10 * time.Second, 30 * time.Second, time.Minute}).Draw(t, "window")
				if rapid.Bool().Draw(t, "other texts") {
					next.Admission = otherTexts(options(t).Admission)
				}
				if checkpoint.Position == 0 {
					begun = next.Admission
				}
				opts = next
				p = restore(t, &next, checkpoint, committed)
			}
		}
		committed.append(finish(p, j))
		checkTruth(t, committed, countTruth(t, j, begun, p.Checkpoint().Lengths), p.Checkpoint())
	})
}

// finish processes the rest of the log.
func finish(p *process.Partition, j journal) *recorder {
	step := newRecorder()
	if p.Next() < int64(len(j)) {
		p.Process(j[p.Next():], step)
	}
	p.PublishStates(step)
	return step
}

func checkTruth(t *rapid.T, committed *recorder, truth map[string]int64, end process.Checkpoint) {
	last := make(map[string]iot.WindowSummary)
	for _, text := range committed.finals {
		s, err := wire.DecodeWindowSummary([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		last[windowName(s.Type, s.Window)] = s
	}
	for name, s := range last {
		if marked, any := committed.late[name]; s.Count != truth[name] && (!any || marked < s.Offset) {
			t.Errorf("%s of %v: got %d readings at position %d, marked at %d, want %d or a mark", name, s.Window.Length, s.Count, s.Offset, marked, truth[name])
		}
		if want := end.Lengths.WindowOf(s.Window.Start); want != s.Window {
			t.Errorf("%s: got a window %+v that overlaps another, %+v", name, s.Window, want)
		}
	}
	for name, count := range truth {
		_, published := last[name]
		if _, marked := committed.late[name]; !published && !marked {
			start, err := time.Parse(time.TimeOnly, name[len(name)-len(time.TimeOnly):])
			if err != nil {
				t.Fatal(err)
			}
			day := epoch.Truncate(24 * time.Hour)
			if w := end.Lengths.WindowOf(day.Add(start.Sub(start.Truncate(24 * time.Hour)))); !w.End().After(end.Watermark) {
				t.Errorf("%s: %d readings, and nothing was published of the window that ended at %v before the watermark %v", name, count, w.End(), end.Watermark)
			}
		}
	}
}
