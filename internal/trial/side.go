package trial

import (
	"slices"
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
	// Rule is the rule's name or, for levels, that of the part; see iot.Rule.Parts.
	Rule string
	// Onset, Raised and Cleared are in the device's time; Cleared is zero if it was open at the end of the span.
	Onset, Raised, Cleared time.Time
	// Value is what has raised it, Threshold what that was compared with.
	Value, Threshold float64
	Unit             string
	By               By
}

// side is one of the rules, on the device that is evaluated.
type side struct {
	*part
	other  *side
	engine *alert.Engine
	tally  *tally
	// leveled means that the rule has levels.
	leveled bool
	// deviates means that the rule compares values with medians.
	deviates bool
	// points are the names of the points to which the rule's expression refers.
	points []string

	set    *alert.Set
	states iot.RuleStates
	// open are the alerts that are open: one at most, but for levels.
	open []openAlert
	// failed means that the rule could not judge a reading of the device.
	failed bool
}

// openAlert is an alert that is open. shared means that it overlaps one of the other rule, of the same level if both have levels.
type openAlert struct {
	*iot.Alert
	shared bool
}

// overlaps reports whether an alert of one rule counts as that of another one at the same time.
func (s *side) overlaps(a, b *iot.Alert) bool {
	return !s.leveled || !s.other.leveled || a.Rule == b.Rule
}

// selects reports whether the rule watches the device.
func (s *side) selects(d *iot.Device) bool { return !s.setOf(d).Empty() }

func (s *side) setOf(d *iot.Device) *alert.Set {
	return s.engine.Select(new(alert.Selection), s.Entry(d.Identity()), &iot.Reading{Device: *d})
}

func (s *side) begin(d *iot.Device) { s.set = s.setOf(d) }

// Alert implements alert.Output.
func (s *side) Alert(a *iot.Alert) {
	if _, failed := iot.FailedRuleOf(a.Rule); failed {
		return
	}
	switch a.Transition {
	case iot.Raised:
		s.tally.raised(a)
		raised := openAlert{Alert: a}
		if s.other != nil {
			for i := range s.other.open {
				if other := &s.other.open[i]; s.overlaps(a, other.Alert) {
					raised.shared, other.shared = true, true
				}
			}
		}
		s.open = append(s.open, raised)
	case iot.Cleared:
		s.open = slices.DeleteFunc(s.open, func(open openAlert) bool {
			if open.ID != a.ID {
				return false
			}
			s.close(&open, a.Time)
			return true
		})
	}
}

// Failed implements alert.Output.
func (s *side) Failed(iot.Identity, string, string) {
	if !s.failed {
		s.failed = true
		s.tally.Failed++
	}
}

// close ends an open alert. A zero time means that it was still open at the end.
func (s *side) close(open *openAlert, cleared time.Time) {
	s.tally.cleared(open.Alert, cleared, open.shared)
	by := ByBoth
	tried := s == s.sides[0]
	switch {
	case !open.shared && tried:
		by = ByTried
	case !open.shared:
		by = ByOther
	}
	if tried || !open.shared {
		s.found.add(Alert{
			Identity: open.Identity(), Rule: open.Rule, Onset: open.Onset, Raised: open.Time, Cleared: cleared, Value: open.Value,
			Threshold: open.Threshold, Unit: open.Unit, By: by,
		})
	}
}

// end ends the device.
func (s *side) end() {
	for i := range s.open {
		s.close(&s.open[i], time.Time{})
	}
	s.open, s.failed = s.open[:0], false
	s.tally.endDevice(s.reading.Identity())
	s.states.Alerts, s.states.Conditions = s.states.Alerts[:0], s.states.Conditions[:0]
}
