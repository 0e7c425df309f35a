package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// onlyWindow returns the only window in the store, which must have as many readings and their average.
func onlyWindow(t *testing.T, store Store, count int64, average float64) iot.WindowSummary {
	t.Helper()
	got := windows(t, store, api.SummariesQuery{})
	if len(got) != 1 {
		t.Fatalf("got %d windows, want 1: %+v", len(got), got)
	}
	if got[0].Count != count || got[0].Average() != average {
		t.Errorf("got %d readings, average %v, want %d, %v", got[0].Count, got[0].Average(), count, average)
	}
	return got[0]
}

func summariesAddUp(t *testing.T, store Store) {
	var want iot.Sum
	for partition := range int32(3) {
		f := newFeed(t, store, partition)
		values := []float64{0.1, 1e15 / float64(partition+1), -0.3}
		for _, v := range values {
			want.Add(v)
		}
		f.summaries(f.final(0, 1, values...))
	}
	got := onlyWindow(t, store, 9, want.Float64()/9)
	if got.Devices != 3 || got.Online != 6 || got.Offline != 9 || got.Min != -0.3 || got.Max != 1e15 {
		t.Errorf("got %+v, want the partitions' numbers added up", got)
	}
	if !got.Final || got.Window != (iot.Window{Start: at(0), Length: 30 * time.Second}) {
		t.Errorf("got %+v, final: %v, want the closed window", got.Window, got.Final)
	}
}

// exact draws values whose sum depends on the order of adding, unless it is exact.
func exact() *rapid.Generator[[]float64] {
	return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e300, 1e300), rapid.Float64Range(-1, 1)), 1, 20)
}

func summariesOfAnySplit(t *testing.T, store Store) {
	feeds := []*feed{newFeed(t, store, 0), newFeed(t, store, 1), newFeed(t, store, 2)}
	start := 0.0
	rapid.Check(t, func(t *rapid.T) {
		start += 30
		var whole iot.Summary
		parts := make([]iot.WindowSummary, len(feeds))
		for i, f := range feeds {
			parts[i] = f.final(start, 1)
		}
		for _, v := range exact().Draw(t, "values") {
			whole.Add(v)
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "partition")].Add(v)
		}
		for i, f := range feeds {
			f.summaries(parts[i])
		}
		got := windows(feeds[0].t, store, api.SummariesQuery{From: at(start), To: at(start + 30)})
		if len(got) != 1 || got[0].Count != whole.Count || math.Float64bits(got[0].Sum.Float64()) != math.Float64bits(whole.Sum.Float64()) ||
			got[0].Min != whole.Min || got[0].Max != whole.Max {
			t.Fatalf("got %+v, want %+v bit for bit", got, whole)
		}
	})
}

func summariesGiveWay(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	f.summaries(f.final(0, 5, 1, 2))
	f.summaries(f.final(0, 4, 1))
	onlyWindow(t, store, 2, 1.5)
	f.summaries(f.final(0, 5, 1, 2))
	onlyWindow(t, store, 2, 1.5)
	f.summaries(f.final(0, 6, 1, 2, 3))
	onlyWindow(t, store, 3, 2)
	anew := f.final(0, 1, 7)
	anew.Epoch = 1
	f.summaries(anew)
	onlyWindow(t, store, 1, 7)
	f.summaries(f.final(0, 9, 1, 2, 3))
	onlyWindow(t, store, 1, 7)
}

