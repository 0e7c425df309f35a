package alert_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// conditionRule returns a rule for temperatures without delays.
func conditionRule(kind iot.ConditionKind, threshold, hysteresis float64, within time.Duration) iot.Rule {
	return iot.Rule{
		Name: "watched", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning,
		Condition: iot.Condition{Kind: kind, Threshold: threshold, Hysteresis: hysteresis, Within: within},
	}
}

func TestConditionsOfChange(t *testing.T) {
	rise := conditionRule(iot.Rise, 5, 2, 10*time.Second)
	fall := conditionRule(iot.Fall, 5, 2, 10*time.Second)
	stuck := conditionRule(iot.Stuck, 0, 0, 3*time.Second)
	nearly := conditionRule(iot.Stuck, 0.5, 0, 3*time.Second)
	average := conditionRule(iot.Average, 28, 1, 10*time.Second)
	highest := conditionRule(iot.Maximum, 28, 1, 10*time.Second)
	ofLast := conditionRule(iot.OfLast, 2, 0, 0)
	ofLast.Limit, ofLast.Last = 28, 5
	for _, test := range []struct {
		name   string
		rule   iot.Rule
		script string
		want   string
	}{
		{"a quick rise", rise, "20 22 26 26 26", "2:watched:raised"},
		{"a rise by the threshold is allowed", rise, "20 25", ""},
		{"a slow rise", rise, "20 21 21 22 22 23 23 24 24 25 25 26 26 27 27", ""},
		{"a fall is no rise", rise, "30 20 10", ""},
		{"it clears when the lowest value is long ago", rise, "20 26 26 26 26 26 26 26 26 26 26", "1:watched:raised 10:watched:cleared"},
		{"hysteresis keeps it open", rise, "20 26 25 24 23.5 23", "1:watched:raised 5:watched:cleared"},
		{"a quick fall", fall, "30 28 24", "2:watched:raised"},
		{"a rise is no fall", fall, "10 20 30", ""},
		{"stuck after its time", stuck, "20 20 20 20 20 21", "3:watched:raised 5:watched:cleared"},
		{"any change begins anew", stuck, "20 20 20 21 21 21 20", ""},
		{"an average once the time is full", average, "30 30 30 30 30 30 30 30 30 30 30", "9:watched:raised"},
		{"an average forgives a peak", average, "20 20 20 20 60 20 20 20 20 20 20 20", ""},
		{"a maximum stays for its time", highest, "20 20 30 20 20 20 20 20 20 20 20 20 20", "9:watched:raised 12:watched:cleared"},
		{"three of the last five", ofLast, "30 20 30 20 30 20 20 20", "4:watched:raised 5:watched:cleared"},
		{"never two of five", ofLast, "30 20 30 20 20 30 20 20 30", ""},
		{"noise is no change", nearly, "20 20.5 19.5 20.1 20.6", "3:watched:raised 4:watched:cleared"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, want := play(t, []iot.Rule{test.rule}, test.script), strings.Fields(test.want); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// naive is what a rule without delays says of readings, computed anew for each of them from all readings before.
type naive struct {
	rule    iot.Rule
	history []iot.Reading
	open    bool
}

// next returns the transition that the reading causes, "" for none.
func (n *naive) next(r iot.Reading) iot.Transition {
	n.history = append(n.history, r)
	violated, safe := n.judge()
	switch {
	case !n.open && violated:
		n.open = true
		return iot.Raised
	case n.open && !violated && safe:
		n.open = false
		return iot.Cleared
	}
	return ""
}

func (n *naive) judge() (violated, safe bool) {
	c, last := n.rule.Condition, n.history[len(n.history)-1]
	switch c.Kind {
	case iot.Rise, iot.Fall:
		change := n.change(last)
		return change > c.Threshold, change <= c.Threshold-c.Hysteresis
	case iot.Stuck:
		return n.stuck(), !n.stuck()
	case iot.Average, iot.Maximum, iot.Minimum, iot.Count, iot.Fraction, iot.OfLast:
		return n.statistic()
	case iot.Expression:
		return n.express()
	default:
		return c.Violated(last.Value), c.Safe(last.Value)
	}
}

// change is the largest rise, or fall, from a reading within the last ten slots.
func (n *naive) change(last iot.Reading) float64 {
	slot := func(r iot.Reading) int64 {
		return int64(math.Floor(float64(r.Time.UnixMicro()) / float64(n.rule.Within.Microseconds()/iot.ChangeSlots)))
	}
	largest := 0.0
	for _, r := range n.history {
		if slot(r) <= slot(last)-iot.ChangeSlots {
			continue
		}
		change := last.Value - r.Value
		if n.rule.Kind == iot.Fall {
			change = -change
		}
		largest = max(largest, change)
	}
	return largest
}

// statistic judges the values of the last ten slots, or the latest ones, once there were readings before them.
func (n *naive) statistic() (violated, safe bool) {
	c := n.rule.Condition
	var values []float64
	if c.Kind == iot.OfLast {
		if len(n.history) < c.Last {
			return false, false
		}
		for _, r := range n.history[len(n.history)-c.Last:] {
			values = append(values, r.Value)
		}
	} else {
		slot := func(r iot.Reading) int64 {
			return int64(math.Floor(float64(r.Time.UnixMicro()) / float64(c.Within.Microseconds()/iot.ChangeSlots)))
		}
		oldest := slot(n.history[len(n.history)-1]) - iot.ChangeSlots + 1
		if slot(n.history[0]) > oldest {
			return false, false
		}
		for _, r := range n.history {
			if slot(r) >= oldest {
				values = append(values, r.Value)
			}
		}
	}
	sum, beyond := 0.0, 0.0
	for _, v := range values {
		sum += v
		if c.Below && v < c.Limit || !c.Below && v > c.Limit {
			beyond++
		}
	}
	judged := beyond
	switch c.Kind {
	case iot.Maximum:
		judged = slices.Max(values)
	case iot.Minimum:
		judged = slices.Min(values)
	case iot.Average:
		judged = sum / float64(len(values))
	case iot.Fraction:
		judged /= float64(len(values))
	}
	if c.Below && !c.Counts() {
		return judged < c.Threshold, judged >= c.Threshold+c.Hysteresis
	}
	return judged > c.Threshold, judged <= c.Threshold-c.Hysteresis
}

// expressions are those that the model knows; of them those with an m have a statistic.
var expressions = []string{
	"value > threshold", "value - previous > 3 and elapsed < 10", "maximum - minimum > 6 and value < average", "count > 4 and maximum - previous > 5",
}

func (n *naive) express() (violated, safe bool) {
	c, last := n.rule.Condition, n.history[len(n.history)-1]
	if c.Expression == expressions[0] {
		return last.Value > c.Threshold, last.Value <= c.Threshold
	}
	if c.Expression != expressions[2] && len(n.history) == 1 {
		return false, false
	}
	previous := n.history[max(len(n.history)-2, 0)]
	if c.Expression == expressions[1] {
		violated = last.Value-previous.Value > 3 && last.Time.Sub(previous.Time) < 10*time.Second
		return violated, !violated
	}
	slot := func(r iot.Reading) int64 {
		return int64(math.Floor(float64(r.Time.UnixMicro()) / float64(c.Within.Microseconds()/iot.ChangeSlots)))
	}
	oldest := slot(last) - iot.ChangeSlots + 1
	if slot(n.history[0]) > oldest {
		return false, false
	}
	var values []float64
	sum := 0.0
	for _, r := range n.history {
		if slot(r) >= oldest {
			values = append(values, r.Value)
			sum += r.Value
		}
	}
	if c.Expression == expressions[2] {
		violated = slices.Max(values)-slices.Min(values) > 6 && last.Value < sum/float64(len(values))
	} else {
		violated = len(values) > 4 && slices.Max(values)-previous.Value > 5
	}
	return violated, !violated
}

// stuck goes through the whole history: a value is unchanged while it does not differ from the first of a stretch.
func (n *naive) stuck() bool {
	first := n.history[0]
	for _, r := range n.history {
		if math.Abs(r.Value-first.Value) > n.rule.Threshold {
			first = r
		}
	}
	return n.history[len(n.history)-1].Time.Sub(first.Time) >= n.rule.Within
}

func drawRule(t *rapid.T) iot.Rule {
	kind := rapid.SampledFrom([]iot.ConditionKind{
		iot.Threshold, iot.Rise, iot.Fall, iot.Stuck, iot.Average, iot.Maximum, iot.Minimum, iot.Count, iot.Fraction, iot.OfLast, iot.Expression,
	}).Draw(t, "kind")
	within := time.Duration(rapid.IntRange(1000, 30_000).Draw(t, "within")) * time.Millisecond
	switch kind {
	case iot.Threshold:
		rule := conditionRule(kind, 22, float64(rapid.IntRange(0, 3).Draw(t, "hysteresis")), 0)
		rule.Below = rapid.Bool().Draw(t, "below")
		return rule
	case iot.Stuck:
		return conditionRule(kind, float64(rapid.IntRange(0, 2).Draw(t, "tolerance")), 0, within)
	case iot.Average, iot.Maximum, iot.Minimum:
		rule := conditionRule(kind, 22, float64(rapid.IntRange(0, 3).Draw(t, "hysteresis")), within)
		rule.Below = rapid.Bool().Draw(t, "below")
		return rule
	case iot.Expression:
		rule := conditionRule(kind, 22, 0, 0)
		if rule.Condition.Expression = rapid.SampledFrom(expressions).Draw(t, "expression"); strings.Contains(rule.Condition.Expression, "m") {
			rule.Within = within // It has a maximum.
		}
		return rule
	case iot.Count, iot.Fraction, iot.OfLast:
		rule := conditionRule(kind, 0.25, 0.25, within)
		if kind != iot.Fraction {
			rule.Threshold = float64(rapid.IntRange(1, 3).Draw(t, "count"))
		}
		if kind == iot.OfLast {
			rule.Within, rule.Last = 0, rapid.IntRange(4, iot.MaxConditionLast).Draw(t, "last")
		}
		rule.Limit, rule.Below = 22, rapid.Bool().Draw(t, "below")
		return rule
	default:
		return conditionRule(kind, 3, float64(rapid.IntRange(0, 3).Draw(t, "hysteresis")), within)
	}
}

// drawReadings draws readings in the order of time, some of them long after the one before.
func drawReadings(t *rapid.T) []iot.Reading {
	var readings []iot.Reading
	at := epoch
	for range rapid.IntRange(1, 80).Draw(t, "readings") {
		pause := rapid.OneOf(rapid.IntRange(1, 3000), rapid.IntRange(1, 40_000)).Draw(t, "pause")
		at = at.Add(time.Duration(pause) * time.Millisecond)
		r := reading(0, fmt.Sprint(rapid.IntRange(18, 26).Draw(t, "value")))
		r.Time = at
		readings = append(readings, r)
	}
	return readings
}

func newEngine(t fatal, rules ...iot.Rule) *alert.Engine {
	t.Helper()
	c, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := alert.New(rules, c)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// fatal is what testing.T and rapid.T have in common here.
type fatal interface {
	Helper()
	Fatal(...any)
}

// Whatever the readings, each condition decides what a naive model decides that keeps them all, also if the state goes over the
// wire between any two readings; and the memory never exceeds its limit.
func TestConditionsDecideLikeANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := drawRule(t)
		engine, model := newEngine(t, rule), naive{rule: rule}
		state := iot.DeviceState{Status: iot.Online}
		for i, r := range drawReadings(t) {
			var got iot.Transition
			evaluate(engine, &state.RuleStates, &r, emit(func(a *iot.Alert) { got = a.Transition }))
			if want := model.next(r); got != want {
				t.Fatalf("%+v: reading %d of %v at %v: got %q, want %q", rule.Condition, i, r.Value, r.Time, got, want)
			}
			checkMemory(t, &state.RuleStates)
			if rapid.Bool().Draw(t, "restored") {
				state.Latest, state.Since, state.LastSeen = r, r.Time, r.Time
				state = overTheWire(t, state)
			}
		}
	})
}

func overTheWire(t *rapid.T, s iot.DeviceState) iot.DeviceState {
	restored, err := wire.DecodeDeviceState(wire.AppendDeviceState(nil, &s))
	if err != nil {
		t.Fatal(err)
	}
	return restored
}

// maxConditionBytes is the largest JSON of what a condition remembers, with the longest name that the configuration allows.
const maxConditionBytes = 2048

func checkMemory(t *rapid.T, s *iot.RuleStates) {
	empty := len(wire.AppendDeviceState(nil, new(iot.DeviceState)))
	for _, c := range s.Conditions {
		alone := iot.DeviceState{RuleStates: iot.RuleStates{Conditions: []iot.ConditionState{c}}}
		if size := len(wire.AppendDeviceState(nil, &alone)) - empty; len(c.Points) > iot.MaxConditionPoints || size > maxConditionBytes {
			t.Fatalf("got %d points of %d bytes, want at most %d and %d", len(c.Points), size, iot.MaxConditionPoints, maxConditionBytes)
		}
	}
}

// Memory stays bounded with any finite value, and when versions of the rule change what is remembered.
func TestTheMemoryOfAConditionIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var states iot.RuleStates
		at := epoch
		for range rapid.IntRange(1, 5).Draw(t, "versions") {
			rule := drawRule(t)
			rule.Version = rapid.Int64().Draw(t, "version")
			engine := newEngine(t, rule)
			for range rapid.IntRange(1, 60).Draw(t, "readings") {
				at = at.Add(time.Duration(rapid.Int64Range(1, 5_000_000).Draw(t, "pause")) * time.Microsecond)
				r := reading(0, "20")
				r.Time, r.Value = at, rapid.Float64Range(-1e150, 1e150).Draw(t, "value") // Differences of larger ones are not finite.
				evaluate(engine, &states, &r, emit(func(*iot.Alert) {}))
				checkMemory(t, &states)
				if len(states.Conditions) > 1 || len(states.Alerts) > 1 {
					t.Fatalf("got %+v, want one state for one rule", states)
				}
			}
		}
	})
}

