package iot

import (
	"math"
	"time"
)

// RuleOffline is the name of the rule that a silent or offline device violates. It has no condition.
const RuleOffline = "device_offline"

// RuleClock is the rule name of the event that reports a device whose clock was set back: a single, already cleared event
// whose value is the step in seconds. It is built in and cannot be configured.
const RuleClock = "device_clock_step"

// MaxRules is the maximum number of rules that may select devices of one type. With it the state of a device that violates
// all of them, live and in a backlog, still fits into one Kafka record.
const MaxRules = 100

const (
	// MaxRuleDevices is the maximum length of Selector.Devices.
	MaxRuleDevices = 1000
	// MaxRuleText is the maximum length of Rule.Text in bytes.
	MaxRuleText = 256
)

// Rule says which devices raise an alert, and when.
type Rule struct {
	// Name is the alert's type on the wire, such as "temperature_high"; unique among the rules.
	Name string
	// Version grows with each change of the rule. It is 0 for a rule of the configuration.
	Version int64
	Selector
	Condition
	// For is how long, in event time, values must violate before the alert is raised; ClearFor how long they must be safe
	// before it clears. Zero means at once.
	For, ClearFor time.Duration
	Severity      Severity
	// Text is the message of the rule's alerts. If it is empty, the message states the value and the threshold.
	Text string
}

// Selector says which devices a rule watches: those that match all of its fields. An empty field matches every device, so
// the zero Selector selects all of them.
type Selector struct {
	Tenant Tenant
	// Area selects the devices of the area and of all areas below it.
	Area Area
	Type DeviceType
	// Labels are the labels that a device must have; it may have others.
	Labels map[string]string
	// Devices lists ids, at most MaxRuleDevices.
	Devices []DeviceID
}

// ConditionKind is what a condition judges.
type ConditionKind string

// The kinds of conditions. Their names are part of the stored states.
const (
	// Threshold is violated by a value beyond the threshold.
	Threshold ConditionKind = ""
	// Rise is violated by a value that exceeds the lowest value of the time Within before it by more than Threshold, Fall by one
	// that is lower than the highest by more than Threshold. The precision of Within is a tenth of it: see ChangeSlots.
	Rise ConditionKind = "rise"
	Fall ConditionKind = "fall"
	// Stuck is violated by a value that has differed by no more than Threshold from an earlier one for Within.
	Stuck ConditionKind = "stuck"
)

// ChangeSlots is the number of slots into which Rise and Fall divide the time Within. They remember one value per slot, so a
// value counts for a time between nine tenths of Within and all of it.
const ChangeSlots = 10

// MaxConditionPoints is the maximum length of ConditionState.Points.
const MaxConditionPoints = ChangeSlots

// Condition is what readings violate. Its fields mean what Kind says.
type Condition struct {
	Kind ConditionKind
	// Below inverts a Threshold: a value under it violates the rule.
	Below bool
	// Threshold is in the type's unit. A value, or a change, equal to the threshold does not violate a Threshold, Rise or Fall.
	Threshold float64
	// Hysteresis is how far on the safe side of Threshold a value, or a change, must lie before the alert clears; not negative.
	// Stuck has none.
	Hysteresis float64
	// Within is at least MinWithin for Rise, Fall and Stuck, and 0 for Threshold.
	Within time.Duration
}

// MinWithin and MaxWithin limit Condition.Within.
const (
	MinWithin = time.Second
	MaxWithin = 31 * 24 * time.Hour
)

// Normalize checks the condition and puts its numbers into canonical form. The error is an *InvalidError.
func (c *Condition) Normalize() error {
	for _, number := range []struct {
		field string
		value *float64
	}{{"threshold", &c.Threshold}, {"hysteresis", &c.Hysteresis}} {
		if math.IsNaN(*number.value) || math.IsInf(*number.value, 0) {
			return Invalid(number.field, "not a finite number (got %v)", *number.value)
		}
		unsignZero(number.value)
	}
	if c.Hysteresis < 0 {
		return Invalid("hysteresis", "must not be negative (got %v)", c.Hysteresis)
	}
	c.Within = c.Within.Truncate(time.Microsecond)
	switch c.Kind {
	case Threshold:
		if c.Within != 0 {
			return Invalid("within", "a threshold has none (got %v)", c.Within)
		}
		return nil
	case Rise, Fall:
		if c.Threshold <= 0 || c.Hysteresis > c.Threshold {
			return Invalid("threshold", "must be positive and not less than the hysteresis (got %v and %v)", c.Threshold, c.Hysteresis)
		}
	case Stuck:
		if c.Threshold < 0 || c.Hysteresis != 0 {
			return Invalid("threshold", "must not be negative, without a hysteresis (got %v and %v)", c.Threshold, c.Hysteresis)
		}
	default:
		return Invalid("kind", "unknown condition (got %s)", Quote(string(c.Kind)))
	}
	if c.Below {
		return Invalid("below", "only a threshold has it")
	}
	if c.Within < MinWithin || c.Within > MaxWithin {
		return Invalid("within", "must be between %v and %v (got %v)", MinWithin, MaxWithin, c.Within)
	}
	return nil
}

// Violated reports whether the value violates the threshold.
func (c *Condition) Violated(value float64) bool {
	if c.Below {
		return value < c.Threshold
	}
	return value > c.Threshold
}

// Safe reports whether the value lies far enough on the safe side to clear the alert. Between Violated and Safe nothing
// changes.
func (c *Condition) Safe(value float64) bool {
	if c.Below {
		return value >= c.Threshold+c.Hysteresis
	}
	return value <= c.Threshold-c.Hysteresis
}

// BuiltinRules returns the built-in rules. The configuration sets their thresholds and which of them are on.
func BuiltinRules() []Rule {
	return []Rule{
		builtin("temperature_high", Temperature, Warning, 0.5),
		builtin("humidity_high", Humidity, Warning, 2),
		builtin("pressure_high", Pressure, Warning, 2),
		builtin("temperature_critical", Temperature, Critical, 0.5),
		{Name: RuleOffline, Severity: Warning},
	}
}

func builtin(name string, t DeviceType, severity Severity, hysteresis float64) Rule {
	return Rule{Name: name, Selector: Selector{Type: t}, Condition: Condition{Hysteresis: hysteresis}, Severity: severity}
}
