package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// text draws a text of up to 128 bytes for any field of a reading, with characters that often break quoting.
func text() *rapid.Generator[string] {
	pieces := rapid.SampledFrom([]string{
		"<", "&", "'", `"`, `\`, "\\u0000", "%s", "$1", "{{", "--", ";", "/*", "\u2028", "\u2029", "😀", "設備", "é", "مرحبا", "हिन्दी", "\U0010FFFF", " ", "A", "0", "NULL",
	})
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for piece := pieces.Draw(t, "piece"); b.Len()+len(piece) <= iot.DefaultMaxText; piece = pieces.Draw(t, "piece") {
			b.WriteString(piece)
			if rapid.IntRange(0, 30).Draw(t, "end") == 0 {
				break
			}
		}
		return b.String()
	})
}

// values are extreme values.
var values = []float64{
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 1.7e308, -1.7e308, math.MaxFloat64, -math.MaxFloat64, 0, 0.1, 85, 1 << 53,
}

// moments are extreme times: in the earliest and the latest year that a reading may have.
var moments = []time.Time{
	time.Date(1, 1, 2, 0, 0, 0, 1000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
	at(0), time.Date(9998, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
}

func strangestComesBack(t *testing.T, store Store) {
	f, n := newFeed(t, store, 0), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		draw := func(label string) string { return text().Draw(t, label) }
		id := fmt.Sprint(n, " ") + draw("id")
		id = strings.ToValidUTF8(id[:min(len(id), iot.MaxIDLength)], "")
		r := iot.Reading{
			Device: iot.Device{
				ID: iot.DeviceID(id), Type: iot.Temperature, Unit: draw("unit"),
				Location: iot.Location{Building: draw("building"), Floor: rapid.SampledFrom([]int{math.MinInt64, math.MinInt32, -1, 0, math.MaxInt32, math.MaxInt64}).Draw(t, "floor"), Room: draw("room")},
				Metadata: iot.Metadata{Model: draw("model"), Firmware: draw("firmware")},
			},
			Value: rapid.SampledFrom(values).Draw(t, "value"), Time: rapid.SampledFrom(moments).Draw(t, "time"),
			Status: iot.Offline, Quality: iot.Uncertain, Historical: true,
		}
		alert := raised(id, 0, 1)
		alert.Onset, alert.Time = r.Time, r.Time
		alert.ID = iot.AlertID(alert.Rule, r.Identity(), r.Time)
		alert.Unit, alert.Location, alert.Value, alert.Threshold = r.Unit, r.Location, r.Value, -r.Value
		alert.Message = r.Unit + r.Location.Building + r.Location.Room + id
		window := iot.WindowSummary{Type: iot.DeviceType(fmt.Sprint(n, " ") + draw("type")), Window: iot.WindowOf(r.Time, 30*time.Second), Position: alert.Position, Final: true}
		window.AddReading(r.Value, r.Quality)
		window.Alerts, window.AlertCount = slices.Repeat([]iot.Alert{alert}, iot.MaxSummaryAlerts), 10_000
		f.write(1, archive.Batch{Readings: f.of(r), Alerts: []iot.Alert{alert}, Summaries: []iot.WindowSummary{window}})

		from, to := r.Time.Add(-time.Hour), r.Time.Add(time.Hour)
		got := points(f.t, store, api.ReadingsQuery{Device: r.ID, From: from, To: to})
		if want := (api.Point{Time: r.Time, Value: r.Value, Quality: r.Quality}); len(got) != 1 || got[0] != want {
			t.Fatalf("got %v, want %v", got, want)
		}
		if got := alerts(f.t, store, api.AlertsQuery{Device: r.ID}); len(got) != 1 || got[0].Alert != alert {
			t.Fatalf("got %+v, want %+v", got, alert)
		}
		all := windows(f.t, store, api.SummariesQuery{Type: window.Type, From: from, To: to})
		if len(all) != 1 || all[0].Sum.Float64() != r.Value || all[0].AlertCount != 10_000 || len(all[0].Alerts) != iot.MaxSummaryAlerts || all[0].Alerts[0] != alert {
			t.Fatalf("got %+v, want %+v", all, window)
		}
	})
}

// hostileStopsNothing writes rows that some or all databases refuse, each between two valid rows.
func hostileStopsNothing(t *testing.T, store Store) {
	random := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 20_000) // It does not compress, and is too large for an index.
	for i := range long {
		long[i] = byte('!' + random.IntN(90))
	}
	f := newFeed(t, store, 0)
	for i, odd := range []string{"\x00", "a\x00b", "\xff\xfe", string(long), strings.Repeat("<", 60_000)} {
		device := fmt.Sprint("device ", i)
		before, r, after := reading(device, 0, 1), reading(odd, 1, 2), reading(device, 2, 3)
		r.Unit, r.Type, r.Location.Building, r.Location.Room, r.Metadata.Model, r.Metadata.Firmware = odd, iot.DeviceType(odd), odd, odd, odd, odd
		first, alert, last := raised(device, 0, 1), raised(odd, 1, 1), raised(device, 2, 1)
		alert.ID, alert.Rule, alert.Message, alert.Unit, alert.Severity, alert.DeviceType = odd, odd, odd, odd, iot.Severity(odd), iot.DeviceType(odd)
		start := float64(60 * i)
		odder := f.final(start, 1, math.Inf(1))
		odder.Type, odder.Alerts, odder.Min = iot.DeviceType(odd), []iot.Alert{alert}, math.NaN()
		alert.Value, alert.Threshold = math.NaN(), math.Inf(1)
		mark := f.mark(start, 1)
		mark.Type = odder.Type
		f.write(3, archive.Batch{
			Readings:  f.of(before, r, after),
			Alerts:    []iot.Alert{first, alert, last},
			Summaries: []iot.WindowSummary{f.final(start, 1, 5), odder, mark, f.final(start+30, 1, 6)},
		})
		if got := points(t, store, api.ReadingsQuery{Device: iot.DeviceID(device)}); len(got) != 2 {
			t.Errorf("%d: got %d readings of the other device, want 2", i, len(got))
		}
		if got := alerts(t, store, api.AlertsQuery{Device: iot.DeviceID(device)}); len(got) != 2 {
			t.Errorf("%d: got %d alerts of the other device, want 2", i, len(got))
		}
		if got := windows(t, store, api.SummariesQuery{Type: iot.Temperature, From: at(start), To: at(start + 60)}); len(got) != 2 {
			t.Errorf("%d: got %d windows of the other type, want 2", i, len(got))
		}
	}
	if err := store.Recompute(t.Context()); err != nil {
		t.Error(err)
	}
	prune(t, store, archive.Retention{Readings: time.Hour, Summaries: time.Hour, Alerts: time.Hour})
	for _, odd := range []string{"\x00", "\xff"} {
		if _, err := store.Readings(t.Context(), api.ReadingsQuery{Device: iot.DeviceID(odd), From: at(0), To: at(1), MaxPoints: 10}); err != nil {
			t.Errorf("readings of %q: %v, want none", odd, err)
		}
		if _, err := store.Alerts(t.Context(), api.AlertsQuery{Device: iot.DeviceID(odd), Rule: odd, Limit: 10}); err != nil {
			t.Errorf("alerts of %q: %v, want none", odd, err)
		}
		if _, err := store.Summaries(t.Context(), api.SummariesQuery{Type: iot.DeviceType(odd), From: at(0), To: at(1), Limit: 10}); err != nil {
			t.Errorf("summaries of %q: %v, want none", odd, err)
		}
	}
}

func hugeSums(t *testing.T, store Store) {
	var want iot.Summary
	for partition := range int32(3) {
		f := newFeed(t, store, partition)
		var readings []iot.Reading
		for i := range 20 {
			value := []float64{math.MaxFloat64, 1.7e308, -1.7e308, math.SmallestNonzeroFloat64}[i%4]
			readings = append(readings, reading(fmt.Sprint(partition), float64(i), value))
			want.Add(value)
		}
		f.write(20, archive.Batch{Readings: f.of(readings...), Summaries: []iot.WindowSummary{f.mark(0, 20)}})
		f.appended = at(7200)
		f.readings()
	}
	prune(t, store, archive.Retention{}) // Rolls up.
	got := onlyWindow(t, store, 60, want.Average())
	if got.Sum.Float64() != math.MaxFloat64 || got.Average() < 1e307 || got.Max != math.MaxFloat64 {
		t.Errorf("got sum %v, average %v, want what they add up to", got.Sum.Float64(), got.Average())
	}
	if got := points(t, store, api.ReadingsQuery{Device: "1", From: at(0), To: at(3600), Step: time.Hour, MaxPoints: 1}); len(got) != 3 {
		t.Errorf("got %v, want the first, which is the largest, the last and the extremes", got)
	}
}
