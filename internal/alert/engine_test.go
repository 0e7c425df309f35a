package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

func catalog(t testing.TB) *iot.Catalog {
	t.Helper()
	c, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var high = iot.Rule{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28, Hysteresis: 0.5}}

// emit is an alert.Output that passes events on. No rule may fail.
type emit func(*iot.Alert)

func (e emit) Alert(a *iot.Alert) { e(a) }

func (e emit) Failed(device iot.Identity, rule, reason string) {
	panic(fmt.Sprintf("%s fails on %s: %s", rule, device, reason))
}

// evaluate has the engine evaluate a reading of a device that is not registered.
func evaluate(e *alert.Engine, states *iot.RuleStates, r *iot.Reading, out alert.Output) {
	e.Evaluate(setOf(e, r), states, r, out)
}

func setOf(e *alert.Engine, r *iot.Reading) *alert.Set {
	return e.Select(new(alert.Selection), nil, r)
}

// play feeds one device values a second apart and returns the events as "second:transition". A value of "off" is a
// reading with status offline.
func play(t *testing.T, rules []iot.Rule, script string) []string {
	t.Helper()
	engine, err := alert.New(rules, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	var states iot.RuleStates
	var events []string
	for second, word := range strings.Fields(script) {
		r := reading(second, word)
		evaluate(engine, &states, &r, emit(func(a *iot.Alert) {
			events = append(events, fmt.Sprintf("%d:%s:%s", second, a.Rule, a.Transition))
		}))
	}
	return events
}

func reading(second int, word string) iot.Reading {
	r := iot.Reading{
		Device: iot.Device{ID: "device_042", Type: iot.Temperature, Unit: "°C"},
		Time:   epoch.Add(time.Duration(second) * time.Second),
		Status: iot.Online,
		Value:  20,
	}
	if word == "off" {
		r.Status = iot.Offline
	} else if _, err := fmt.Sscan(word, &r.Value); err != nil {
		panic(err)
	}
	return r
}

func TestLifeOfAnAlert(t *testing.T) {
	patient := high
	patient.For, patient.ClearFor = 2*time.Second, 3*time.Second
	cold := iot.Rule{Name: "temperature_low", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Critical, Condition: iot.Condition{Below: true, Threshold: 5, Hysteresis: 1}}
	offline := iot.Rule{Name: iot.RuleOffline, Severity: iot.Warning}

	tests := []struct {
		name   string
		rules  []iot.Rule
		script string
		want   string
	}{
		{"raised once and cleared once", []iot.Rule{high}, "20 29 30 31 27 26", "1:temperature_high:raised 4:temperature_high:cleared"},
		{"the threshold itself is allowed", []iot.Rule{high}, "28 28.1", "1:temperature_high:raised"},
		{"hysteresis keeps it open", []iot.Rule{high}, "29 27.9 27.6 29 27.5", "0:temperature_high:raised 4:temperature_high:cleared"},
		{"a short excursion is ignored", []iot.Rule{patient}, "29 29 20 29 20", ""},
		{"a long one is raised by its onset", []iot.Rule{patient}, "29 29 29", "2:temperature_high:raised"},
		{"clearing must last", []iot.Rule{patient}, "29 29 29 20 20 29 20 20 20 20", "2:temperature_high:raised 9:temperature_high:cleared"},
		{"the dead band does not count towards clearing", []iot.Rule{patient}, "29 29 29 20 20 27.8 20 20 20 20", "2:temperature_high:raised 9:temperature_high:cleared"},
		{"below", []iot.Rule{cold}, "6 4.9 5.5 6", "1:temperature_low:raised 3:temperature_low:cleared"},
		{"two rules live apart", []iot.Rule{high, cold}, "29 4 20", "0:temperature_high:raised 1:temperature_high:cleared 1:temperature_low:raised 2:temperature_low:cleared"},
		{"a device may report itself offline", []iot.Rule{offline}, "20 off off 20", "1:device_offline:raised 3:device_offline:cleared"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, want := play(t, test.rules, test.script), strings.Fields(test.want); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestMessageIsWordedAsDocumented(t *testing.T) {
	engine, err := alert.New([]iot.Rule{high}, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	r := reading(0, "28.1")
	evaluate(engine, new(iot.RuleStates), &r, emit(func(a *iot.Alert) {
		if want := "温度超过阈值: 28.1°C > 28°C"; a.Message != want {
			t.Errorf("got %q, want %q", a.Message, want)
		}
		if want := iot.AlertID("temperature_high", iot.Identity{ID: "device_042"}, epoch); a.ID != want {
			t.Errorf("got id %s, want %s, derived from rule, device and onset", a.ID, want)
		}
	}))
}

func TestSilenceRaisesTheOfflineAlertOnce(t *testing.T) {
	engine, err := alert.New([]iot.Rule{{Name: iot.RuleOffline, Severity: iot.Warning}}, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	var events []iot.Alert
	out := emit(func(a *iot.Alert) { events = append(events, *a) })
	r, onset := reading(0, "20"), epoch.Add(15*time.Second)
	var states iot.RuleStates
	engine.RaiseOffline(&states, &r, onset, out)
	engine.RaiseOffline(&states, &r, onset.Add(time.Second), out)
	back := reading(60, "20")
	evaluate(engine, &states, &back, out)
	if len(events) != 2 || len(states.Alerts) != 0 {
		t.Fatalf("got %d events and %d states, want raised, cleared and nothing left", len(events), len(states.Alerts))
	}
	if events[0].Transition != iot.Raised || !events[0].Onset.Equal(onset) || events[1].Transition != iot.Cleared || events[1].ID != events[0].ID {
		t.Errorf("got %+v", events)
	}
}

func TestAnOldViolationIsHistory(t *testing.T) {
	engine, _ := alert.New([]iot.Rule{high}, catalog(t))
	var events []iot.Alert
	out := emit(func(a *iot.Alert) { events = append(events, *a) })
	hot := reading(10, "30")
	var states iot.RuleStates
	evaluate(engine, &states, &hot, out)

	before, during := reading(5, "31"), reading(12, "31")
	set := setOf(engine, &hot)
	run := engine.EvaluatePast(set, nil, &states, &before, epoch, time.Second, out)
	run = engine.EvaluatePast(set, run, &states, &during, epoch, time.Second, out)
	engine.EndPast(run, out)
	if len(events) != 2 {
		t.Fatalf("got %d events, want the raised one and one historical: a reading within the open alert is part of it", len(events))
	}
	past := events[1]
	if !past.Historical || past.Open() || past.ID == iot.AlertID(high.Name, past.Identity(), past.Onset) {
		t.Errorf("got %+v, want a closed event with an id that no real alert can have", past)
	}
}

func TestRulesAreChecked(t *testing.T) {
	for name, rules := range map[string][]iot.Rule{
		"twice":         {high, high},
		"no name":       {{Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info}},
		"severity":      {{Name: "x", Selector: iot.Selector{Type: iot.Temperature}, Severity: "loud"}},
		"unknown type":  {{Name: "x", Selector: iot.Selector{Type: "smell_sensor"}, Severity: iot.Info}},
		"hysteresis":    {{Name: "x", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Hysteresis: -1}}},
		"negative time": {{Name: "x", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, For: -1}},
	} {
		if _, err := alert.New(rules, catalog(t)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// For any values, raised and cleared events alternate, each cleared event has the id of the raised one before it, and no id is
// used twice.
func TestRaisedAndClearedAlternate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := high
		rule.For = time.Duration(rapid.IntRange(0, 3).Draw(t, "for")) * time.Second
		rule.ClearFor = time.Duration(rapid.IntRange(0, 3).Draw(t, "clear for")) * time.Second
		c, err := iot.NewCatalog(iot.BuiltinTypes()...)
		if err != nil {
			t.Fatal(err)
		}
		engine, err := alert.New([]iot.Rule{rule}, c)
		if err != nil {
			t.Fatal(err)
		}
		var states iot.RuleStates
		open, seen := "", map[string]bool{}
		for second, value := range rapid.SliceOfN(rapid.SampledFrom([]string{"20", "27.8", "29"}), 1, 60).Draw(t, "values") {
			r := reading(second, value)
			evaluate(engine, &states, &r, emit(func(a *iot.Alert) {
				switch {
				case a.Transition == iot.Raised && open == "" && !seen[a.ID]:
					open, seen[a.ID] = a.ID, true
				case a.Transition == iot.Cleared && open == a.ID:
					open = ""
				default:
					t.Fatalf("second %d: got %s of %s while %q is open", second, a.Transition, a.ID, open)
				}
			}))
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	engine, err := alert.New([]iot.Rule{high}, catalog(b))
	if err != nil {
		b.Fatal(err)
	}
	r := reading(0, "25")
	var states iot.RuleStates
	var out alert.Output = emit(func(*iot.Alert) {})
	b.ReportAllocs()
	for b.Loop() {
		engine.Evaluate(engine.Plain(r.Type), &states, &r, out)
	}
}

// A device of many types would otherwise have the rules of them all in its state, which must fit into one record.
func TestARunOfThePastIsOfOneType(t *testing.T) {
	damp := iot.Rule{Name: "humidity_high", Selector: iot.Selector{Type: iot.Humidity}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 80}}
	engine, err := alert.New([]iot.Rule{high, damp}, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	out := emit(func(a *iot.Alert) { events = append(events, a.Rule) })
	hot, wet := reading(0, "40"), reading(1, "90")
	wet.Type = iot.Humidity
	var states iot.RuleStates
	run := engine.EvaluatePast(setOf(engine, &hot), nil, &states, &hot, epoch, time.Second, out)
	run = engine.EvaluatePast(setOf(engine, &wet), run, &states, &wet, epoch, time.Second, out)
	if run == nil || len(run.Alerts) != 1 || run.Alerts[0].Rule != damp.Name || !slices.Equal(events, []string{high.Name}) {
		t.Errorf("got run %+v and events %q, want the run of the first type ended", run, events)
	}
}
