package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotmon/internal/expression"
	"iotmon/internal/iot"
)

const (
	// maxReason is the maximum length in bytes of the reason for which a rule fails.
	maxReason = 200
	// failedClearFor is how long, in the device's time, a rule must have judged all readings before the alert about its failing clears. A value
	// that makes it fail every other time makes one alert then.
	failedClearFor = time.Minute
	// maxFailed is the maximum number of such alerts of one device: its state has to fit into a record.
	maxFailed = 10
)

// errSum means that an average is not known.
var errSum = errors.New("the sum of the values is too great for a number")

// failure is why a rule could not judge a reading.
type failure struct{ zh, en string }

func failureOf(err error) *failure {
	if placed := (*expression.Error)(nil); errors.As(err, &placed) {
		return &failure{zh: fmt.Sprintf("第 %d 行第 %d 列的计算没有有限的结果", placed.Line, placed.Column), en: placed.Error()}
	}
	if errors.Is(err, errSum) {
		return &failure{zh: "数值之和超出数字的范围", en: err.Error()}
	}
	return &failure{zh: err.Error(), en: err.Error()}
}

func failureOfPanic(reason any) *failure {
	text := fmt.Sprint("panic: ", reason)
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	return &failure{zh: "程序错误, " + text, en: text}
}

// fails is for a reading that the rule could not judge. It raises an alert about that, as urgent as those that the rule may fail to raise. What the
// rule's own alert is stays: nobody knows whether it is over.
func (set *Set) fails(states *iot.RuleStates, rule *compiled, why *failure, r *iot.Reading, out Output) {
	out.Failed(r.Identity(), rule.Name, why.en)
	if i := findFailed(states.Alerts, rule.Name); i >= 0 {
		states.Alerts[i].Safe = time.Time{}
		return
	}
	others := 0
	for i := range states.Alerts {
		if _, failed := iot.FailedRuleOf(states.Alerts[i].Rule); failed {
			others++
		}
	}
	if others >= maxFailed {
		return
	}
	raised := raise(&iot.Rule{Name: iot.FailedRule(rule.Name), Severity: rule.Severity}, messages{
		zh: shorten(fmt.Sprintf("规则 %s 无法判断 %s 的数值: %s", rule.Name, r.ID, why.zh)),
		en: shorten(fmt.Sprintf("Rule %s cannot judge the values of %s: %s", rule.Name, r.ID, why.en)),
	}, r.Value, r, r.Time)
	out.Alert(&raised)
	states.Alerts = append(states.Alerts, iot.AlertState{Rule: raised.Rule, Condition: rule.Kind, Onset: r.Time, Raised: &raised})
}

// works is for a reading that the rule has judged. It clears the alert about its failing once it has judged all readings for failedClearFor.
func (set *Set) works(states *iot.RuleStates, rule *compiled, r *iot.Reading, out Output) {
	i := findFailed(states.Alerts, rule.Name)
	if i < 0 {
		return
	}
	s := &states.Alerts[i]
	if s.Safe.IsZero() {
		s.Safe = r.Time
	}
	if elapsed(s.Safe, r.Time) >= failedClearFor {
		out.Alert(cleared(s.Raised, r.Value, r.Time, ""))
		states.Alerts = slices.Delete(states.Alerts, i, i+1)
	}
}

// findFailed returns the index of the alert about the failing of a rule, -1 if there is none.
func findFailed(states []iot.AlertState, rule string) int {
	return slices.IndexFunc(states, func(s iot.AlertState) bool {
		of, failed := iot.FailedRuleOf(s.Rule)
		return failed && of == rule
	})
}
