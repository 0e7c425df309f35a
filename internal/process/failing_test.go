package process_test

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

// The sequence: a critical rule meets one value that it cannot judge, 0 in its divisor, and then one that violates it. It goes on, says that it has
// failed, and comes back by itself, wherever the processor is killed in between.
func TestARuleThatFailsSaysSoAndGoesOn(t *testing.T) {
	boom := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "boom", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Critical,
		Condition: iot.Condition{Kind: iot.Expression, Expression: "1 / (value - 20) > 100"},
	}}
	var j journal
	j.rule(1, boom)
	for i, value := range []float64{20, 20.001, 20, 19, 19} {
		j.reading(float64(2+i), "a", float64(2+i), value)
	}
	for second := 10.0; second <= 80; second += 10 {
		j.reading(second, "a", second, 19)
	}
	want := []string{
		"boom.rule_failed a raised", "boom a raised", "boom a cleared", "boom.rule_failed a cleared",
	}
	whole := onePass(t, j)
	equal(t, "events", whole.events(), want)
	for kill := 1; kill < len(j); kill++ {
		before, p := owned(t, options(t), j[:kill], process.New(options(t), 3, process.Checkpoint{}, false).Checkpoint(), newRecorder())
		if counts := p.ResetCounts(); kill >= 2 && kill < 10 && (counts.Failures < 1 || counts.RulesFailing != 1 || counts.Failing != 1 || counts.BeganToFail.Rule != "boom") {
			t.Errorf("killed at %d: got %+v, want the failure counted", kill, counts)
		}
		after, p := owned(t, options(t), j, p.Checkpoint(), before)
		equal(t, "events", after.events(), want)
		if counts := p.ResetCounts(); counts.RulesFailing != 0 {
			t.Errorf("killed at %d: got %d rules that fail, want none", kill, counts.RulesFailing)
		}
	}
}
