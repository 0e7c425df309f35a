package aggregate_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/aggregate"
	"iotmon/internal/iot"
)

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

const length = 30 * time.Second

func reading(device string, after time.Duration, value float64) iot.Reading {
	return iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature},
		Time:   epoch.Add(after),
		Value:  value,
	}
}

func TestReadingsAreSummarizedPerWindowAndType(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	readings := []iot.Reading{
		reading("a", 0, 20),
		reading("a", 29*time.Second+999999*time.Microsecond, 24),
		reading("b", 10*time.Second, 22),
		reading("b", 30*time.Second, 99),
	}
	humid := reading("c", 5*time.Second, 60)
	humid.Type = iot.Humidity
	readings = append(readings, humid)
	for i, r := range readings {
		if got := w.Add(&r, "", int64(i)); got != aggregate.Counted {
			t.Fatalf("reading %d: got outcome %v, want Counted", i, got)
		}
	}

	closed := w.Advance(epoch.Add(length))
	if len(closed) != 1 {
		t.Fatalf("got %d closed windows, want 1", len(closed))
	}
	got := closed[0].Summaries[iot.Temperature]
	if got.Count != 3 || got.Average() != 22 || got.Min != 20 || got.Max != 24 || got.Devices != 2 {
		t.Errorf("got %+v, want 3 readings of 2 devices, 20 to 24, average 22", got)
	}
	if got := closed[0].Summaries[iot.Humidity]; got.Count != 1 {
		t.Errorf("got %d humidity readings, want 1", got.Count)
	}
	if w.Len() != 1 {
		t.Errorf("got %d open windows, want the one of the reading at the very end", w.Len())
	}
}

func TestDuplicatesAreCountedOnceInAnyOrder(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	times := []time.Duration{5, 3, 9, 3, 5, 4, 9, 4}
	want := []aggregate.Outcome{aggregate.Counted, aggregate.Counted, aggregate.Counted, aggregate.Duplicate,
		aggregate.Duplicate, aggregate.Counted, aggregate.Duplicate, aggregate.Duplicate}
	for i, at := range times {
		r := reading("a", at*time.Second, float64(i))
		if got := w.Add(&r, "", int64(i)); got != want[i] {
			t.Errorf("reading %d: got %v, want %v", i, got, want[i])
		}
	}
}

func TestNothingIsAddedToAClosedWindow(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	w.Advance(epoch.Add(length))
	late := reading("a", 29*time.Second, 1)
	if got := w.Add(&late, "", 0); got != aggregate.Late {
		t.Errorf("a reading before the watermark: got %v, want Late", got)
	}
	if got := w.Advance(epoch); got != nil || !w.Watermark().Equal(epoch.Add(length)) {
		t.Errorf("the watermark went back to %v", w.Watermark())
	}
}

func TestFirstIsTheOffsetThatOpenWindowsNeed(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	for i, at := range []time.Duration{45, 10, 50} {
		r := reading("a", at*time.Second, 1)
		w.Add(&r, "", int64(100+i))
	}
	if got := w.RebuildFrom(103); got != 100 {
		t.Errorf("got first needed offset %d, want 100", got)
	}
	w.Advance(epoch.Add(length))
	if got := w.RebuildFrom(103); got != 100 {
		t.Errorf("after the older window closed: got %d, want 100", got)
	}
	w.Advance(epoch.Add(2 * length))
	if got := w.RebuildFrom(103); got != 103 {
		t.Errorf("with no window open: got %d, want the next offset 103", got)
	}
}

func TestChangedReturnsEachChangeOnce(t *testing.T) {
	w := aggregate.New(iot.OneLength(length), time.Time{})
	r := reading("a", 0, 1)
	w.Add(&r, "", 0)
	if got := len(w.Changed()); got != 1 {
		t.Errorf("got %d changed windows, want 1", got)
	}
	w.Add(&r, "", 1)
	if got := len(w.Changed()); got != 0 {
		t.Errorf("after a duplicate: got %d changed windows, want 0", got)
	}
}

