package trial

import (
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// By is which rules have raised an alert.
type By string

// An alert is raised by both rules if theirs overlap, even if they do not begin or end together.
const (
	ByBoth  By = "both"
	ByTried By = "tried"
	ByOther By = "other"
)

// Alert is an alert that a rule would have raised.
type Alert struct {
	iot.Identity
	// Onset, Raised and Cleared are in the device's time; Cleared is zero if it was open at the end of the span.
	Onset, Raised, Cleared time.Time
	// Value is what has raised it, Threshold what that was compared with.
	Value, Threshold float64
	Unit             string
	By               By
}

// side is one of the rules, on the device that is evaluated.
type side struct {
	*run
	other  *side
	engine *alert.Engine
	tally  *tally

	set    *alert.Set
	states iot.RuleStates
	// open is the alert that is open, nil for none. shared means that it overlaps one of the other rule.
	open   *iot.Alert
	shared bool
}

// selects reports whether the rule watches the device.
func (s *side) selects(d *iot.Device) bool { return !s.setOf(d).Empty() }

func (s *side) setOf(d *iot.Device) *alert.Set {
	return s.engine.Select(new(alert.Selection), s.Entry(d.Identity()), &iot.Reading{Device: *d})
}

func (s *side) begin(d *iot.Device) { s.set = s.setOf(d) }

// Alert implements alert.Output.
func (s *side) Alert(a *iot.Alert) {
	switch a.Transition {
	case iot.Raised:
		s.open, s.shared = a, false
		s.tally.raised(a)
		if s.other != nil && s.other.open != nil {
			s.shared, s.other.shared = true, true
		}
	case iot.Cleared:
		s.close(a.Time)
	}
}

// Suspended implements alert.Output.
func (s *side) Suspended(iot.Identity, string, string) { s.tally.Suspended++ }

// close ends the alert that is open. A zero time means that it was still open at the end.
func (s *side) close(cleared time.Time) {
	if s.open == nil {
		return
	}
	s.tally.cleared(s.open, cleared, s.shared)
	by := ByBoth
	tried := s == s.sides[0]
	switch {
	case !s.shared && tried:
		by = ByTried
	case !s.shared:
		by = ByOther
	}
	if tried || !s.shared {
		s.found.add(Alert{
			Identity: s.open.Identity(), Onset: s.open.Onset, Raised: s.open.Time, Cleared: cleared, Value: s.open.Value, Threshold: s.open.Threshold,
			Unit: s.open.Unit, By: by,
		})
	}
	s.open = nil
}

// end ends the device.
func (s *side) end() {
	s.close(time.Time{})
	s.tally.endDevice(s.reading.Identity())
	s.states.Alerts, s.states.Conditions = s.states.Alerts[:0], s.states.Conditions[:0]
}
