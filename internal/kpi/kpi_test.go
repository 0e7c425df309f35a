package kpi_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newTally returns a tally of a time that is over, for all of which there is data.
func newTally(from, to time.Time, operators int) *kpi.Tally {
	return kpi.New(kpi.Span{From: from, To: to, Since: from.Truncate(kpi.Period), Now: to.Add(kpi.Period)}, operators)
}

// add adds alerts of a device, evenly over a period.
func add(t *kpi.Tally, period, alerts int, change func(i int, r *kpi.Raised)) {
	for i := range alerts {
		r := kpi.Raised{
			Rule: "hot", Device: iot.DeviceID(fmt.Sprint("d", i%20)), Severity: iot.Warning,
			Time: noon.Add(time.Duration(period)*kpi.Period + time.Duration(i)*kpi.Period/time.Duration(alerts)),
		}
		if change != nil {
			change(i, &r)
		}
		t.Add(&r)
	}
}

// A flood begins with more than ten alerts in a period and lasts until one with less than five.
func TestFloods(t *testing.T) {
	for _, test := range []struct {
		periods     []int
		operators   int
		flood, busy float64
		floods      int
	}{
		{[]int{10, 10, 10, 10}, 1, 0, 0, 0},
		{[]int{11, 5, 5, 4}, 1, 0.75, 0.25, 1},
		{[]int{11, 4, 11, 0}, 1, 0.5, 0.5, 2},
		{[]int{0, 0, 0, 11}, 1, 0.25, 0.25, 1},
		{[]int{20, 9, 0, 0}, 2, 0, 0, 0},
		{[]int{22, 10, 9, 0}, 2, 0.5, 0.25, 1},
	} {
		tally := newTally(noon, noon.Add(time.Duration(len(test.periods))*kpi.Period), test.operators)
		for i, alerts := range test.periods {
			add(tally, i, alerts, nil)
		}
		if got := tally.Figures(); got.Flood != test.flood || got.Floods != test.floods || got.BusyPeriods != test.busy {
			t.Errorf("%+v: got %v in %d floods and %v busy", test, got.Flood, got.Floods, got.BusyPeriods)
		}
	}
}

func TestFigures(t *testing.T) {
	tally := newTally(noon.Add(time.Minute), noon.Add(2*time.Hour-time.Minute), 2) // Twelve whole periods.
	if tally.From() != noon || tally.To() != noon.Add(2*time.Hour) {
		t.Errorf("got %v to %v", tally.From(), tally.To())
	}
	add(tally, 0, 62, func(i int, r *kpi.Raised) {
		switch {
		case i < 10:
			r.Severity, r.Acknowledged = iot.Critical, r.Time.Add(time.Duration(i+1)*time.Minute)
		case i == 10:
			r.Cleared = r.Time.Add(iot.FleetingSpan)
		case i == 11:
			r.Cleared = r.Time.Add(iot.FleetingSpan + 1)
		}
	})
	add(tally, 7, 2, func(_ int, r *kpi.Raised) { r.Suppressed = true })
	for _, seconds := range []int{0, 30, 60, 600} { // Three within a minute.
		tally.Add(&kpi.Raised{Rule: "chatter", Device: "x", Severity: iot.Info, Time: noon.Add(90*time.Minute + time.Duration(seconds)*time.Second)})
	}
	tally.Add(&kpi.Raised{Rule: "early", Time: noon.Add(-1)})
	tally.Add(&kpi.Raised{Rule: "late", Time: noon.Add(2 * time.Hour)})
	got := tally.Figures()
	if got.Alerts != 66 || got.Suppressed != 2 || got.Peak != 31 || got.PeakAt != noon || got.PerPeriod != 66./12/2 || got.PerHour != 16.5 || got.PerDay != 396 ||
		got.BusyHours != 0.5 || got.BusyPeriods != 1./12 || got.Flood != 1./12 || got.Chattering != 1 || got.Fleeting != 1 {
		t.Errorf("got %+v", got)
	}
	if got.Acknowledged != 10 || got.Median != 5*time.Minute || got.Late != 9*time.Minute || got.Severities[iot.Critical] != 10 || got.Severities[iot.Info] != 4 {
		t.Errorf("got %+v", got)
	}
	if len(got.Most) != 10 || got.Most[0] != (kpi.Frequent{Rule: "chatter", Device: "x", Alerts: 4, Chattering: true}) || got.Most[1].Device != "d0" ||
		got.Most[1].Alerts != 4 || got.MostShare != (4.+4+4+3*7)/66 {
		t.Errorf("got the most frequent %+v, %v of all", got.Most, got.MostShare)
	}
	empty := newTally(noon, noon.Add(time.Hour), 1)
	if got := empty.Figures(); got.Alerts != 0 || got.MostShare != 0 || got.Flood != 0 || len(got.Periods) != 6 || got.Median != 0 {
		t.Errorf("nothing: got %+v", got)
	}
}