// TestAnySplitGivesTheSameWindows deals the same readings to any number of partitions, device by device, and merges.
func TestAnySplitGivesTheSameWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		readings := rapid.SliceOfN(rapid.Custom(drawReading), 1, 200).Draw(t, "readings")
		whole := summarize(readings, 1)
		split := summarize(readings, rapid.IntRange(2, 7).Draw(t, "partitions"))
		if got, want := describe(split), describe(whole); !slices.Equal(got, want) {
			t.Fatalf("split: got\n%q\nwant\n%q", got, want)
		}
	})
}

func drawReading(t *rapid.T) iot.Reading {
	r := reading(fmt.Sprint("d", rapid.IntRange(0, 9).Draw(t, "device")),
		time.Duration(rapid.IntRange(0, 120).Draw(t, "second"))*time.Second,
		rapid.Float64Range(-1e9, 1e9).Draw(t, "value"))
	r.Type = rapid.SampledFrom([]iot.DeviceType{iot.Temperature, iot.Humidity}).Draw(t, "type")
	return r
}

// summarize gives each device to one partition and returns the merged summaries.
func summarize(readings []iot.Reading, partitions int) map[string]*iot.Summary {
	parts := make([]*aggregate.Windows, partitions)
	for i := range parts {
		parts[i] = aggregate.New(iot.OneLength(length), time.Time{})
	}
	for i, r := range readings {
		parts[int(r.ID[1])%partitions].Add(&r, "", int64(i))
	}
	merged := make(map[string]*iot.Summary)
	for _, part := range parts {
		for _, closed := range part.Advance(epoch.Add(time.Hour)) {
			for t, s := range closed.Summaries {
				key := closed.Start.Format(time.TimeOnly) + " " + string(t)
				if merged[key] == nil {
					merged[key] = new(iot.Summary)
				}
				merged[key].Merge(*s)
			}
		}
	}
	return merged
}

func describe(summaries map[string]*iot.Summary) []string {
	var lines []string
	for key, s := range summaries {
		lines = append(lines, fmt.Sprint(key, " ", s.Count, " ", s.Sum.Float64(), " ", s.Min, " ", s.Max, " ", s.Devices))
	}
	slices.SortFunc(lines, cmp.Compare[string])
	return lines
}

func BenchmarkAdd(b *testing.B) {
	const devices = 10_000
	readings := make([]iot.Reading, devices)
	for i := range readings {
		readings[i] = reading(fmt.Sprintf("device_%03d", i), 0, 20+float64(i%100)/10)
	}
	w := aggregate.New(iot.OneLength(length), time.Time{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := &readings[i%devices]
		r.Time = r.Time.Add(10 * time.Millisecond)
		w.Add(r, "", int64(i))
		if i%devices == 0 {
			w.Advance(r.Time.Add(-5 * time.Second))
		}
	}
}

// Readings two hours apart in microseconds that differ by a multiple of 2^32 are two readings.
func TestLongWindowsKeepReadingsApart(t *testing.T) {
	w := aggregate.New(iot.OneLength(24*time.Hour), time.Time{})
	want := int64(0)
	for i := range 10 {
		r := reading("a", time.Duration(i)*(1<<32)*time.Microsecond-10*time.Hour, 1)
		for _, outcome := range []aggregate.Outcome{aggregate.Counted, aggregate.Duplicate} {
			if got := w.Add(&r, "", int64(i)); got != outcome {
				t.Fatalf("reading %d: got outcome %v, want %v", i, got, outcome)
			}
		}
		want++
	}
	closed := w.Advance(epoch.Add(48 * time.Hour))
	if got := closed[0].Summaries[iot.Temperature]; len(closed) != 1 || got.Count != want || got.Devices != 1 {
		t.Errorf("got %+v, want %d readings of one device", got, want)
	}
}
