package alert

import (
	"math"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Evaluate updates what the rules remember of a device by a reading that is newer than all others. It passes each alert that is
// raised or cleared to out. Conditions do not get to see a value of quality bad.
func (e *Engine) Evaluate(set *Set, states *iot.RuleStates, r *iot.Reading, out Output) {
	if r.Quality != iot.Bad {
		if len(states.Alerts)+len(states.Conditions) > 0 {
			set.retire(states, r, r.Time, out)
		}
		for i := range set.rules {
			rule := &set.rules[i]
			judged := judgement{value: r.Value}
			if rule.plain {
				if len(states.Alerts) == 0 && !rule.Violated(r.Value) {
					continue // Most readings: nothing to raise, nothing to clear.
				}
				judged.Verdict = judge(&rule.Condition, r.Value)
			} else if rule.Kind == iot.Deviation {
				median, ok := e.reference(set, r)
				if !ok {
					continue // What is pending stays pending, and what is open stays open.
				}
				judged = deviation(&rule.Condition, r.Value, median)
			} else {
				var failed *failure
				if judged, failed = rule.run(set, states, r, false); failed != nil {
					set.fails(states, rule, failed, r, out)
					continue
				}
				if judged.Verdict == Unknown {
					continue
				}
				set.works(states, rule, r, out)
			}
			set.advance(states, rule, judged, r, rule.Latch, out)
		}
	}
	e.evaluateStatus(set, states, r, out)
}

// Reselect is for a device that is watched by other rules, those in set. Without waiting for a reading, which may never come, it clears the alerts of
// rules that do not watch the device any more, or have another condition. It returns false if it has changed nothing.
func (e *Engine) Reselect(set *Set, states *iot.RuleStates, at time.Time, out Output) (changed bool) {
	alerts, conditions := len(states.Alerts), len(states.Conditions)
	set.retire(states, nil, at, out)
	if e.offline == nil {
		e.ClearOffline(states, at, iot.NotSelected, out)
	}
	return len(states.Alerts) < alerts || len(states.Conditions) < conditions
}

// run runs the rule's condition on its memory in states and stores the new memory there. If the condition panics, or its expression fails, run says
// why: the rule has then not judged this reading, and goes on with the next one. What has panicked remembers nothing: its memory may be the
// reason.
func (rule *compiled) run(set *Set, states *iot.RuleStates, r *iot.Reading, backward bool) (judged judgement, failed *failure) {
	defer func() {
		if reason := recover(); reason != nil {
			states.Conditions = slices.DeleteFunc(states.Conditions, func(s iot.ConditionState) bool { return s.Rule == rule.Name })
			judged, failed = judgement{}, failureOfPanic(reason)
		}
	}()
	var memory []iot.ConditionPoint
	i := findCondition(states, rule.Name)
	if i >= 0 {
		memory = states.Conditions[i].Points
	}
	judged, memory, err := rule.judge(set, memory, r, backward)
	if err != nil {
		failed = failureOf(err)
	}
	if i < 0 {
		if memory == nil {
			return judged, failed
		}
		i = len(states.Conditions)
		states.Conditions = append(states.Conditions, iot.ConditionState{Rule: rule.Name, Condition: rule.Kind})
	}
	states.Conditions[i].Version, states.Conditions[i].Points = rule.Version, memory
	return judged, failed
}

// judge judges a reading by the condition and what it remembers, and returns what to remember, in the storage of memory, nil for nothing. The rule
// is none with a threshold. An error is that of an expression that has failed, or errSum.
func (rule *compiled) judge(set *Set, memory []iot.ConditionPoint, r *iot.Reading, backward bool) (judgement, []iot.ConditionPoint, error) {
	if rule.program != nil {
		return rule.express(set, memory, r, backward)
	}
	judged, memory := rule.step(&rule.Condition, memory, point(r.Time, r.Value, backward))
	if math.IsInf(judged.value, 0) {
		return judgement{Verdict: Between, value: r.Value}, memory, errSum
	}
	return judged, memory, nil
}

// advance is the state machine of one rule: idle, pending since Onset, raised, clearing since Safe and, if the rule latches, latched.
func (set *Set) advance(states *iot.RuleStates, rule *compiled, judged judgement, r *iot.Reading, latch bool, out Output) {
	i := find(states.Alerts, rule.Name)
	if i < 0 {
		if judged.Verdict != Violated {
			return
		}
		i = len(states.Alerts)
		states.Alerts = append(states.Alerts, iot.AlertState{Rule: rule.Name, Condition: rule.Kind})
	}
	s := &states.Alerts[i]
	switch {
	case judged.Verdict == Violated:
		s.Safe = time.Time{}
		if s.Onset.IsZero() {
			s.Onset = r.Time
		}
		set.violate(s, rule, judged, r, out)
	case s.Raised == nil:
		states.Alerts = slices.Delete(states.Alerts, i, i+1)
	case judged.Verdict == Between:
		s.Onset, s.Safe = time.Time{}, time.Time{}
	default:
		s.Onset = time.Time{}
		if s.Safe.IsZero() {
			s.Safe = r.Time
		}
		if elapsed(s.Safe, r.Time) >= rule.ClearFor && clearOrLatch(s, latch, judged.value, r.Time, out) {
			states.Alerts = slices.Delete(states.Alerts, i, i+1)
		}
	}
}

// clearOrLatch ends an open alert whose condition has returned to normal for long enough, and returns true; if the rule latches, it stays open and is
// latched.
func clearOrLatch(s *iot.AlertState, latch bool, value float64, at time.Time, out Output) bool {
	switch {
	case !latch:
		out.Alert(cleared(s.Raised, value, at, ""))
		return true
	case s.Raised.Latched.IsZero():
		update(s, value, at, "", out, func(raised *iot.Alert) { raised.Latched = at })
	}
	return false
}

// violate raises the alert of a rule that has been violated for long enough; see reviolate. An open one follows the threshold that has judged it now.
func (set *Set) violate(s *iot.AlertState, rule *compiled, judged judgement, r *iot.Reading, out Output) {
	switch {
	case elapsed(s.Onset, r.Time) < rule.For:
	case s.Raised == nil:
		raised := raise(&rule.Rule, set.messages(rule, judged, r), judged.value, r, s.Onset)
		if rule.byPeers() {
			raised.Area = set.area
		}
		s.Raised = &raised
		out.Alert(s.Raised)
	case s.Raised.Threshold != threshold(&rule.Rule):
		text := set.messages(rule, judged, r)
		update(s, judged.value, r.Time, iot.RuleChanged, out, func(raised *iot.Alert) {
			say(raised, rule, text)
			raised.Value = judged.value
			if !raised.Latched.IsZero() {
				again(raised)
			}
		})
	default:
		reviolate(s, judged.value, r.Time, out)
	}
}

// reviolate is for an open alert whose condition is violated at the given time. If it was latched that is news, so somebody has to acknowledge it
// again.
func reviolate(s *iot.AlertState, value float64, at time.Time, out Output) {
	if s.Raised.Latched.IsZero() {
		return
	}
	update(s, value, at, "", out, again)
}

// again makes an alert one that nobody has acknowledged: its condition is violated again.
func again(raised *iot.Alert) {
	raised.Latched, raised.Transition = time.Time{}, iot.Raised
	raised.AckedAt, raised.AckedBy = time.Time{}, ""
}

// update replaces the raised event of an open alert by one that change has changed, and emits it with the reason. The one before must not change: others may
// be reading it.
func update(s *iot.AlertState, value float64, at time.Time, reason iot.ClearReason, out Output, change func(raised *iot.Alert)) {
	raised := *s.Raised
	change(&raised)
	s.Raised = &raised
	event := raised
	event.Transition, event.Value, event.Time, event.Reason = iot.Updated, value, at, reason
	out.Alert(&event)
}

// elapsed returns the time between two readings, in either order: a backlog may arrive newest first.
func elapsed(a, b time.Time) time.Duration { return b.Sub(a).Abs() }

// retire removes the states of rules that do not watch the device any more, or have another condition, and clears their
// alerts at the given time with that reason. r is nil without a reading.
func (set *Set) retire(states *iot.RuleStates, r *iot.Reading, at time.Time, out Output) {
	states.Alerts = slices.DeleteFunc(states.Alerts, func(s iot.AlertState) bool {
		reason := set.retired(&s)
		if reason == "" {
			return false
		}
		if s.Raised != nil {
			value := s.Raised.Value
			if r != nil {
				value = r.Value
			}
			out.Alert(cleared(s.Raised, value, at, reason))
		}
		return true
	})
	states.Conditions = slices.DeleteFunc(states.Conditions, func(s iot.ConditionState) bool {
		rule := set.find(s.Rule)
		return rule == nil || rule.Kind != s.Condition
	})
}

// retired returns why the state of an alert is to be removed, "" if it stays.
func (set *Set) retired(s *iot.AlertState) iot.ClearReason {
	if s.Rule == iot.RuleOffline {
		if set.muted {
			return iot.NotSelected
		}
		return ""
	}
	rule := set.find(s.Rule)
	if of, failed := iot.FailedRuleOf(s.Rule); rule == nil && failed {
		if rule = set.find(of); rule != nil && rule.Kind == s.Condition {
			return ""
		}
	}
	switch {
	case rule == nil:
		return iot.NotSelected
	case rule.Kind != s.Condition || s.Raised != nil && s.Raised.Below != rule.JudgesBelow():
		return iot.RuleChanged
	case rule.byPeers() && s.Raised != nil && set.moved(s.Raised):
		return iot.RuleChanged
	default:
		return ""
	}
}

// find returns the rule with the given name, nil if it is not in the set.
func (set *Set) find(name string) *compiled {
	for _, rules := range [...][]compiled{set.rules, set.silence} {
		for i := range rules {
			if rules[i].Name == name {
				return &rules[i]
			}
		}
	}
	return nil
}

// Forget clears every open alert of a device that is forgotten at the given time.
func (e *Engine) Forget(states *iot.RuleStates, at time.Time, out Output) {
	for i := range states.Alerts {
		if raised := states.Alerts[i].Raised; raised != nil {
			out.Alert(cleared(raised, raised.Value, at, ""))
		}
	}
}

// Reset returns the event that clears a latched alert because somebody has reset it at the given time, and removes its state; nil if it is not
// latched or nobody has acknowledged it, which comes first.
func (e *Engine) Reset(states *iot.RuleStates, s *iot.AlertState, at time.Time) *iot.Alert {
	if s.Raised.LifeState() != iot.LatchedAcknowledged {
		return nil
	}
	event := cleared(s.Raised, s.Raised.Value, at, iot.WasReset)
	states.Alerts = slices.DeleteFunc(states.Alerts, func(other iot.AlertState) bool { return other.Rule == event.Rule })
	return event
}

// raise returns the event that raises an alert.
func raise(rule *iot.Rule, text messages, value float64, r *iot.Reading, onset time.Time) iot.Alert {
	return iot.Alert{
		ID:         iot.AlertID(rule.Name, r.Identity(), onset),
		Rule:       rule.Name,
		Tenant:     r.Tenant,
		DeviceID:   r.ID,
		DeviceType: r.Type,
		Severity:   rule.Severity,
		Transition: iot.Raised,
		Message:    text.zh,
		MessageEN:  text.en,
		Procedure:  rule.Procedure,
		Value:      value,
		Threshold:  threshold(rule),
		Below:      rule.JudgesBelow(),
		Unit:       unit(rule, r),
		Location:   r.Location,
		Onset:      onset,
		Time:       r.Time,
	}
}

// cleared returns the event that clears an alert, with the value at which it cleared. reason is empty if that value is safe.
func cleared(raised *iot.Alert, value float64, at time.Time, reason iot.ClearReason) *iot.Alert {
	event := *raised
	event.Transition = iot.Cleared
	event.Value = value
	event.Time = at
	event.Reason = reason
	return &event
}

func find(states []iot.AlertState, rule string) int {
	return slices.IndexFunc(states, func(s iot.AlertState) bool { return s.Rule == rule })
}

func findCondition(states *iot.RuleStates, rule string) int {
	return slices.IndexFunc(states.Conditions, func(s iot.ConditionState) bool { return s.Rule == rule })
}