// Figures of more alerts than can be counted are about the time that was counted.
func TestTooManyAlerts(t *testing.T) {
	tally := newTally(noon, noon.Add(time.Hour), 1)
	for i := range kpi.MaxAlerts + 1 {
		r := kpi.Raised{Rule: "hot", Device: "a", Time: noon.Add(time.Duration(i) * time.Second / 400)} // More than 20 minutes.
		if more := tally.Add(&r); more != (i < kpi.MaxAlerts) {
			t.Fatalf("alert %d: got %v", i, more)
		}
	}
	got := tally.Figures()
	if !got.Truncated || got.Counted != noon.Add(20*time.Minute) || len(got.Periods) != 2 || got.PerPeriod < 240_000 {
		t.Errorf("got %v until %v, %v in a period", got.Truncated, got.Counted, got.PerPeriod)
	}
}

// Whatever is raised: parts are parts, and the series adds up.
func TestFiguresAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := func(name string) time.Time {
			return noon.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, name)) * time.Minute)
		}
		tally := kpi.New(kpi.Span{From: noon, To: minutes("to"), Since: minutes("since"), Now: minutes("now")}, rapid.IntRange(1, 3).Draw(t, "operators"))
		at, n := noon, rapid.IntRange(0, 200).Draw(t, "alerts")
		for range n {
			at = at.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "step")) * time.Second)
			tally.Add(&kpi.Raised{
				Rule: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "rule"), Device: "d", Severity: iot.Warning, Time: at,
				Suppressed: rapid.IntRange(0, 9).Draw(t, "suppressed") == 0, Acknowledged: at.Add(time.Duration(rapid.IntRange(-5, 50).Draw(t, "ack")) * time.Second),
			})
		}
		f := tally.Figures()
		var sum, most int64
		for _, alerts := range f.Periods {
			sum += alerts
		}
		for _, m := range f.Most {
			most += m.Alerts
		}
		for _, part := range []float64{f.BusyHours, f.BusyPeriods, f.Flood, f.MostShare} {
			if part < 0 || part > 1 {
				t.Fatalf("got the part %v in %+v", part, f)
			}
		}
		if sum != f.Alerts || most != f.Alerts || f.Flood < f.BusyPeriods || f.Median > f.Late || f.Median < 0 || f.PerPeriod > f.Peak {
			t.Fatalf("got %+v", f)
		}
	})
}

// The period that is not over, and one in whose midst the data begins, lower no average and no part of the time; their alerts count, and may be the peak.
func TestPeriodsThatAreNotWholeAreInNoAverage(t *testing.T) {
	for _, test := range []struct {
		name            string
		since, now      time.Duration
		perPeriod, busy float64
		from, until     time.Duration
	}{
		{"all are whole", 0, time.Hour, 9, 1. / 6, 0, time.Hour},
		{"the last is not over", 0, 57 * time.Minute, 6, 0, 0, 50 * time.Minute},
		{"the first is hardly begun", 9 * time.Minute, time.Hour, 9.6, 0.2, 10 * time.Minute, time.Hour},
		{"none is whole", 51 * time.Minute, 57 * time.Minute, 9, 1. / 6, 0, time.Hour},
	} {
		tally := kpi.New(kpi.Span{From: noon.Add(test.since), To: noon.Add(test.now), Since: noon.Add(test.since), Now: noon.Add(test.now)}, 1)
		if test.name == "none is whole" {
			tally = kpi.New(kpi.Span{From: noon, To: noon.Add(test.now), Since: noon.Add(test.since), Now: noon.Add(test.now)}, 1)
		}
		for period := range 6 {
			add(tally, period, []int{6, 6, 6, 6, 6, 24}[period], nil)
		}
		got := tally.Figures()
		if got.PerPeriod != test.perPeriod || got.BusyPeriods != test.busy || got.AveragedFrom != noon.Add(test.from) || got.AveragedUntil != noon.Add(test.until) {
			t.Errorf("%s: got %v and %v busy, from %v until %v, want %v and %v", test.name, got.PerPeriod, got.BusyPeriods, got.AveragedFrom, got.AveragedUntil, test.perPeriod, test.busy)
		}
		if got.Alerts != 54 || got.Peak != 24 || got.Floods != 1 {
			t.Errorf("%s: got %d alerts, %v at most and %d floods, want all that there is", test.name, got.Alerts, got.Peak, got.Floods)
		}
	}
}
