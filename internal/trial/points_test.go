package trial_test

import (
	"fmt"
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

// byPoint is a rule about another point of the machine.
func byPoint(expression string) iot.Rule {
	return high(0, func(r *iot.Rule) {
		r.Condition = iot.Condition{Kind: iot.Expression, Expression: expression}
		r.Devices = []iot.DeviceID{"a"}
	})
}

// inPress are registry entries by which every device is in the machine press.
func inPress(iot.Identity) *iot.DeviceEntry { return &iot.DeviceEntry{Area: "press"} }

func TestAnExpressionIsTriedByThePointsOfThen(t *testing.T) {
	a := archive{"a": values(30, 30, 30, 30, 30, 30), "p": values(40, 40, 20, 20, 40, 40)}
	run := trialOf(t, byPoint(`value > point("p").value`), nil)
	run.Entry = inPress
	got, err := run.Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tried.Alerts != 1 || got.Alerts[0].Raised != at(2) || got.Alerts[0].Cleared != at(4) || got.Selected != 1 {
		t.Errorf("got %+v of %d devices", got.Alerts, got.Selected)
	}
	if got.Points == nil || *got.Points != (trial.PointsFound{Every: time.Second, Machines: 1}) {
		t.Errorf("got the points %+v", got.Points)
	}
	for name, change := range map[string]func(){
		"of no machine": func() { run.Entry = noEntry },
		"none":          func() { delete(a, "p") },
		"bad": func() {
			a["p"] = values(20)
			a["p"][0].Quality = iot.Bad
		},
		"two": func() {
			a["p"], a["q"] = values(20), values(20)
			run.Entry = func(id iot.Identity) *iot.DeviceEntry {
				return &iot.DeviceEntry{Area: "press", Labels: map[string]string{iot.PointLabel: "pump"}}
			}
			run.Rule = byPoint(`value > point("pump").value`)
		},
	} {
		run.Entry = inPress
		change()
		got, err := run.Run(t.Context(), a)
		want := trial.PointsFound{Every: time.Second, Machines: 1, Without: 1}
		if name == "of no machine" {
			want = trial.PointsFound{Every: time.Second, WithoutArea: 1}
		}
		if err != nil || got.Tried.Alerts != 0 || got.Points == nil || *got.Points != want {
			t.Errorf("%s: got %+v with the points %+v, %v", name, got.Tried, got.Points, err)
		}
	}
}

// What a trial finds by points is what the processor raises by those that come into force each second.
func TestATrialByPointsFindsWhatTheProcessorRaises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := byPoint(rapid.SampledFrom([]string{
			`value > point("p").value`, `point("p").age < 10 and value > point("p").value`, `point("p").age > 30`,
			`value - previous > 5 or value > point("p").value and point("p").age < 20`, `1 / (point("p").value - 20) > 0.09`,
		}).Draw(t, "expression"))
		rule.For = time.Duration(rapid.IntRange(0, 3).Draw(t, "for")) * time.Second
		all, a := catalog(t), make(archive)
		var records []process.Record
		add := func(seconds int, kind iot.Kind, key, value []byte) {
			records = append(records, process.Record{
				Offset: int64(len(records)), Appended: at(seconds), Key: key, Value: value, RecordKind: iot.RecordKind{Kind: kind},
			})
		}
		entry := iot.DeviceEntry{Version: 1, Area: "press"}
		add(0, iot.KindDevice, []byte("a"), wire.AppendDeviceEntry(nil, &entry))
		var last iot.Reading
		end := rapid.IntRange(1, 150).Draw(t, "seconds")
		for s := range end {
			add(s, iot.KindTick, nil, nil)
			for _, device := range []iot.DeviceID{"p", "a"} {
				if device == "a" && !last.Time.IsZero() {
					point := iot.Point{Name: "p", Device: "p", Seen: last.Time, For: iot.PointLasts, Good: last.Quality == iot.Good, Evidence: iot.Position{Offset: int64(s)}}
					if point.Good {
						point.Value = last.Value
					}
					add(s, iot.KindPoints, wire.AppendMachineKey(nil, iot.Machine{Area: "press"}), wire.AppendPoints(nil, &iot.Points{point}))
				}
				if often := map[iot.DeviceID]int{"p": 9, "a": 2}[device]; rapid.IntRange(0, often).Draw(t, "sends") > 0 {
					continue
				}
				r := iot.Reading{
					Device: iot.Device{ID: device, Type: iot.Temperature, Unit: "°C"}, Time: at(s), Value: float64(rapid.IntRange(0, 40).Draw(t, "value")), Status: iot.Online,
					Quality: rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality"),
				}
				a[device] = append(a[device], trial.Reading{Time: r.Time, Value: r.Value, Quality: r.Quality})
				add(s, iot.KindReading, nil, wire.AppendReading(nil, &r))
				if device == "p" {
					last = r
				}
			}
		}
		p := process.New(&process.Options{
			Admission: &iot.Admission{Catalog: all, Skew: 10 * time.Second, Retention: 24 * time.Hour}, Lateness: 5 * time.Second,
			Rules: []iot.Rule{rule}, RuleRevision: 1, Window: 30 * time.Second, Revision: 1, Alone: true, OfflineAfter: time.Hour,
		}, 0, process.Checkpoint{}, false)
		var out live
		if err := p.Process(records, &out); err != nil {
			t.Fatal(err)
		}
		run := trialOf(t, rule, nil)
		run.To, run.Entry = at(end), inPress
		got, err := run.Run(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		var raised, want []string
		for _, found := range got.Alerts {
			raised = append(raised, fmt.Sprint(found.ID, " ", found.Rule, " ", found.Onset.Format(time.TimeOnly), " ", found.Value, " ", found.Raised.Format(time.TimeOnly)))
		}
		for _, line := range out.raised {
			if !strings.Contains(line, "rule_failed") {
				want = append(want, line)
			}
		}
		slices.Sort(raised)
		slices.Sort(want)
		if !slices.Equal(raised, want) {
			t.Fatalf("%s:\nthe trial has raised %q,\nthe processor %q", rule.Expression, raised, want)
		}
	})
}
