package alert

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// EvaluatePast adds a past reading, appended at the given time, to a run and returns the new run, nil if no rule remembers
// anything of it. It passes one historical event for each past alert to out when the alert is over. live is what the rules remember of
// the device at present: a reading within an open alert belongs to that alert and is ignored for its rule.
//
// The readings of a run come oldest first or newest first. A reading out of order by at most disorder is ignored, like a
// live one; any other ends the run and begins a new one.
func (e *Engine) EvaluatePast(set *Set, run *iot.PastRun, live *iot.RuleStates, r *iot.Reading, appended time.Time, disorder time.Duration, out Output) *iot.PastRun {
	if r.Quality == iot.Bad {
		return run
	}
	if run != nil && !inOrder(run, r.Time) {
		if elapsed(run.Last, r.Time) <= disorder {
			run.Arrived = appended
			return run
		}
		e.EndPast(run, out)
		run = nil
	}
	if run != nil && set.hasOtherRules(&run.RuleStates) {
		e.EndPast(run, out)
		run = nil
	}
	if run == nil {
		if !set.remembers && !set.violatedBy(r.Value) {
			return nil
		}
		run = &iot.PastRun{Last: r.Time}
	}
	set.evaluatePast(run, live, r, out)
	run.Last, run.Arrived = r.Time, appended
	if len(run.Alerts)+len(run.Conditions) == 0 {
		return nil
	}
	return run
}

// evaluatePast evaluates the rules on the next reading of a run.
func (set *Set) evaluatePast(run *iot.PastRun, live *iot.RuleStates, r *iot.Reading, out Output) {
	events := pastOutput{Output: out, run: run}
	for i := range set.rules {
		rule := &set.rules[i]
		if rule.byPeers() {
			continue // Nobody knows the median, or the points, of then.
		}
		if open := find(live.Alerts, rule.Name); open >= 0 && isPartOf(r, live.Alerts[open].Raised) {
			continue
		}
		judged := judgement{value: r.Value}
		if rule.plain {
			judged.Verdict = judge(&rule.Condition, r.Value)
		} else {
			var failed *failure
			if judged, failed = rule.run(set, &run.RuleStates, r, run.Backward); failed != nil {
				out.Failed(r.Identity(), rule.Name, failed.en) // That is over, so it raises no alert.
				continue
			}
		}
		set.advance(&run.RuleStates, rule, judged, r, false, &events)
	}
}

// pastOutput turns the cleared events of a run into historical ones. Raised ones are not published.
type pastOutput struct {
	Output
	run *iot.PastRun
}

func (o *pastOutput) Alert(event *iot.Alert) {
	if event.Transition == iot.Cleared {
		emitPast(o.run, event, event.Time, o.Output)
	}
}

// violatedBy reports whether the value violates a threshold of a set that remembers nothing.
func (set *Set) violatedBy(value float64) bool {
	return slices.ContainsFunc(set.rules, func(rule compiled) bool { return rule.plain && rule.Violated(value) })
}

// hasOtherRules reports whether a run has states of other rules than these, because the device had another type, or the rules
// were others, before. The run then ends: otherwise the state of a device that changes its type often would grow without bound.
func (set *Set) hasOtherRules(run *iot.RuleStates) bool {
	return slices.ContainsFunc(run.Alerts, func(s iot.AlertState) bool { return set.retired(&s) != "" }) ||
		slices.ContainsFunc(run.Conditions, func(s iot.ConditionState) bool {
			rule := set.find(s.Rule)
			return rule == nil || rule.Kind != s.Condition
		})
}

// inOrder reports whether a reading at the given time continues the run in its order. The second reading of a run decides
// the order.
func inOrder(run *iot.PastRun, at time.Time) bool {
	if !run.Forward && !run.Backward {
		run.Forward, run.Backward = at.After(run.Last), at.Before(run.Last)
		if run.Backward {
			turn(run)
		}
	}
	return run.Forward && at.After(run.Last) || run.Backward && at.Before(run.Last)
}

// turn makes the points of a run that has just become a backward one those of such a run; see iot.ConditionPoint.
func turn(run *iot.PastRun) {
	for i := range run.Conditions {
		points := run.Conditions[i].Points
		for j := range points {
			points[j].At = -points[j].At
		}
	}
}