// A backlog raises the alarms of the past that the same readings would have raised live, oldest first. Newest first it finds the
// same changes, from their end to their beginning.
func TestABacklogIsJudgedLikeLiveReadings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := drawRule(t)
		engine, model := newEngine(t, rule), naive{rule: rule}
		readings := drawReadings(t)
		var want, got []string
		onset := time.Time{}
		for _, r := range readings {
			switch model.next(r) {
			case iot.Raised:
				onset = r.Time
			case iot.Cleared:
				want = append(want, fmt.Sprint(onset, r.Time))
			}
		}
		if model.open {
			want = append(want, fmt.Sprint(onset, readings[len(readings)-1].Time))
		}
		var live iot.RuleStates
		var run *iot.PastRun
		out := emit(func(a *iot.Alert) {
			if !a.Historical || a.Open() {
				t.Fatalf("got %+v, want an event of the past", a)
			}
			got = append(got, fmt.Sprint(a.Onset, a.Time))
		})
		for _, r := range readings {
			run = engine.EvaluatePast(setOf(engine, &r), run, &live, &r, epoch, 0, out)
			if run != nil {
				checkMemory(t, &run.RuleStates)
			}
		}
		if run != nil {
			engine.EndPast(run, out)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: got %q, want %q", rule, got, want)
		}
	})
}

