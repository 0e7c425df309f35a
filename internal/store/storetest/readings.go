package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

func firstReadingWins(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.readings(reading("a", 1, 20), reading("a", 1, 21), reading("a", 2, 22), reading("b", 2, 30))
	f.readings(reading("a", 2, 23), reading("b", 1, 31))
	for device, want := range map[iot.DeviceID][]float64{"a": {20, 22}, "b": {31, 30}} {
		var got []float64
		for _, p := range points(t, store, api.ReadingsQuery{Device: device}) {
			got = append(got, p.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v, the first reading of each moment", device, got, want)
		}
	}
}

func readingsInOrder(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	bad, uncertain := reading("a", 5, 24), reading("a", 6.000001, -0.1)
	bad.Quality, uncertain.Quality = iot.Bad, iot.Uncertain
	f.readings(reading("a", 9, 21), uncertain, bad, reading("b", 6, 99), reading("a", 4.999999, 1), reading("a", 7, 22))
	got := points(t, store, api.ReadingsQuery{Device: "a", From: at(5), To: at(9)})
	want := []api.Point{
		{Time: at(5), Value: 24, Quality: iot.Bad},
		{Time: at(6.000001), Value: -0.1, Quality: iot.Uncertain},
		{Time: at(7), Value: 22, Quality: iot.Good},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: from included, to excluded", got, want)
	}
}

// waving stores n readings of device a, a second apart.
func waving(f *feed, n int, value func(i int) float64) {
	all := make([]iot.Reading, n)
	for i := range all {
		all[i] = reading("a", float64(i), value(i))
	}
	f.readings(all...)
}

func fewReadingsWhole(t *testing.T, store Store) {
	waving(newFeed(t, store, 0), 50, func(int) float64 { return 1 })
	for _, q := range []api.ReadingsQuery{
		{MaxPoints: 50},
		{MaxPoints: 50, Step: time.Minute},
		{MaxPoints: 1000},
		{MaxPoints: 10, Whole: 50},
	} {
		q.Device, q.From, q.To = "a", at(0), at(50)
		if got := points(t, store, q); len(got) != 50 {
			t.Errorf("step %v, at most %d: got %d points, want all 50", q.Step, q.MaxPoints, len(got))
		}
	}
	for _, whole := range []int{0, 49} {
		q := api.ReadingsQuery{Device: "a", From: at(0), To: at(50), MaxPoints: 10, Whole: whole}
		if got := points(t, store, q); len(got) != 20 {
			t.Errorf("at most 10 buckets, %d whole: got %d points, want the first and the last of each", whole, len(got))
		}
	}
}

// drawReadings draws readings of a new device, a second or more apart, with few different values, and stores them.
func drawReadings(t *rapid.T, f *feed, device string) []api.Point {
	var readings []iot.Reading
	var all []api.Point
	second := 0
	for range rapid.IntRange(1, 300).Draw(t, "readings") {
		second += rapid.SampledFrom([]int{1, 1, 1, 1, 30}).Draw(t, "gap")
		r := reading(device, float64(second), float64(rapid.IntRange(-5, 5).Draw(t, "value")))
		readings = append(readings, r)
		r.Quality = rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality")
		readings[len(readings)-1] = r
		all = append(all, api.Point{Time: r.Time, Value: r.Value, Quality: r.Quality})
	}
	f.readings(rapid.Permutation(readings).Draw(t, "order")...)
	return all
}

// thinned returns the thinned readings that History specifies for buckets of a known length.
func thinned(all []api.Point, from time.Time, step time.Duration) []api.Point {
	var kept []api.Point
	for len(all) > 0 {
		end := from.Add(all[0].Time.Sub(from).Truncate(step) + step)
		n := 0
		for n < len(all) && all[n].Time.Before(end) {
			n++
		}
		bucket := slices.DeleteFunc(slices.Clone(all[:n]), func(p api.Point) bool { return p.Quality == iot.Bad })
		if len(bucket) == 0 {
			bucket = all[:n]
		}
		all = all[n:]
		byValue := func(a, b api.Point) int { return int(a.Value - b.Value) }
		four := []api.Point{bucket[0], slices.MinFunc(bucket, byValue), slices.MaxFunc(bucket, byValue), bucket[len(bucket)-1]}
		slices.SortFunc(four, func(a, b api.Point) int { return a.Time.Compare(b.Time) })
		kept = append(kept, slices.Compact(four)...)
	}
	return kept
}

func thinnedReadings(t *testing.T, store Store) {
	f, devices := newFeed(t, store, 0), 0
	rapid.Check(t, func(t *rapid.T) {
		devices++
		device := fmt.Sprint("device ", devices)
		all := drawReadings(t, f, device)
		step := time.Duration(rapid.IntRange(1, 120).Draw(t, "step")) * time.Second
		buckets := rapid.IntRange(1, 80).Draw(t, "buckets")
		q := api.ReadingsQuery{Device: iot.DeviceID(device), From: at(0), To: at(0).Add(time.Duration(buckets) * step), Step: step, MaxPoints: buckets}
		all = slices.DeleteFunc(all, func(p api.Point) bool { return !p.Time.Before(q.To) })
		want := all
		if len(all) > q.MaxPoints {
			want = thinned(all, q.From, step)
		}
		got, err := store.Readings(f.t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func thinnedReadingsBounded(t *testing.T, store Store) {
	const n = 1000
	waving(newFeed(t, store, 0), n, func(i int) float64 { return float64(i * 7919 % 997) })
	for _, q := range []api.ReadingsQuery{
		{From: at(0), To: at(n), MaxPoints: 10},
		{From: at(0), To: at(n), MaxPoints: 10, Step: time.Millisecond},
		{From: at(0.5), To: at(n), MaxPoints: 7, Step: 3 * time.Second},
		{From: at(0), To: at(n), MaxPoints: 1},
		{From: time.Unix(0, 0), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), MaxPoints: 3},
	} {
		q.Device = "a"
		got := points(t, store, q)
		if len(got) > 4*q.MaxPoints {
			t.Errorf("%+v: got %d points, want at most four of each bucket", q, len(got))
		}
		if !slices.ContainsFunc(got, func(p api.Point) bool { return p.Value == 996 }) {
			t.Errorf("%+v: the largest value is gone", q)
		}
	}
	for _, q := range []api.ReadingsQuery{
		{From: at(0), To: at(n)},
		{From: at(5), To: at(5), MaxPoints: 5},
		{From: at(6), To: at(5), MaxPoints: 5},
	} {
		q.Device = "a"
		if got, err := store.Readings(t.Context(), q); len(got) != 0 || err != nil {
			t.Errorf("%+v: got %d points, %v, want none", q, len(got), err)
		}
	}
}
