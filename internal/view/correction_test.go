package view

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func counted(v *View, n int) (count int64, corrected bool) {
	w := v.windows.get(noon.Add(time.Duration(n) * windowLength))
	if w == nil {
		return 0, false
	}
	data, _ := w.Merge(nil)
	return data[iot.Temperature].Count, w.Corrected()
}

func TestACorrectionReplacesItsWindow(t *testing.T) {
	p, v := script(), newTestView()
	closed := p.Sums(0, iot.Temperature, true, 20, 21)
	corrected := p.Corrects(0, iot.Temperature, 20, 21, 22)
	// A late mark may be older than the close of a window that was rebuilt only in part. Its correction has the position of
	// the close.
	atTheSame := corrected
	atTheSame.Position = closed.Position
	again := p.Corrects(0, iot.Temperature, 20, 21, 22, 23)
	again.Position = corrected.Position
	for _, test := range []struct {
		name      string
		published []iot.WindowSummary
		want      int64
	}{
		{"after the close", []iot.WindowSummary{closed, corrected}, 3},
		{"before the close, arriving late", []iot.WindowSummary{corrected, closed}, 3},
		{"at the position of the close", []iot.WindowSummary{closed, atTheSame}, 3},
		{"before it at the same position", []iot.WindowSummary{atTheSame, closed}, 3},
		{"twice", []iot.WindowSummary{closed, corrected, again}, 4},
		{"arriving again after the second", []iot.WindowSummary{closed, again, corrected}, 4},
	} {
		v = newTestView()
		v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(-1, iot.Humidity, true, 1)}})
		for _, s := range test.published {
			v.Apply(Batch{Summaries: []iot.WindowSummary{s}})
		}
		if got, is := counted(v, 0); got != test.want || !is {
			t.Errorf("%s: got %d readings, corrected %v, want %d", test.name, got, is, test.want)
		}
	}
	if got := v.ReadingsPerSecond(noon); got != 0 {
		t.Errorf("a correction counts as %v readings per second", got)
	}
}

func TestCorrectionsOfWindowsThatAreNotKept(t *testing.T) {
	p, v := script(), newTestView()
	if c := v.Apply(Batch{Summaries: []iot.WindowSummary{p.Corrects(-500, iot.Temperature, 1)}}); !c.History || len(v.windows.sorted) != 0 {
		t.Errorf("before the first window: got history changed %v and %d windows, want it changed and none", c.History, len(v.windows.sorted))
	}
	before := v.Corrected()
	v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 1)}})
	if c := v.Apply(Batch{Summaries: []iot.WindowSummary{p.Corrects(-1, iot.Temperature, 1)}}); !c.History || len(v.windows.sorted) != 1 {
		t.Errorf("of an older one: got history changed %v and %d windows, want it changed and one", c.History, len(v.windows.sorted))
	}
	if v.Corrected() == before {
		t.Error("both corrections have the same name")
	}
	other := p.Corrects(0, iot.Temperature, 1, 2)
	other.Window.Length = time.Minute
	if c := v.Apply(Batch{Summaries: []iot.WindowSummary{other}}); !c.History {
		t.Error("a correction of a window of another length is not reported")
	}
	if got, is := counted(v, 0); got != 1 || is {
		t.Errorf("it changed the window with the same start: got %d readings, corrected %v", got, is)
	}
}

// In whatever order and however often the closes and corrections of the partitions are read, the view ends with the last
// correction of each partition.
func TestCorrectionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, v := script(), newTestView()
		v.Apply(Batch{Summaries: []iot.WindowSummary{p.Sums(-1, iot.Humidity, true, 1)}})
		var published []iot.WindowSummary
		want := int64(0)
		for partition := range int32(rapid.IntRange(1, 3).Draw(t, "partitions")) {
			values := []float64{1}
			s := p.Sums(0, iot.Temperature, true, values...)
			s.Partition = partition
			published = append(published, s)
			for range rapid.IntRange(0, 3).Draw(t, "corrections") {
				values = append(values, 1)
				c := p.Corrects(0, iot.Temperature, values...)
				c.Partition = partition
				if rapid.Bool().Draw(t, "at the position of the one before") {
					c.Position = s.Position
				}
				s = c
				published = append(published, c)
			}
			want += int64(len(values))
		}
		published = append(rapid.Permutation(published).Draw(t, "order"), rapid.SliceOf(rapid.SampledFrom(published)).Draw(t, "again")...)
		for _, s := range published {
			v.Apply(Batch{Summaries: []iot.WindowSummary{s}})
		}
		if got, _ := counted(v, 0); got != want {
			t.Errorf("got %d readings, want %d", got, want)
		}
	})
}