func summariesSelected(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	for window := range 4 {
		temperature := f.final(float64(30*window), 1, float64(window))
		humidity := temperature
		humidity.Type = iot.Humidity
		f.summaries(temperature, humidity)
	}
	for name, test := range map[string]struct {
		q    api.SummariesQuery
		want string
	}{
		"all":                        {api.SummariesQuery{}, "0 humidity, 0 temperature, 30 humidity, 30 temperature, 60 humidity, 60 temperature, 90 humidity, 90 temperature"},
		"from included, to excluded": {api.SummariesQuery{From: at(30), To: at(60)}, "30 humidity, 30 temperature"},
		"one type":                   {api.SummariesQuery{Type: iot.Humidity, From: at(1), To: at(61)}, "30 humidity, 60 humidity"},
		"limit":                      {api.SummariesQuery{Limit: 3}, "0 humidity, 0 temperature, 30 humidity"},
		"after":                      {api.SummariesQuery{AfterStart: at(30), AfterType: iot.Humidity, Limit: 2}, "30 temperature, 60 humidity"},
		"after, of one type":         {api.SummariesQuery{Type: iot.Temperature, AfterStart: at(30), AfterType: iot.Temperature, Limit: 2}, "60 temperature, 90 temperature"},
		"nothing there":              {api.SummariesQuery{Type: iot.Switch}, ""},
	} {
		got := ""
		for _, s := range windows(t, store, test.q) {
			if got != "" {
				got += ", "
			}
			got += fmt.Sprintf("%v %s", s.Window.Start.Sub(epoch).Seconds(), s.Type[:len(s.Type)-len("_sensor")])
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func summariesPage(t *testing.T, store Store) {
	types := []iot.DeviceType{iot.Temperature, iot.Humidity}
	feeds := []*feed{newFeed(t, store, 0), newFeed(t, store, 1)}
	// A window has a row for each partition, which must all be on the same page.
	add := func(window int) {
		for _, f := range feeds {
			for _, kind := range types {
				s := f.final(float64(30*window), 1, float64(window))
				s.Type = kind
				f.summaries(s)
			}
		}
	}
	for window := range 10 {
		add(window)
	}
	var got []iot.WindowSummary
	q := api.SummariesQuery{From: at(0), To: at(1e6), Limit: 3}
	for window := 10; ; window++ {
		page := windows(t, store, q)
		got = append(got, page...)
		if len(page) < q.Limit {
			break
		}
		last := page[len(page)-1]
		q.AfterStart, q.AfterType = last.Window.Start, last.Type
		add(-window) // Before the range: must not be listed.
		if window < 13 {
			add(window) // After the page: must be listed.
		}
	}
	if len(got) != 26 {
		t.Errorf("got %d windows, want 26", len(got))
	}
	for i, s := range got {
		wantStart, wantType := at(float64(30*(i/2))), types[1-i%2]
		if !s.Window.Start.Equal(wantStart) || s.Type != wantType || s.Count != 2 {
			t.Errorf("row %d: got %d readings of %s at %v, want 2 of %s at %v", i, s.Count, s.Type, s.Window.Start, wantType, wantStart)
		}
	}
}

func summariesListAlerts(t *testing.T, store Store) {
	for partition := range int32(2) {
		f := newFeed(t, store, partition)
		s := f.final(0, 1, 20)
		for i := range iot.MaxSummaryAlerts {
			a := raised(fmt.Sprintf("device %d-%d", partition, i), float64(i), 1)
			if i == 7 {
				a.Severity = iot.Critical
			}
			s.Alerts = append(s.Alerts, a)
		}
		s.AlertCount = 100
		f.summaries(s)
	}
	got := onlyWindow(t, store, 2, 20)
	if got.AlertCount != 200 || len(got.Alerts) != iot.MaxSummaryAlerts {
		t.Fatalf("got %d of %d alerts, want %d of 200", len(got.Alerts), got.AlertCount, iot.MaxSummaryAlerts)
	}
	for i, a := range got.Alerts {
		want := raised(string(a.DeviceID), a.Onset.Sub(epoch).Seconds(), 1)
		want.Severity = iot.Warning
		if i < 2 {
			want.Severity = iot.Critical
		}
		if a != want {
			t.Errorf("alert %d: got %+v, want %+v", i, a, want)
		}
	}
	if without := windows(t, store, api.SummariesQuery{WithoutAlerts: true}); len(without) != 1 || len(without[0].Alerts) != 0 || without[0].AlertCount != 200 {
		t.Errorf("without alerts: got %+v, want their number alone", without)
	}
	f := newFeed(t, store, 0)
	f.summaries(f.final(0, 2, 20))
	if got := onlyWindow(t, store, 2, 20); len(got.Alerts) != iot.MaxSummaryAlerts || got.Alerts[0].DeviceID != "device 1-7" {
		t.Errorf("got %d alerts, want those of the other partition: a summary replaces the alerts of the one before", len(got.Alerts))
	}
}
