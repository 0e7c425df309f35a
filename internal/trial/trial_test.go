package trial_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/trial"
	"iotmon/internal/wire"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// archive holds readings by device, each in the order of time.
type archive map[iot.DeviceID][]trial.Reading

func (a archive) DevicesOf(_ context.Context, _ iot.Tenant, t iot.DeviceType, limit int) ([]iot.Device, error) {
	var found []iot.Device
	for _, id := range slices.Sorted(maps.Keys(a)) {
		if (t == "" || t == iot.Temperature) && len(found) < limit {
			found = append(found, iot.Device{ID: id, Type: iot.Temperature, Unit: "°C"})
		}
	}
	return found, nil
}

func (a archive) EachReading(ctx context.Context, devices []iot.Device, from, to time.Time, visit func(int, trial.Reading) bool) error {
	for i := range devices {
		for _, r := range a[devices[i].ID] {
			if !r.Time.Before(from) && r.Time.Before(to) && !visit(i, r) {
				return nil
			}
		}
	}
	return ctx.Err()
}

// values are readings of a device, one a second.
func values(all ...float64) (readings []trial.Reading) {
	for i, value := range all {
		readings = append(readings, trial.Reading{Time: at(i), Value: value, Quality: iot.Good})
	}
	return readings
}

func catalog(t interface{ Fatal(...any) }) *iot.Catalog {
	c, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func high(threshold float64, change func(*iot.Rule)) iot.Rule {
	r := iot.Rule{
		Name: "hot", Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Threshold: threshold}, Severity: iot.Warning,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func noEntry(iot.Identity) *iot.DeviceEntry { return nil }

func trialOf(t interface{ Fatal(...any) }, rule iot.Rule, other *iot.Rule) *trial.Trial {
	return &trial.Trial{
		Rule: rule, Other: other, Entry: noEntry, Catalog: catalog(t), From: noon, To: noon.Add(time.Hour), Alerts: 100, Now: time.Now,
	}
}

func TestATrialComparesTwoVersions(t *testing.T) {
	a := archive{
		"a": values(20, 31, 20, 26, 20, 31, 20), // Above 30 twice, above 25 three times within a minute.
		"b": values(20, 26, 26),                 // Still above 25 at the end.
		"c": values(20, 20, 20),
		"d": values(40, 40, 40), // Has a limit of its own.
	}
	rule, other := high(25, nil), high(30, func(r *iot.Rule) { r.Except = []iot.Selector{{Devices: []iot.DeviceID{"a"}}} })
	run := trialOf(t, rule, &other)
	run.Entry = func(id iot.Identity) *iot.DeviceEntry {
		if id.ID == "d" {
			return &iot.DeviceEntry{Limits: map[string]float64{"hot": 50}}
		}
		return nil
	}
	got, err := run.Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	tried := trial.Tally{
		Alerts: 4, Devices: 2, Open: 1, Alone: 4, Total: 3*time.Second + (time.Hour - time.Second), Longest: time.Hour - time.Second, Chattering: 1, Fleeting: 3,
		Days: []trial.Day{{noon.Truncate(24 * time.Hour), 4}},
		Most: []trial.DeviceAlerts{{iot.Identity{ID: "a"}, 3, true}, {iot.Identity{ID: "b"}, 1, false}},
	}
	if text, want := fmt.Sprint(got.Tried), fmt.Sprint(tried); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got.Other == nil || got.Other.Alerts != 0 || got.Devices != 4 || got.Selected != 4 || got.Readings != 16 || got.Stopped != "" {
		t.Errorf("got %+v", got)
	}
	if len(got.Alerts) != 4 || got.Alerts[0].Raised != at(5) || got.Alerts[0].By != trial.ByTried || got.Alerts[1].Raised != at(3) ||
		got.Alerts[2].ID != "a" || got.Alerts[3].ID != "b" || !got.Alerts[3].Cleared.IsZero() {
		t.Errorf("got the alerts %+v, want the newest first", got.Alerts)
	}
}

// Alerts are alike if they overlap: a version that is later by a delay still raises the same alert.
func TestAlertsThatOverlapAreAlike(t *testing.T) {
	a := archive{"a": values(20, 31, 31, 31, 31, 20, 31, 20)}
	rule, other := high(30, func(r *iot.Rule) { r.For = 2 * time.Second }), high(30, nil)
	got, err := trialOf(t, rule, &other).Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tried.Alerts != 1 || got.Tried.Alone != 0 || got.Other.Alerts != 2 || got.Other.Alone != 1 || len(got.Alerts) != 2 ||
		got.Alerts[0].By != trial.ByOther || got.Alerts[1].By != trial.ByBoth || got.Alerts[1].Raised != at(3) {
		t.Errorf("got %+v and %+v: %+v", got.Tried, got.Other, got.Alerts)
	}
}

// Nobody resets an alert in a trial, and what is disabled is tried before it is enabled.
func TestALatchedAlertEndsWithItsCondition(t *testing.T) {
	got, err := trialOf(t, high(30, func(r *iot.Rule) { r.Latch, r.Disabled = true, true }), nil).Run(t.Context(), archive{"a": values(31, 20, 31, 20)})
	if err != nil || got.Tried.Alerts != 2 || got.Tried.Open != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATrialIsBounded(t *testing.T) {
	a := archive{"a": values(31, 31, 31), "b": values(31, 31, 31), "c": values(31, 31, 31)}
	t.Run("readings", func(t *testing.T) {
		run := trialOf(t, high(30, nil), nil)
		run.MaxReadings = 4
		got, err := run.Run(t.Context(), a)
		if err != nil || got.Readings != 4 || got.Stopped != trial.StoppedByReadings || got.Devices != 2 || got.Selected != 3 || got.Tried.Alerts != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("readings of many devices", func(t *testing.T) {
		many := make(archive)
		for i := range 200 {
			many[iot.DeviceID(fmt.Sprintf("%03d", i))] = values(31, 20, 31)
		}
		run := trialOf(t, high(30, nil), nil)
		run.MaxReadings = 400
		got, err := run.Run(t.Context(), many)
		if err != nil || got.Readings != 400 || got.Stopped != trial.StoppedByReadings || got.Devices != 134 || got.Selected != 200 || got.Tried.Alerts != 267 ||
			got.Tried.Devices != 134 || len(got.Alerts) != 100 || got.Alerts[99].ID != "099" || got.Tried.Days[0].Alerts != 267 || len(got.Tried.Most) != 10 || got.Tried.Most[9].ID != "009" {
			t.Errorf("got %+v, %v, want all but one reading of 134 devices", got, err)
		}
	})
	t.Run("time", func(t *testing.T) {
		long := archive{"a": values(make([]float64, 3000)...), "b": values(make([]float64, 3000)...), "c": values(make([]float64, 3000)...)}
		run := trialOf(t, high(30, nil), nil)
		now := noon
		run.Now = func() time.Time { now = now.Add(trial.MaxTime + 1); return now }
		got, err := run.Run(t.Context(), long)
		if err != nil || got.Stopped != trial.StoppedByTime || got.Devices != 2 || got.Selected != 3 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("alerts", func(t *testing.T) {
		var waving []float64
		for i := range 3000 {
			waving = append(waving, float64(i%2)*50)
		}
		run := trialOf(t, high(30, nil), nil)
		run.Alerts = 3
		got, err := run.Run(t.Context(), archive{"a": values(waving...)})
		if err != nil || got.Tried.Alerts != 1500 || len(got.Alerts) != 3 || got.Alerts[0].Raised != at(2999) || got.Alerts[2].Raised != at(2995) {
			t.Errorf("got %+v, %v, want the newest three of 1500", got, err)
		}
	})
	t.Run("client", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := trialOf(t, high(30, nil), nil).Run(ctx, a); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the client is gone", err)
		}
	})
	t.Run("span", func(t *testing.T) {
		run := trialOf(t, high(30, nil), nil)
		run.To = run.From.Add(trial.MaxSpan + 1)
		var invalid *iot.InvalidError
		if _, err := run.Run(t.Context(), a); !errors.As(err, &invalid) || invalid.Field != "from" {
			t.Errorf("got %v, want that the span is too long", err)
		}
	})
	t.Run("offline", func(t *testing.T) {
		var invalid *iot.InvalidError
		_, err := trialOf(t, iot.Rule{Name: iot.RuleOffline, Severity: iot.Warning}, nil).Run(t.Context(), a)
		if !errors.As(err, &invalid) || invalid.Field != "kind" {
			t.Errorf("got %v, want that it cannot be tried", err)
		}
	})
}

// Silence is that between readings, and that before the end of the span; a device that has sent nothing in the span is not watched.
func TestSilenceIsTried(t *testing.T) {
	quiet := func(within time.Duration) iot.Rule {
		return iot.Rule{Name: "quiet", Severity: iot.Warning, Condition: iot.Condition{Kind: iot.NoData, Within: within}, ClearFor: 2 * time.Second}
	}
	a := archive{"a": values(20, 20), "b": nil, "c": values(20)}
	for _, second := range []int{40, 41, 42, 43, 3599} {
		a["a"] = append(a["a"], trial.Reading{Time: at(second), Value: 20, Quality: iot.Bad}) // Of any quality.
	}
	rule, other := quiet(30*time.Second), high(10, nil)
	got, err := trialOf(t, rule, &other).Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, one := range got.Alerts {
		if one.Rule == "quiet" {
			found = append(found, fmt.Sprint(one.ID, " ", one.Value, " ", one.Onset.Sub(noon), " ", one.Cleared.IsZero() || one.Cleared == at(42)))
		}
	}
	want := []string{"a 30 1m13s true", "a 30 31s true", "c 30 30s true"}
	slices.Sort(found)
	if !slices.Equal(found, want) || got.Tried.Alerts != 3 || got.Tried.Open != 2 || got.Selected != 3 || got.Other.Alerts == 0 {
		t.Errorf("got %q, %+v, want %q", found, got, want)
	}
}

// ruleGenerator makes valid rules of each kind for values between 0 and 60.
func ruleGenerator(t *rapid.T) iot.Rule {
	kinds := []iot.ConditionKind{iot.Threshold, iot.Rise, iot.Fall, iot.Stuck, iot.Average, iot.Maximum, iot.Minimum, iot.Count, iot.Fraction, iot.OfLast, iot.LevelLimits, iot.Expression, iot.NoData}
	c := iot.Condition{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Threshold: float64(rapid.IntRange(2, 40).Draw(t, "threshold"))}
	switch c.Kind {
	case iot.Threshold, iot.OfLast, iot.LevelLimits, iot.Expression:
	default:
		c.Within = time.Duration(rapid.IntRange(1, 20).Draw(t, "within")) * time.Second
	}
	switch c.Kind {
	case iot.Stuck:
		c.Threshold = 1
	case iot.NoData:
		c.Threshold, c.Within = 0, c.Within+10*time.Second
	case iot.Count, iot.OfLast:
		c.Threshold, c.Limit, c.Last = 2, 30, 0
	case iot.Fraction:
		c.Threshold, c.Limit = 0.5, 30
	case iot.Threshold, iot.Average, iot.Minimum:
		c.Below = rapid.Bool().Draw(t, "below")
	}
	if c.Kind == iot.OfLast {
		c.Last = 4
	}
	if c.Kind == iot.LevelLimits {
		c.Threshold, c.Levels = 0, iot.Levels{{On: true, Limit: 5}, {}, {On: true, Limit: 35}, {On: true, Limit: 50, Severity: iot.Critical}}
	}
	if c.Kind == iot.Expression {
		c.Expression = "value > threshold and previous < threshold"
	} else if c.Kind != iot.Stuck && c.Kind != iot.Fraction && c.Kind != iot.NoData {
		c.Hysteresis = rapid.SampledFrom([]float64{0, 1}).Draw(t, "hysteresis")
	}
	return high(0, func(r *iot.Rule) {
		r.Condition = c
		if c.Kind != iot.NoData {
			r.For = time.Duration(rapid.IntRange(0, 3).Draw(t, "for")) * time.Second
		}
		r.ClearFor = time.Duration(rapid.IntRange(0, 3).Draw(t, "clear for")) * time.Second
	})
}

// live is what the processor of a partition publishes about alerts.
type live struct{ raised, cleared []string }

func (l *live) Alert(a *iot.Alert) {
	line := fmt.Sprint(a.DeviceID, " ", a.Rule, " ", a.Onset.Format(time.TimeOnly), " ", a.Value)
	switch {
	case a.Transition == iot.Raised:
		l.raised = append(l.raised, line+" "+a.Time.Format(time.TimeOnly))
	case a.Transition == iot.Cleared:
		l.cleared = append(l.cleared, fmt.Sprint(a.DeviceID, " ", a.Rule, " ", a.Onset.Format(time.TimeOnly), " ", a.Time.Format(time.TimeOnly)))
	}
}

func (*live) Summary(*iot.WindowSummary)          {}
func (*live) Areas(*iot.DeviceAreas)              {}
func (*live) State(*iot.DeviceState)              {}
func (*live) Forget(iot.Identity, iot.Position)   {}
func (*live) InForce(_, _ []byte, _ iot.Position) {}
func (*live) Reject(r *process.Reject)            { panic(r.Field + ": " + r.Reason) }

// What a trial finds is what the processor raises when the same readings arrive in order.
func TestATrialFindsWhatTheProcessorRaises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := ruleGenerator(t)
		all := catalog(t)
		a := make(archive)
		var records []process.Record
		seconds := 0
		// The system works all the time, so that a gap is a silence of devices.
		until := func(end int) {
			for ; seconds < end; seconds++ {
				records = append(records, process.Record{Offset: int64(len(records)), Appended: at(seconds), RecordKind: iot.RecordKind{Kind: iot.KindTick}})
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "readings") {
			until(seconds + rapid.SampledFrom([]int{1, 1, 2, 2, 3, 11, 25}).Draw(t, "step"))
			r := iot.Reading{
				Device: iot.Device{ID: rapid.SampledFrom([]iot.DeviceID{"a", "b"}).Draw(t, "device"), Type: iot.Temperature, Unit: "°C"},
				Time:   at(seconds), Value: float64(rapid.IntRange(0, 60).Draw(t, "value")),
				Quality: rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality"), Status: iot.Online,
			}
			a[r.ID] = append(a[r.ID], trial.Reading{Time: r.Time, Value: r.Value, Quality: r.Quality})
			records = append(records, process.Record{
				Offset: int64(len(records)), Appended: r.Time, Value: wire.AppendReading(nil, &r),
			})
		}
		until(seconds + 40)
		p := process.New(&process.Options{
			Admission: &iot.Admission{Catalog: all, Skew: 10 * time.Second, Retention: 24 * time.Hour}, Lateness: 5 * time.Second,
			Rules: []iot.Rule{rule}, RuleRevision: 1, Window: 30 * time.Second, Revision: 1, Alone: true, OfflineAfter: time.Hour,
		}, 0, process.Checkpoint{}, false)
		var out live
		if err := p.Process(records, &out); err != nil {
			t.Fatal(err)
		}
		run := trialOf(t, rule, nil)
		run.To = at(seconds)
		got, err := run.Run(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		var raised, cleared []string
		for _, found := range got.Alerts {
			onset := fmt.Sprint(found.ID, " ", found.Rule, " ", found.Onset.Format(time.TimeOnly), " ")
			raised = append(raised, fmt.Sprint(onset, found.Value, " ", found.Raised.Format(time.TimeOnly)))
			if !found.Cleared.IsZero() {
				cleared = append(cleared, onset+found.Cleared.Format(time.TimeOnly))
			}
		}
		for _, list := range [][]string{raised, cleared, out.raised, out.cleared} {
			slices.Sort(list)
		}
		if strings.Join(raised, "\n") != strings.Join(out.raised, "\n") || strings.Join(cleared, "\n") != strings.Join(out.cleared, "\n") {
			t.Fatalf("%+v:\nthe trial has raised %q and cleared %q,\nthe processor %q and %q", rule.Condition, raised, cleared, out.raised, out.cleared)
		}
	})
}
