package alert

import (
	"math"
	"math/bits"

	"iotmon/internal/iot"
)

// stepStatistic judges a statistic of the values in the slots within c.Within.
func stepStatistic(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
	within, spans, memory := addToSlots(c, memory, reading)
	value := statistic(c, within)
	if !spans { // Nobody knows yet what the values of the whole time are.
		if math.IsInf(value, 0) {
			value = reading.Value
		}
		return judgement{Verdict: Between, value: value}, memory
	}
	return judgement{Verdict: judgeStatistic(c, value), value: value}, memory
}

// addToSlots adds a reading to the memory of the slots within c.Within: one point for each slot, and the last one from before them. It returns the points
// within the time, which are part of the memory, and whether readings span it.
func addToSlots(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (within []iot.ConditionPoint, spans bool, after []iot.ConditionPoint) {
	length := slotLength(c)
	current := slot(reading.At, length) * length // When the slot of the reading begins; oldest is when the first slot within the time does.
	oldest := current - (iot.ChangeSlots-1)*length
	before := -1
	for before+1 < len(memory) && memory[before+1].At < oldest {
		before++
	}
	if before > 0 {
		memory = append(memory[:0], memory[before:]...)
	}
	last := len(memory) - 1
	switch {
	case last >= 0 && memory[last].At >= current:
		merge(c, &memory[last], reading.Value)
	case len(memory) < maxSlotPoints:
		memory = append(memory, first(c, reading))
	default: // Several points are in one slot only if another version of the rule had a shorter Within.
		copy(memory, memory[1:])
		memory[last] = first(c, reading)
	}
	if before >= 0 {
		return memory[1:], true, memory
	}
	return memory, memory[0].At < oldest+length, memory
}

// first returns the first point of a slot.
func first(c *iot.Condition, reading iot.ConditionPoint) iot.ConditionPoint {
	p := iot.ConditionPoint{At: reading.At, Value: reading.Value, Count: 1}
	switch {
	case c.Counts():
		p.Value = float64(beyond(c, reading.Value))
	case c.Kind == iot.Expression:
		p.Min, p.Max = reading.Value, reading.Value
	}
	return p
}

// merge adds a value to the point of its slot: Value is the sum, the greatest or the least value, or the number of values beyond the limit,
// of Count values.
func merge(c *iot.Condition, p *iot.ConditionPoint, value float64) {
	p.Count++
	switch c.Kind {
	case iot.Maximum:
		p.Value = max(p.Value, value)
	case iot.Minimum:
		p.Value = min(p.Value, value)
	case iot.Average:
		p.Value = addToSum(p.Value, value, p.Count-1)
	case iot.Expression:
		p.Value, p.Min, p.Max = addToSum(p.Value, value, p.Count-1), min(p.Min, value), max(p.Max, value)
	default:
		p.Value += float64(beyond(c, value))
	}
}

// statistic returns the number that the condition judges. There is at least one point.
func statistic(c *iot.Condition, points []iot.ConditionPoint) float64 {
	value := points[0].Value
	switch c.Kind {
	case iot.Maximum:
		for i := range points {
			value = max(value, points[i].Value)
		}
		return value
	case iot.Minimum:
		for i := range points {
			value = min(value, points[i].Value)
		}
		return value
	}
	if c.Kind == iot.Average {
		return average(points)
	}
	count := points[0].Count
	for i := range points[1:] {
		value += points[1+i].Value
		count += points[1+i].Count
	}
	if c.Kind == iot.Fraction {
		value /= float64(max(count, 1))
	}
	return value
}

// average returns the average of the values whose sums are in the points. It is infinite if the sum of the values of one slot was too great for a number: what
// the average is, is not known then. The sum of the points may be too great for a number.
func average(points []iot.ConditionPoint) float64 {
	sum, count := 0.0, uint64(0)
	for i := range points {
		if tooGreat(points[i].Value, points[i].Count) {
			return math.Inf(1)
		}
		sum += points[i].Value
		count += points[i].Count
	}
	count = max(count, 1)
	if sum-sum == 0 {
		return sum / float64(count)
	}
	var exact iot.Sum
	for i := range points {
		exact.Add(points[i].Value)
	}
	return exact.Over(int64(count))
}

// stepOfLast counts the values beyond the limit among the latest ones. It remembers one point: Value is how many there were, at most c.Last, and
// the bits of Count are which of them were beyond it, the latest in the lowest bit.
func stepOfLast(c *iot.Condition, memory []iot.ConditionPoint, reading iot.ConditionPoint) (judgement, []iot.ConditionPoint) {
	if len(memory) == 0 {
		memory = append(memory, iot.ConditionPoint{})
	}
	p := &memory[0]
	seen := min(int(max(p.Value, 0)), c.Last-1) + 1 // Another version of the rule may have judged more.
	mask := ^uint64(0) >> (iot.MaxConditionLast - c.Last)
	*p = iot.ConditionPoint{At: reading.At, Value: float64(seen), Count: (p.Count<<1 | beyond(c, reading.Value)) & mask}
	value := float64(bits.OnesCount64(p.Count))
	if seen < c.Last {
		return judgement{Verdict: Between, value: value}, memory[:1]
	}
	return judgement{Verdict: judgeStatistic(c, value), value: value}, memory[:1]
}

// addToSum adds a value to the sum of count others. A sum that is too great for a number is the greatest one and stays so, see tooGreat: what is not a number could
// not be stored.
func addToSum(sum, value float64, count uint64) float64 {
	if tooGreat(sum, count) {
		return sum
	}
	return max(-math.MaxFloat64, min(sum+value, math.MaxFloat64))
}

// tooGreat reports whether a sum of count values was too great for a number.
func tooGreat(sum float64, count uint64) bool { return count > 1 && math.Abs(sum) == math.MaxFloat64 }

// beyond returns 1 for a value beyond the limit of the condition, and otherwise 0.
func beyond(c *iot.Condition, value float64) uint64 {
	if c.Below && value < c.Limit || !c.Below && value > c.Limit {
		return 1
	}
	return 0
}

// judgeStatistic returns the verdict on a statistic.
func judgeStatistic(c *iot.Condition, value float64) Verdict {
	if !c.Counts() {
		return judge(c, value)
	}
	switch {
	case value > c.Threshold:
		return Violated
	case value <= c.Threshold-c.Hysteresis:
		return Safe
	default:
		return Between
	}
}
