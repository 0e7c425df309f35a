package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// events keeps what an engine decides.
type events []string

func (e *events) Alert(a *iot.Alert) { *e = append(*e, fmt.Sprint(a.Rule, " ", a.Transition)) }

func (e *events) Failed(device iot.Identity, rule, reason string) {
	*e = append(*e, fmt.Sprint(rule, " fails on ", device, ": ", reason))
}

// engineWithPanic has two rules: one panics on readings of more than 100, the other is a threshold of 50.
func engineWithPanic(t *testing.T, version int64) *Engine {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := New([]iot.Rule{
		{
			Name: "broken", Version: version, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning,
			Condition: iot.Condition{Kind: iot.Rise, Threshold: 20, Within: time.Minute},
		},
		{Name: "hot", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 50}},
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	engine.Plain(iot.Temperature).rules[0].step = func(c *iot.Condition, memory []iot.ConditionPoint, r iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
		if r.Value > 100 {
			panic(strings.Repeat("温", 1000))
		}
		return stepRise(c, memory, r)
	}
	return engine
}

// A panic concerns one reading of one rule: other rules judge the reading, the rule judges the next one, of this device and of others, and an open alert
// stays open. What it remembers begins anew.
func TestAPanicConcernsOneReading(t *testing.T) {
	engine := engineWithPanic(t, 1)
	var got events
	var states iot.RuleStates
	feed := func(second int, value float64) {
		r := iot.Reading{
			Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: value, Status: iot.Online,
			Time: time.Unix(1706610600+int64(second), 0).UTC(),
		}
		engine.Evaluate(engine.Plain(r.Type), &states, &r, &got)
	}
	feed(0, 10)
	feed(1, 40) // Raises the rule that panics next.
	feed(2, 101)
	if len(got) != 4 || got[0] != "broken raised" || !strings.HasPrefix(got[1], "broken fails on a: panic: 温") || len(got[1]) > 300 {
		t.Fatalf("got %q, want raised, and then that it fails", got)
	}
	if got[2] != "broken.rule_failed raised" || got[3] != "hot raised" || len(states.Conditions) != 0 {
		t.Errorf("got %q and %+v, want an alert, the other rule raised and nothing remembered", got, states.Conditions)
	}
	raised := states.Alerts[findFailed(states.Alerts, "broken")].Raised
	if raised.Severity != iot.Warning || raised.Value != 101 || !strings.Contains(raised.Message, "规则 broken 无法判断 a 的数值: 程序错误, panic: 温") ||
		!strings.Contains(raised.MessageEN, "Rule broken cannot judge the values of a: panic: 温") || len(raised.Message) > maxMessage {
		t.Errorf("got %+v", raised)
	}
	got = nil
	feed(3, 40)
	feed(4, 102)
	for second := 5; second < 64; second += 10 {
		feed(second, 40)
	}
	got = nil
	feed(64, 40)
	feed(65, 40)
	if want := "broken.rule_failed cleared"; len(got) != 1 || got[0] != want || findFailed(states.Alerts, "broken") >= 0 {
		t.Errorf("got %q, want it cleared a minute after the last failure", got)
	}
}

// A rule that fails every other reading makes one alert. It clears for another reason if the rule is gone, or has another condition.
func TestARuleThatFailsOftenMakesOneAlert(t *testing.T) {
	engine := engineWithPanic(t, 1)
	set := engine.Plain(iot.Temperature)
	var got events
	var states iot.RuleStates
	var r iot.Reading
	for second := range 600 {
		r = iot.Reading{
			Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: []float64{101, 10}[second%2], Status: iot.Online,
			Time: time.Unix(1706610600+int64(second), 0).UTC(),
		}
		engine.Evaluate(set, &states, &r, &got)
	}
	raised := 0
	for _, event := range got {
		if event == "broken.rule_failed raised" {
			raised++
		}
	}
	if raised != 1 {
		t.Errorf("got %d alerts, want 1", raised)
	}
	for name, reason := range map[string]iot.ClearReason{"broken": iot.RuleChanged, "another": iot.NotSelected} {
		catalog, _ := iot.NewCatalog(iot.BuiltinTypes()...)
		engine, err := New([]iot.Rule{{
			Name: name, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Kind: iot.Stuck, Within: time.Minute},
		}}, catalog)
		if err != nil {
			t.Fatal(err)
		}
		var last iot.Alert
		after := iot.RuleStates{Alerts: append([]iot.AlertState(nil), states.Alerts...)}
		engine.Reselect(engine.Plain(iot.Temperature), &after, r.Time, each(func(a *iot.Alert) {
			if a.Rule == "broken.rule_failed" {
				last = *a
			}
		}))
		if last.Transition != iot.Cleared || last.Reason != reason || len(after.Alerts) != 0 {
			t.Errorf("%s: got %s %q and %+v, want it cleared: %s", name, last.Transition, last.Reason, after.Alerts, reason)
		}
	}
}

type each func(*iot.Alert)

func (e each) Alert(a *iot.Alert)                  { e(a) }
func (e each) Failed(iot.Identity, string, string) {}

