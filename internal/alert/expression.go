package alert

import (
	"errors"
	"math"

	"iotmon/internal/expression"
	"iotmon/internal/iot"
)

// CheckExpression returns an error, an *iot.InvalidError, if the condition has an expression that cannot be evaluated. It is for conditions that are
// valid otherwise.
func CheckExpression(c *iot.Condition) error {
	if c.Kind != iot.Expression {
		return nil
	}
	_, err := compileExpression(c)
	return err
}

func compileExpression(c *iot.Condition) (*expression.Program, error) {
	program, err := expression.Compile(c.Expression)
	if placed := (*expression.Error)(nil); errors.As(err, &placed) {
		return nil, iot.Invalid("expression", "%s", placed.Error())
	}
	if err != nil {
		return nil, err
	}
	points := program.Points()
	for i := range points { // Nobody else has the program yet.
		if err := iot.CheckPointName(&points[i]); err != nil {
			return nil, iot.Invalid("expression", "the name of a point: %v", err)
		}
	}
	switch needs := program.NeedsStatistics(); {
	case needs && c.Within == 0:
		return nil, iot.Invalid("within", "missing: the expression has a statistic, which is of a time")
	case !needs && c.Within != 0:
		return nil, iot.Invalid("within", "the expression has no statistic that would be of a time (got %v)", iot.Lasting(c.Within))
	}
	return program, nil
}

// express judges a reading by the rule's expression. It remembers the latest reading, as the last point, and before it the slots of the statistics.
func (rule *compiled) express(set *Set, memory []iot.ConditionPoint, r *iot.Reading, backward bool) (judgement, []iot.ConditionPoint, error) {
	in := expression.Input{
		Value: r.Value, Threshold: rule.Threshold, DeviceID: string(r.ID), Type: string(r.Type), Unit: r.Unit, Quality: string(iot.Good),
		Labels: set.labels, Model: r.Metadata.Model, Firmware: r.Metadata.Firmware, BatteryLevel: math.NaN(),
	}
	if r.Quality != "" {
		in.Quality = string(r.Quality)
	}
	if r.Metadata.BatteryLevel != nil {
		in.BatteryLevel = *r.Metadata.BatteryLevel
	}
	if rule.program.NeedsArea() {
		if in.Area = string(set.area); in.Area == "" {
			in.Area = string(r.Location.Area())
		}
	}
	rule.lookUp(&in, set, r)
	between := judgement{Verdict: Between, value: r.Value}
	if rule.program.NeedsPrevious() || rule.program.NeedsStatistics() {
		var known bool
		if known, memory = rule.remember(&in, memory, point(r.Time, r.Value, backward), backward); !known {
			return between, memory, nil
		}
	}
	violated, err := rule.program.Run(&in)
	switch {
	case errors.Is(err, expression.ErrMissing):
		return judgement{Verdict: Unknown, value: r.Value}, memory, nil
	case err != nil:
		return between, memory, err
	case violated:
		return judgement{Verdict: Violated, value: r.Value}, memory, nil
	default:
		return judgement{Verdict: Safe, value: r.Value}, memory, nil
	}
}

// remember sets what the expression needs of the readings before, and returns what to remember of them and this one. It returns false if that is not
// known yet; in a run whose readings come newest first, nobody knows the one before.
func (rule *compiled) remember(in *expression.Input, memory []iot.ConditionPoint, reading iot.ConditionPoint, backward bool) (known bool, after []iot.ConditionPoint) {
	known = true
	last := len(memory) - 1
	if rule.program.NeedsPrevious() {
		if known = last >= 0 && !backward; known {
			in.Previous = memory[last].Value
			in.Elapsed = float64(reading.At-memory[last].At) / 1e6
		}
	}
	slots := memory[:max(last, 0)]
	if rule.program.NeedsStatistics() {
		within, spans, all := addToSlots(&rule.Condition, slots, reading)
		count := uint64(0)
		in.Minimum, in.Maximum = within[0].Min, within[0].Max
		for _, p := range within {
			count += p.Count
			in.Minimum, in.Maximum = min(in.Minimum, p.Min), max(in.Maximum, p.Max)
		}
		in.Average, in.Count = average(within), float64(count)
		known, slots = known && spans, all
	} else {
		slots = slots[:0]
	}
	return known, append(slots, reading)
}
