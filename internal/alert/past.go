package alert

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// EvaluatePast takes a run of past readings on by one, which was appended at the given time, and returns the run to keep, nil
// if no rule is violated in it. It calls emit with one historical event for each alarm of the past, once that is over. A
// reading that falls into an alert which is open now, one of states, is part of that alert.
//
// The readings of a run come in one order, oldest first or newest first. One that is out of order by no more than disorder is
// passed over, as it would be in the present; any other begins a new run.
func (e *Engine) EvaluatePast(run *iot.PastRun, states []iot.AlertState, r *iot.Reading, appended time.Time, disorder time.Duration, emit func(*iot.Alert)) *iot.PastRun {
	if r.Quality == iot.Bad {
		return run
	}
	if run != nil && !inOrder(run, r.Time) {
		if elapsed(run.Last, r.Time) <= disorder {
			run.Arrived = appended
			return run
		}
		e.EndPast(run, emit)
		run = nil
	}
	rules := e.byType[r.Type]
	if run != nil && hasOtherRules(run.Alerts, rules) {
		e.EndPast(run, emit)
		run = nil
	}
	if run == nil {
		if !slices.ContainsFunc(rules, func(rule iot.Rule) bool { return rule.Violated(r.Value) }) {
			return nil
		}
		run = &iot.PastRun{Last: r.Time}
	}
	for i := range rules {
		if open := find(states, rules[i].Name); open >= 0 && isPartOf(r, states[open].Raised) {
			continue
		}
		run.Alerts = e.evaluate(run.Alerts, &rules[i], r, func(event *iot.Alert) {
			if event.Transition == iot.Cleared {
				emitPast(run, event, event.Time, emit)
			}
		})
	}
	run.Last, run.Arrived = r.Time, appended
	if len(run.Alerts) == 0 {
		return nil
	}
	return run
}

// hasOtherRules reports whether states are of other rules than these: the device was of another type. Without an end of the run there
// the state of a device of many types would have no bound.
func hasOtherRules(states []iot.AlertState, rules []iot.Rule) bool {
	return slices.ContainsFunc(states, func(s iot.AlertState) bool {
		return !slices.ContainsFunc(rules, func(rule iot.Rule) bool { return rule.Name == s.Rule })
	})
}

// inOrder reports whether a reading of the given time goes on with the run in its order, which the second reading decides.
func inOrder(run *iot.PastRun, at time.Time) bool {
	if !run.Forward && !run.Backward {
		run.Forward, run.Backward = at.After(run.Last), at.Before(run.Last)
	}
	return run.Forward && at.After(run.Last) || run.Backward && at.Before(run.Last)
}

// isPartOf reports whether a reading lies in an alert that is open.
func isPartOf(r *iot.Reading, raised *iot.Alert) bool {
	return raised != nil && !raised.Onset.After(r.Time)
}

// EndPast calls emit for the alarms of a run that nothing more comes of.
func (e *Engine) EndPast(run *iot.PastRun, emit func(*iot.Alert)) {
	for i := range run.Alerts {
		if raised := run.Alerts[i].Raised; raised != nil {
			emitPast(run, raised, run.Last, emit)
		}
	}
}

// emitPast tells of an alarm of the past. What was found is the event that the run keeps, end the time of the reading that
// ends it, in the order of the run.
func emitPast(run *iot.PastRun, found *iot.Alert, end time.Time, emit func(*iot.Alert)) {
	event := *found
	event.Time = end
	if run.Backward {
		event.Onset, event.Time = run.Last, found.Onset
	}
	event.ID = iot.HistoricalAlertID(event.Rule, event.DeviceID, event.Onset)
	event.Transition = iot.Cleared
	event.Historical = true
	emit(&event)
}

// JoinPast goes on in the present with what a run of past readings has come to: r is the first live reading after it, and
// newer. A rule that r violates too has been violated since the run says so. What r does not violate is over. The states
// returned are to be evaluated with r.
func (e *Engine) JoinPast(run *iot.PastRun, states []iot.AlertState, r *iot.Reading, emit func(*iot.Alert)) []iot.AlertState {
	rules := e.byType[r.Type]
	for i := range run.Alerts {
		s := &run.Alerts[i]
		rule := slices.IndexFunc(rules, func(rule iot.Rule) bool { return rule.Name == s.Rule })
		goesOn := rule >= 0 && !run.Backward && r.Quality != iot.Bad && rules[rule].Violated(r.Value) && find(states, s.Rule) < 0
		switch {
		case goesOn && s.Raised != nil:
			states = append(states, iot.AlertState{Rule: s.Rule, Onset: s.Raised.Onset})
		case goesOn:
			states = append(states, iot.AlertState{Rule: s.Rule, Onset: s.Onset})
		case s.Raised != nil:
			emitPast(run, s.Raised, run.Last, emit)
		}
	}
	return states
}

// SetBack returns the states of a device whose clock was set back: what is open stays, and durations begin anew.
func (e *Engine) SetBack(states []iot.AlertState) []iot.AlertState {
	for i := range states {
		states[i].Safe = time.Time{}
		if states[i].Raised != nil && states[i].Rule != iot.RuleOffline {
			states[i].Onset = time.Time{}
		}
	}
	return slices.DeleteFunc(states, func(s iot.AlertState) bool { return s.Raised == nil })
}

// ClockStepped returns the event that tells that the clock of the device whose reading r is was found to be set back, by how
// much, at the log's time.
func (e *Engine) ClockStepped(r *iot.Reading, back time.Duration, at time.Time) *iot.Alert {
	back = back.Round(time.Second)
	return &iot.Alert{
		ID:         iot.AlertID(iot.RuleClock, r.ID, at),
		Rule:       iot.RuleClock,
		DeviceID:   r.ID,
		DeviceType: r.Type,
		Severity:   iot.Warning,
		Transition: iot.Cleared,
		Message:    "设备时钟落后: " + back.String(),
		Value:      back.Seconds(),
		Unit:       "s",
		Location:   r.Location,
		Onset:      at,
		Time:       at,
	}
}
