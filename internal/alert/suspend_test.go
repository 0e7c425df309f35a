package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// events keeps what an engine decides.
type events []string

func (e *events) Alert(a *iot.Alert) { *e = append(*e, fmt.Sprint(a.Rule, " ", a.Transition)) }

func (e *events) Suspended(device iot.Identity, rule, reason string) {
	*e = append(*e, fmt.Sprint(rule, " suspended on ", device, ": ", reason))
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

// A panic concerns one rule on one device: the other rule is evaluated on the same reading, and the rule goes on with its next
// version.
func TestAPanicSuspendsTheRuleOnTheDevice(t *testing.T) {
	engine := engineWithPanic(t, 1)
	var got events
	var states, other iot.RuleStates
	feed := func(states *iot.RuleStates, second int, value float64) {
		r := iot.Reading{
			Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: value, Status: iot.Online,
			Time: time.Unix(1706610600+int64(second), 0).UTC(),
		}
		engine.Evaluate(engine.Plain(r.Type), states, &r, &got)
	}
	feed(&states, 0, 10)
	feed(&states, 1, 40) // Raises the rule that is suspended next.
	feed(&states, 2, 101)
	if want := "broken suspended on a: panic: 温"; len(got) != 3 || !strings.HasPrefix(got[1], want) || len(got[1]) > 300 {
		t.Fatalf("got %q, want raised, suspended and the other rule raised", got)
	}
	if got[0] != "broken raised" || got[2] != "hot raised" {
		t.Errorf("got %q", got)
	}
	feed(&states, 3, 40)
	feed(&states, 4, 102)
	if len(got) != 5 || len(states.Conditions) != 1 || states.Conditions[0].Suspended == "" || len(states.Conditions[0].Points) != 0 {
		t.Errorf("got %q and %+v, want nothing of the suspended rule", got, states.Conditions)
	}
	feed(&other, 5, 10)
	feed(&other, 6, 40)
	if got[len(got)-1] != "broken raised" {
		t.Errorf("got %q, want the rule to go on on other devices", got)
	}
	got = nil
	engine = engineWithPanic(t, 2)
	feed(&states, 7, 40)
	feed(&states, 8, 40)
	if states.Conditions[0].Suspended != "" || len(got) == 0 || got[0] != "broken cleared" {
		t.Errorf("got %q and %+v, want the next version evaluated", got, states.Conditions)
	}
}

// A panic in a backlog suspends the rule at present too.
func TestAPanicInABacklogSuspendsTheRule(t *testing.T) {
	engine := engineWithPanic(t, 1)
	var got events
	var live iot.RuleStates
	var run *iot.PastRun
	for second, value := range []float64{10, 101, 10, 101} {
		r := iot.Reading{
			Device: iot.Device{ID: "a", Type: iot.Temperature}, Value: value, Time: time.Unix(1706610600+int64(second), 0).UTC(),
		}
		run = engine.EvaluatePast(engine.Plain(r.Type), run, &live, &r, r.Time, time.Second, &got)
	}
	suspended := 0
	for _, event := range got {
		if strings.HasPrefix(event, "broken suspended") {
			suspended++
		}
	}
	if suspended != 1 || len(live.Conditions) != 1 || live.Conditions[0].Suspended == "" {
		t.Errorf("got %q and %+v, want the rule suspended once", got, live.Conditions)
	}
}
