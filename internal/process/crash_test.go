package process_test

import (
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// drawJournal draws a log as unruly as a plant's: reordering, duplicates, clocks ahead and behind, garbage, silences and
// ticks.
func drawJournal(t *rapid.T) journal {
	var j journal
	skews := []float64{0, 0, 0, -3, -40, 8, 50}
	now := 0.0
	for range rapid.IntRange(1, 150).Draw(t, "records") {
		switch rapid.IntRange(0, 19).Draw(t, "kind") {
		case 0:
			now += float64(rapid.IntRange(1, 90).Draw(t, "silence"))
			j.tick(now)
		case 1:
			j.add(now, []byte("garbage"))
		case 2:
			if len(j) > 0 {
				again := j[rapid.IntRange(0, len(j)-1).Draw(t, "again")]
				j = append(j, process.Record{Offset: int64(len(j)), Appended: at(now), Value: again.Value, Tick: again.Tick})
			}
		default:
			now += rapid.Float64Range(0, 2).Draw(t, "pause")
			device := rapid.IntRange(0, len(skews)-1).Draw(t, "device")
			back := rapid.SampledFrom([]float64{0, 0, 0, 0, 1, 6, 45}).Draw(t, "back")
			j.reading(now, string(rune('a'+device)), now+skews[device]-back,
				rapid.SampledFrom([]float64{20, 21.7, 27.7, 29.3, 30, 36}).Draw(t, "value"))
		}
	}
	for range 8 {
		now += 15
		j.tick(now)
	}
	return j
}

// run processes the journal in steps of drawn sizes. A step is committed, output and checkpoint together, or it is lost
// and the processor starts over from what was committed.
func run(t *rapid.T, j journal) *recorder {
	committed := newRecorder()
	var checkpoint process.Checkpoint
	opts := options(t)
	p := process.New(opts, 3, checkpoint, false)
	for p.Next() < int64(len(j)) {
		step := newRecorder()
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			from := p.Next()
			to := min(from+int64(rapid.IntRange(0, 30).Draw(t, "batch")), int64(len(j)))
			p.Process(j[from:to], step)
			if rapid.Bool().Draw(t, "publish") {
				p.PublishStates(step)
				p.PublishWindows(step)
			}
		}
		p.PublishStates(step)
		if rapid.IntRange(0, 9).Draw(t, "fate") < 7 {
			committed.append(step)
			checkpoint = p.Checkpoint()
			continue
		}
		p = restore(t, opts, checkpoint, committed)
	}
	// The last step may have been lost.
	p = restore(t, opts, checkpoint, committed)
	step := newRecorder()
	p.Process(j[p.Next():], step)
	p.PublishStates(step)
	committed.append(step)
	return committed
}

func restore(t *rapid.T, opts *process.Options, from process.Checkpoint, committed *recorder) *process.Partition {
	from, err := process.ParseCheckpoint(from.Offset, from.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	p := process.New(opts, 3, from, false)
	for _, text := range committed.states {
		state, err := wire.DecodeDeviceState(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Restore(state)
	}
	return p
}

// TestCrashesChangeNothing is the exactness of a partition: whatever steps are lost, the committed outputs are those of
// one undisturbed pass, each exactly once.
func TestCrashesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := drawJournal(t)
		if diff := run(t, j).difference(onePass(t, j)); diff != "" {
			t.Fatal(diff)
		}
	})
}
