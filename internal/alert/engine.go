// Package alert decides when a device raises an alert and when the alert clears. It is pure: the caller keeps the state,
// time is the reading's timestamp, and the ids of alerts derive from rule, device and onset.
package alert

import (
	"fmt"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Engine holds the rules. It does not change after New and may be shared.
type Engine struct {
	byType map[iot.DeviceType][]iot.Rule
	// offline is the rule for silent devices, nil for none.
	offline *iot.Rule
	labels  map[iot.DeviceType]string
}

// New returns an engine for the rules, whose types must be in the catalog and whose names must be unique.
func New(rules []iot.Rule, catalog *iot.Catalog) (*Engine, error) {
	e := &Engine{byType: make(map[iot.DeviceType][]iot.Rule), labels: make(map[iot.DeviceType]string)}
	seen := make(map[string]bool)
	for _, rule := range rules {
		if err := check(&rule, catalog); err != nil {
			return nil, err
		}
		if seen[rule.Name] {
			return nil, fmt.Errorf("rule %q given twice", rule.Name)
		}
		seen[rule.Name] = true
		if rule.Name == iot.RuleOffline {
			e.offline = &rule
			continue
		}
		if len(e.byType[rule.Type]) == iot.MaxRules {
			return nil, fmt.Errorf("rule %q: %s already has %d rules, the maximum", rule.Name, rule.Type, iot.MaxRules)
		}
		e.byType[rule.Type] = append(e.byType[rule.Type], rule)
	}
	for _, t := range catalog.Types() {
		e.labels[t] = label(catalog.Spec(t))
	}
	return e, nil
}

func check(rule *iot.Rule, catalog *iot.Catalog) error {
	switch {
	case rule.Name == "":
		return fmt.Errorf("rule for %q has no name", rule.Type)
	case rule.Severity.Rank() < 0:
		return fmt.Errorf("rule %q: severity must be info, warning or critical (got %q)", rule.Name, rule.Severity)
	case rule.Name != iot.RuleOffline && catalog.Spec(rule.Type) == nil:
		return fmt.Errorf("rule %q: unknown device type %q", rule.Name, rule.Type)
	case rule.Hysteresis < 0:
		return fmt.Errorf("rule %q: hysteresis must not be negative (got %v)", rule.Name, rule.Hysteresis)
	case rule.For < 0 || rule.ClearFor < 0:
		return fmt.Errorf("rule %q: durations must not be negative (got %v and %v)", rule.Name, rule.For, rule.ClearFor)
	}
	return nil
}

// Evaluate updates a device's alert states by a reading that is newer than all others. It calls emit for each alert that is
// raised or cleared, and returns the new states in the storage of states. The state keeps a pointer to its raised event, so
// what emit changes in the event stays. Rules are not evaluated for a value of quality bad.
func (e *Engine) Evaluate(states []iot.AlertState, r *iot.Reading, emit func(*iot.Alert)) []iot.AlertState {
	if r.Quality != iot.Bad {
		rules := e.byType[r.Type]
		states = e.retire(states, rules, r, emit)
		for i := range rules {
			states = e.evaluate(states, &rules[i], r, emit)
		}
	}
	return e.evaluateStatus(states, r, emit)
}

// evaluate is the state machine of one rule: idle, pending since Onset, raised, clearing since Safe.
func (e *Engine) evaluate(states []iot.AlertState, rule *iot.Rule, r *iot.Reading, emit func(*iot.Alert)) []iot.AlertState {
	violated := rule.Violated(r.Value)
	i := find(states, rule.Name)
	if i < 0 {
		if !violated {
			return states
		}
		i = len(states)
		states = append(states, iot.AlertState{Rule: rule.Name})
	}
	s := &states[i]
	switch {
	case violated:
		s.Safe = time.Time{}
		if s.Onset.IsZero() {
			s.Onset = r.Time
		}
		if s.Raised == nil && elapsed(s.Onset, r.Time) >= rule.For {
			raised := e.raised(rule, r, s.Onset)
			s.Raised = &raised
			emit(s.Raised)
		}
	case s.Raised == nil:
		return slices.Delete(states, i, i+1)
	case !rule.Safe(r.Value):
		s.Onset, s.Safe = time.Time{}, time.Time{}
	default:
		s.Onset = time.Time{}
		if s.Safe.IsZero() {
			s.Safe = r.Time
		}
		if elapsed(s.Safe, r.Time) >= rule.ClearFor {
			emit(cleared(s.Raised, r.Value, r.Time))
			return slices.Delete(states, i, i+1)
		}
	}
	return states
}

// elapsed returns the time between two readings, in either order: a backlog may arrive newest first.
func elapsed(a, b time.Time) time.Duration { return b.Sub(a).Abs() }

// retire removes the states of rules that no longer exist, or not for the device's type, and clears their alerts.
func (e *Engine) retire(states []iot.AlertState, rules []iot.Rule, r *iot.Reading, emit func(*iot.Alert)) []iot.AlertState {
	if len(states) == 0 {
		return states
	}
	return slices.DeleteFunc(states, func(s iot.AlertState) bool {
		if s.Rule == iot.RuleOffline || slices.ContainsFunc(rules, func(rule iot.Rule) bool { return rule.Name == s.Rule }) {
			return false
		}
		if s.Raised != nil {
			emit(cleared(s.Raised, r.Value, r.Time))
		}
		return true
	})
}

// ClearOffline clears the device's offline alert, if it is open, because the device has sent again.
func (e *Engine) ClearOffline(states []iot.AlertState, at time.Time, emit func(*iot.Alert)) []iot.AlertState {
	i := find(states, iot.RuleOffline)
	if i < 0 {
		return states
	}
	emit(cleared(states[i].Raised, 0, at))
	return slices.Delete(states, i, i+1)
}

// Forget clears every open alert of a device that is forgotten at the given time.
func (e *Engine) Forget(states []iot.AlertState, at time.Time, emit func(*iot.Alert)) {
	for i := range states {
		if raised := states[i].Raised; raised != nil {
			emit(cleared(raised, raised.Value, at))
		}
	}
}

// evaluateStatus raises or clears the offline alert by the status in the reading.
func (e *Engine) evaluateStatus(states []iot.AlertState, r *iot.Reading, emit func(*iot.Alert)) []iot.AlertState {
	if r.Status == iot.Offline {
		return e.RaiseOffline(states, r, r.Time, emit)
	}
	return e.ClearOffline(states, r.Time, emit)
}

// RaiseOffline raises the offline alert of the device of r, its newest reading, unless it is already open. Onset is the
// moment from which the device counts as offline.
func (e *Engine) RaiseOffline(states []iot.AlertState, r *iot.Reading, onset time.Time, emit func(*iot.Alert)) []iot.AlertState {
	if e.offline == nil || find(states, iot.RuleOffline) >= 0 {
		return states
	}
	raised := e.raised(e.offline, r, onset)
	raised.Time, raised.Value, raised.Threshold, raised.Unit = onset, 0, 0, ""
	emit(&raised)
	return append(states, iot.AlertState{Rule: iot.RuleOffline, Onset: onset, Raised: &raised})
}

// raised returns the event that raises an alert.
func (e *Engine) raised(rule *iot.Rule, r *iot.Reading, onset time.Time) iot.Alert {
	return iot.Alert{
		ID:         iot.AlertID(rule.Name, r.ID, onset),
		Rule:       rule.Name,
		DeviceID:   r.ID,
		DeviceType: r.Type,
		Severity:   rule.Severity,
		Transition: iot.Raised,
		Message:    e.message(rule, r),
		Value:      r.Value,
		Threshold:  rule.Threshold,
		Below:      rule.Below,
		Unit:       r.Unit,
		Location:   r.Location,
		Onset:      onset,
		Time:       r.Time,
	}
}

// cleared returns the event that clears an alert, with the value that cleared it.
func cleared(raised *iot.Alert, value float64, at time.Time) *iot.Alert {
	event := *raised
	event.Transition = iot.Cleared
	event.Value = value
	event.Time = at
	return &event
}

func find(states []iot.AlertState, rule string) int {
	return slices.IndexFunc(states, func(s iot.AlertState) bool { return s.Rule == rule })
}
