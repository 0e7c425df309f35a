package alert

import (
	"math"
	"time"

	"iotmon/internal/iot"
)

// Verdict is what a condition says of a reading.
type Verdict int

const (
	// Between is neither of the others: a pending alert is dropped, an open one stays open.
	Between Verdict = iota
	// Violated readings raise an alert.
	Violated
	// Safe readings clear it.
	Safe
	// Unknown changes nothing: what is pending stays pending, and what is open stays open. Something that the condition needs is not known.
	Unknown
)

// judgement is a Verdict and the number that it is about: the reading's value or, for a statistic, that. median is what Deviation has compared the value
// with.
type judgement struct {
	Verdict
	value, median float64
}

// step judges the reading at a point and returns what to remember of it and the points before, in the storage of memory: at
// most iot.MaxConditionPoints. Points come in the order of growing At. It is a pure function of its arguments.
type step func(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint)

// stepOf returns the step of a condition, nil for a threshold, which has no memory; see judge.
func stepOf(c *iot.Condition) step {
	switch c.Kind {
	case iot.Rise:
		return stepRise
	case iot.Fall:
		return stepFall
	case iot.Stuck:
		return stepStuck
	case iot.Average, iot.Maximum, iot.Minimum, iot.Count, iot.Fraction:
		return stepStatistic
	case iot.OfLast:
		return stepOfLast
	default:
		return nil
	}
}

// judge is the step of a threshold.
func judge(c *iot.Condition, value float64) Verdict {
	switch {
	case c.Violated(value):
		return Violated
	case c.Safe(value):
		return Safe
	default:
		return Between
	}
}

func stepRise(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
	return stepChange(c, memory, reading, 1)
}

func stepFall(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
	return stepChange(c, memory, reading, -1)
}

// stepChange compares a reading with the lowest value of the slots within c.Within; sign -1 turns lowest into highest. It
// remembers only points that may still become the lowest: each is higher than the one before it, and in a later slot.
func stepChange(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint, sign float64) (judgement, []iot.ConditionPoint) {
	// A run of the past keeps a change of sign in time: what rises then falls in the order of evaluation.
	if reading.At < 0 {
		sign = -sign
	}
	length := slotLength(c)
	current := slot(reading.At, length)
	first := 0
	for first < len(memory) && slot(memory[first].At, length) <= current-iot.ChangeSlots {
		first++
	}
	memory = append(memory[:0], memory[first:]...)
	for len(memory) > 0 && sign*memory[len(memory)-1].Value >= sign*reading.Value {
		memory = memory[:len(memory)-1]
	}
	if len(memory) == 0 || slot(memory[len(memory)-1].At, length) != current {
		// Several points may be in one slot only if another version of the rule had a shorter Within.
		memory = append(memory[:min(len(memory), maxSlotPoints-1)], reading)
	}
	change := sign * (reading.Value - memory[0].Value)
	verdict := Between
	switch {
	case change > c.Threshold:
		verdict = Violated
	case change <= c.Threshold-c.Hysteresis:
		verdict = Safe
	}
	return judgement{Verdict: verdict, value: reading.Value}, memory
}

// maxSlotPoints is how many points conditions remember of the slots: one per slot, and one from before them.
const maxSlotPoints = iot.ChangeSlots + 1

// slotLength returns the length of the slots of the time Within, in microseconds.
func slotLength(c *iot.Condition) int64 { return max(c.Within.Microseconds()/iot.ChangeSlots, 1) }

// slot returns the number of the slot of the given length, in microseconds, that contains at.
func slot(at, length int64) int64 {
	if at < 0 {
		return (at+1)/length - 1
	}
	return at / length
}

// stepStuck remembers the first reading of those that do not differ from it.
func stepStuck(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
	verdict := Safe
	if len(memory) == 0 || math.Abs(reading.Value-memory[0].Value) > c.Threshold {
		memory = append(memory[:0], reading)
	} else if reading.At-memory[0].At >= c.Within.Microseconds() {
		verdict = Violated
	}
	return judgement{Verdict: verdict, value: reading.Value}, memory[:1]
}

// point returns the reading as a point of a run, of the present if backward is false.
func point(at time.Time, value float64, backward bool) iot.ConditionPoint {
	p := iot.ConditionPoint{At: at.UnixMicro(), Value: value}
	if backward {
		p.At = -p.At
	}
	return p
}