// A device whose rules all fail has at most maxFailed alerts about that; one more comes when another has cleared.
func TestTheAlertsOfRulesThatFailAreBounded(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	var rules []iot.Rule
	for i := range 2 * maxFailed {
		rules = append(rules, iot.Rule{
			Name: fmt.Sprint("r", i), Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info,
			Condition: iot.Condition{Kind: iot.Expression, Expression: fmt.Sprintf("1 / min(value, %d) > 2", i)},
		})
	}
	engine, err := New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	var got events
	var states iot.RuleStates
	for second, value := range []float64{0, 0, 0} {
		r := iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: value, Time: time.Unix(1706610600+int64(second), 0).UTC()}
		engine.Evaluate(engine.Plain(r.Type), &states, &r, &got)
	}
	if len(states.Alerts) != maxFailed {
		t.Errorf("got %d alerts, want %d", len(states.Alerts), maxFailed)
	}
}

// A past reading that a rule cannot judge is over: it is reported, raises no alert, and the rule judges the others.
func TestAPanicInABacklogRaisesNoAlert(t *testing.T) {
	engine := engineWithPanic(t, 1)
	var got events
	var live iot.RuleStates
	var run *iot.PastRun
	for second, value := range []float64{10, 101, 10, 40, 10} {
		r := iot.Reading{
			Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: value, Time: time.Unix(1706610600+int64(second), 0).UTC(),
		}
		run = engine.EvaluatePast(engine.Plain(r.Type), run, &live, &r, r.Time, time.Second, &got)
	}
	engine.EndPast(run, &got)
	var events []string
	for _, event := range got {
		name, _, _ := strings.Cut(event, " on ")
		events = append(events, name)
	}
	if want := []string{"broken fails", "hot cleared", "broken cleared"}; !slices.Equal(events, want) || len(live.Alerts)+len(live.Conditions) != 0 {
		t.Errorf("got %q and %+v, want %q", events, live, want)
	}
}

// averages has a rule about an average above 1e308, as a condition and as an expression, of values up to 1.6e308.
func averages(t *testing.T, within time.Duration) *Engine {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "huge", Min: -1.7e308, Max: 1.7e308})
	if err != nil {
		t.Fatal(err)
	}
	of := iot.Selector{Type: "huge"}
	engine, err := New([]iot.Rule{
		{Name: "statistic", Selector: of, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Average, Threshold: 1e308, Within: within}},
		{Name: "written", Selector: of, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Expression, Expression: "average > 1e308", Within: within}},
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// feedHuge evaluates 60 readings, one a second, and returns what was decided first of each rule.
func feedHuge(engine *Engine, value func(second int) float64) (first map[string]string) {
	first = make(map[string]string)
	var states iot.RuleStates
	for second := range 60 {
		var got events
		r := iot.Reading{Device: iot.Device{ID: "a", Type: "huge"}, Value: value(second), Status: iot.Online, Time: time.Unix(1706610600+int64(second), 0).UTC()}
		engine.Evaluate(engine.Plain(r.Type), &states, &r, &got)
		for _, event := range got {
			if rule, what, _ := strings.Cut(event, " "); first[rule] == "" {
				first[rule] = what
			}
		}
	}
	return first
}

// The sum of all values may be too great for a number: the average is not. If that of the values of one slot is, the rule fails, and says so.
func TestTheSumOfAnAverageMayBeTooGreat(t *testing.T) {
	got := feedHuge(averages(t, 10*time.Second), func(int) float64 { return 1.6e308 })
	if len(got) != 2 || got["statistic"] != "raised" || got["written"] != "raised" {
		t.Errorf("with one value in each slot: got %q, want both raised", got)
	}
	for name, value := range map[string]func(second int) float64{
		"great":     func(int) float64 { return 1.6e308 },
		"and less":  func(second int) float64 { return []float64{1.6e308, 1.6e308, -1.6e308}[second%3] },
		"very low":  func(int) float64 { return -1.6e308 },
		"and great": func(second int) float64 { return []float64{-1.6e308, -1.6e308, 1.6e308}[second%3] },
	} {
		got := feedHuge(averages(t, 30*time.Second), value)
		for _, rule := range []string{"statistic", "written"} {
			if got[rule+".rule_failed"] != "raised" || !strings.Contains(got[rule], "too great for a number") {
				t.Errorf("%s: %s: got %q, want that it fails because the sum is too great", name, rule, got)
			}
		}
	}
}

// A difference that is too great for a number is greater than any threshold.
func TestADifferenceMayBeTooGreat(t *testing.T) {
	c := &iot.Condition{Kind: iot.Deviation, Threshold: 1e308}
	if got := deviation(c, 1.6e308, -1.6e308); got.Verdict != Violated {
		t.Errorf("got %v for a difference that is infinite, want it violated", got.Verdict)
	}
	c = &iot.Condition{Kind: iot.Rise, Threshold: 1e308, Within: time.Minute}
	_, memory := stepRise(c, nil, iot.ConditionPoint{At: 1, Value: -1.6e308})
	if got, _ := stepRise(c, memory, iot.ConditionPoint{At: 2_000_000, Value: 1.6e308}); got.Verdict != Violated || got.value != 1.6e308 {
		t.Errorf("got %+v for a rise that is infinite, want it violated at 1.6e308", got)
	}
}