func TestABacklogNewestFirstFindsTheSameRise(t *testing.T) {
	for _, test := range []struct {
		rule   iot.Rule
		script string // Oldest first.
		alarms int
	}{
		{conditionRule(iot.Rise, 5, 0, 10*time.Second), "20 20 21 24 27 27 27", 1},
		{conditionRule(iot.Rise, 5, 0, 10*time.Second), "27 27 24 21 20 20", 0},
		{conditionRule(iot.Fall, 5, 0, 10*time.Second), "27 27 24 21 20 20", 1},
		{conditionRule(iot.Stuck, 0, 0, 3*time.Second), "19 20 20 20 20 20 21", 1},
	} {
		engine := newEngine(t, test.rule)
		words := strings.Fields(test.script)
		alarms := 0
		out := emit(func(*iot.Alert) { alarms++ })
		var run *iot.PastRun
		for second := len(words) - 1; second >= 0; second-- {
			r := reading(second, words[second])
			run = engine.EvaluatePast(setOf(engine, &r), run, new(iot.RuleStates), &r, epoch, 0, out)
		}
		if run != nil {
			engine.EndPast(run, out)
		}
		if alarms != test.alarms {
			t.Errorf("%s of %q: got %d alarms, want %d", test.rule.Kind, test.script, alarms, test.alarms)
		}
	}
}

// The device goes live after its gateway has sent what it had kept: the alarm of the backlog is that of the present.
func TestARiseInABacklogGoesOnLive(t *testing.T) {
	engine := newEngine(t, conditionRule(iot.Rise, 5, 0, 60*time.Second))
	var events []iot.Alert
	out := emit(func(a *iot.Alert) { events = append(events, *a) })
	var live iot.RuleStates
	var run *iot.PastRun
	for second, word := range []string{"20", "23", "26"} {
		r := reading(second, word)
		run = engine.EvaluatePast(setOf(engine, &r), run, &live, &r, epoch, 0, out)
	}
	r := reading(3, "27")
	engine.JoinPast(setOf(engine, &r), run, &live, &r, out)
	evaluate(engine, &live, &r, out)
	if len(events) != 1 || events[0].Historical || events[0].Transition != iot.Raised || !events[0].Onset.Equal(reading(2, "0").Time) {
		t.Errorf("got %+v, want one alert raised now, with the onset in the backlog", events)
	}
}
