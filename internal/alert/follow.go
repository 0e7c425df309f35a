package alert

import (
	"time"

	"iotmon/internal/iot"
)

// Follow has open alerts follow those of their rules that have changed, by name, and emits an event of each that is another one now. Severity and procedure
// follow at once: they decide who is notified, and how soon. Threshold and text say what was judged; they follow at once where that is still true by
// the new threshold, otherwise as soon as a reading violates it: see violate. What people have done about the alert stays. latest is the device's
// newest reading, at the log's clock. Call it after Reselect. It returns false if nothing is another.
func (e *Engine) Follow(set *Set, states *iot.RuleStates, rules map[string]bool, latest *iot.Reading, at time.Time, out Output) (changed bool) {
	for i := range states.Alerts {
		s := &states.Alerts[i]
		if s.Raised == nil {
			continue
		}
		next := *s.Raised
		switch rule := e.ruleOf(set, s.Rule); {
		case rule == nil || !rules[iot.RuleOfAlert(s.Rule)]:
			continue
		case rule.Name != s.Rule: // It is about the failing of the rule.
			next.Severity = rule.Severity
		case rule.Name == iot.RuleOffline:
			next.Severity, next.Procedure = rule.Severity, rule.Procedure
		default:
			next.Severity, next.Procedure = rule.Severity, rule.Procedure
			if rule.holdsFor(next.Value) {
				say(&next, rule, set.messages(rule, judgement{value: next.Value}, latest))
			}
		}
		if next != *s.Raised {
			update(s, next.Value, at, iot.RuleChanged, out, func(raised *iot.Alert) { *raised = next })
			changed = true
		}
	}
	return changed
}

// ruleOf returns the rule of an alert, nil if there is none.
func (e *Engine) ruleOf(set *Set, name string) *compiled {
	if name == iot.RuleOffline && e.offline != nil {
		return &compiled{Rule: *e.offline}
	}
	if of, failed := iot.FailedRuleOf(name); failed {
		name = of
	}
	return set.find(name)
}

// holdsFor reports whether what was judged before violates the rule as it is now, as far as that can be said of the number alone.
func (rule *compiled) holdsFor(judged float64) bool {
	switch rule.Kind {
	case iot.Threshold, iot.Average, iot.Maximum, iot.Minimum:
		return rule.Violated(judged)
	case iot.Count, iot.Fraction, iot.OfLast:
		return judged > rule.Threshold
	case iot.NoData:
		return judged >= rule.Within.Seconds()
	case iot.Deviation:
		return false // Nobody knows any more from which median the value deviated.
	default:
		return true
	}
}

// say makes an alert say what its rule says now.
func say(raised *iot.Alert, rule *compiled, text messages) {
	raised.Severity, raised.Procedure, raised.Threshold = rule.Severity, rule.Procedure, threshold(&rule.Rule)
	raised.Message, raised.MessageEN = text.zh, text.en
}
