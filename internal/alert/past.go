package alert

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// EvaluatePast adds a past reading, appended at the given time, to a run and returns the new run, nil if no rule is
// violated in it. It calls emit with one historical event for each past alert once that is over. states are the device's
// live alerts: a reading within an open one belongs to that alert and is ignored for its rule.
//
// The readings of a run come oldest first or newest first. A reading out of order by at most disorder is ignored, like a
// live one; any other ends the run and begins a new one.
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

// hasOtherRules reports whether states contains other rules than these, because the device had another type before. The run
// then ends: otherwise the state of a device that changes its type often would grow without bound.
func hasOtherRules(states []iot.AlertState, rules []iot.Rule) bool {
	return slices.ContainsFunc(states, func(s iot.AlertState) bool {
		return !slices.ContainsFunc(rules, func(rule iot.Rule) bool { return rule.Name == s.Rule })
	})
}

// inOrder reports whether a reading at the given time continues the run in its order. The second reading of a run decides
// the order.
func inOrder(run *iot.PastRun, at time.Time) bool {
	if !run.Forward && !run.Backward {
		run.Forward, run.Backward = at.After(run.Last), at.Before(run.Last)
	}
	return run.Forward && at.After(run.Last) || run.Backward && at.Before(run.Last)
}

// isPartOf reports whether a reading is not older than the onset of an open alert.
func isPartOf(r *iot.Reading, raised *iot.Alert) bool {
	return raised != nil && !raised.Onset.After(r.Time)
}

// EndPast ends a run and calls emit for its alerts.
func (e *Engine) EndPast(run *iot.PastRun, emit func(*iot.Alert)) {
	for i := range run.Alerts {
		if raised := run.Alerts[i].Raised; raised != nil {
			emitPast(run, raised, run.Last, emit)
		}
	}
}

// emitPast emits the historical event of a past alert. found is the raised event in the run, end the time of the reading
// that ended the alert.
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

// JoinPast ends a run and transfers its violations to the live states: r is the first live reading after the run, and
// newer. A rule that r violates too keeps its onset from the run. For the other rules the past alert is over and emitted.
// Call Evaluate with the returned states and r.
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

// SetBack returns the states of a device whose clock was set back: open alerts stay open, and durations restart.
func (e *Engine) SetBack(states []iot.AlertState) []iot.AlertState {
	for i := range states {
		states[i].Safe = time.Time{}
		if states[i].Raised != nil && states[i].Rule != iot.RuleOffline {
			states[i].Onset = time.Time{}
		}
	}
	return slices.DeleteFunc(states, func(s iot.AlertState) bool { return s.Raised == nil })
}

// ClockStepped returns the event that reports that the clock of the device of r was set back by the given duration; at is the
// log's time. Its transition is Cleared, so it never opens an alert.
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