// isPartOf reports whether a reading is not older than the onset of an open alert.
func isPartOf(r *iot.Reading, raised *iot.Alert) bool {
	return raised != nil && !raised.Onset.After(r.Time)
}

// EndPast ends a run and passes its alerts to out.
func (e *Engine) EndPast(run *iot.PastRun, out Output) {
	for i := range run.Alerts {
		if raised := run.Alerts[i].Raised; raised != nil {
			emitPast(run, raised, run.Last, out)
		}
	}
}

// emitPast emits the historical event of a past alert. found is the raised event in the run, end the time of the reading
// that ended the alert.
func emitPast(run *iot.PastRun, found *iot.Alert, end time.Time, out Output) {
	event := *found
	event.Time = end
	if run.Backward {
		event.Onset, event.Time = run.Last, found.Onset
	}
	event.ID = iot.HistoricalAlertID(event.Rule, event.Identity(), event.Onset)
	event.Transition = iot.Cleared
	event.Historical = true
	out.Alert(&event)
}

// JoinPast ends a run and transfers it to the live states: r is the first live reading after the run whose value rules judge, and newer. Conditions
// continue with what they remember of the run. A rule that r violates too keeps its onset from the run. For the other rules the
// past alert is over and emitted. Call Evaluate with the states and r.
func (e *Engine) JoinPast(set *Set, run *iot.PastRun, live *iot.RuleStates, r *iot.Reading, out Output) {
	if !run.Backward && run.Last.Before(r.Time) {
		joinConditions(run, live)
	}
	for i := range run.Alerts {
		s := &run.Alerts[i]
		rule := set.find(s.Rule)
		goesOn := rule != nil && set.retired(s) == "" && !run.Backward && find(live.Alerts, s.Rule) < 0 &&
			rule.wouldViolate(set, live, r)
		switch {
		case goesOn && s.Raised != nil:
			live.Alerts = append(live.Alerts, iot.AlertState{Rule: s.Rule, Condition: s.Condition, Onset: s.Raised.Onset})
		case goesOn:
			live.Alerts = append(live.Alerts, iot.AlertState{Rule: s.Rule, Condition: s.Condition, Onset: s.Onset})
		case s.Raised != nil:
			emitPast(run, s.Raised, run.Last, out)
		}
	}
}

// joinConditions replaces what conditions remember of the present by what they remember of a run of newer readings. A rule
// whose alert is open remembers nothing of a run within that alert, and keeps what it has.
func joinConditions(run *iot.PastRun, live *iot.RuleStates) {
	for _, s := range run.Conditions {
		if i := findCondition(live, s.Rule); i >= 0 {
			live.Conditions[i] = s
		} else {
			live.Conditions = append(live.Conditions, s)
		}
	}
}

// wouldViolate reports whether the reading violates the rule, without changing what the rule remembers. It is false if that
// cannot be determined.
func (rule *compiled) wouldViolate(set *Set, states *iot.RuleStates, r *iot.Reading) (violated bool) {
	if rule.plain {
		return rule.Violated(r.Value)
	}
	var memory []iot.ConditionPoint
	if i := findCondition(states, rule.Name); i >= 0 {
		memory = slices.Clone(states.Conditions[i].Points)
	} else if rule.program == nil {
		return false
	}
	defer func() {
		if recover() != nil { // Evaluate meets the same panic.
			violated = false
		}
	}()
	judged, _, err := rule.judge(set, memory, r, false)
	return err == nil && judged.Verdict == Violated
}

// SetBack changes the states of a device whose clock was set back: open alerts stay open, and durations and the memories of
// conditions restart.
func (e *Engine) SetBack(states *iot.RuleStates) {
	for i := range states.Alerts {
		s := &states.Alerts[i]
		if s.Condition == iot.NoData {
			continue // It is about the log's clock.
		}
		s.Safe = time.Time{}
		if s.Raised != nil && s.Rule != iot.RuleOffline {
			s.Onset = time.Time{}
		}
	}
	states.Alerts = slices.DeleteFunc(states.Alerts, func(s iot.AlertState) bool { return s.Raised == nil })
	states.Conditions = nil
}
