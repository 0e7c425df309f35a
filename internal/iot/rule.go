package iot

import (
	"math"
	"time"
	"unicode/utf8"
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
	// MaxRuleDevices is the maximum number of devices in a rule, in all of its selectors.
	MaxRuleDevices = 1000
	// MaxRuleText is the maximum length of Rule.Text, Rule.TextEN and Rule.Procedure in bytes.
	MaxRuleText = 256
	// MaxRuleExcept is the maximum length of Rule.Except.
	MaxRuleExcept = 16
)

// Rule says which devices raise an alert, and when.
type Rule struct {
	// Name is the alert's type on the wire, such as "temperature_high"; unique among the rules.
	Name string
	// Version grows with each change of the rule. It is 0 for a rule of the configuration.
	Version int64
	Selector
	// Except lists what the rule does not watch of what its Selector selects. None of them is empty, or has a tenant or a type.
	Except []Selector
	Condition
	// For is how long, in event time, values must violate before the alert is raised; ClearFor how long they must be safe
	// before it clears. Zero means at once.
	For, ClearFor time.Duration
	Severity      Severity
	// Latch keeps an alert open when its condition has returned to normal, until somebody has acknowledged and then reset it.
	Latch bool
	// Text is the message of the rule's alerts in Chinese, TextEN the one in English; see package alert for the placeholders in them. If
	// one of them is empty, the other holds for both languages; if both are, the message states the value and the threshold. Of a rule of the kind
	// Maintenance Text is the reason.
	Text, TextEN string
	// Procedure is the address of a page that says what to do, empty for none.
	Procedure string
	// Disabled means that the rule watches no device until somebody enables it again.
	Disabled bool
	// Schedule is when a rule of the kind Maintenance holds; nil for any other.
	Schedule *Schedule
	// DecidedBy is the opaque id of the person who has decided last about a rule of the kind Maintenance. It decides nothing: it is empty where a program of
	// a version without it has decided or stored the rule, and two rules that differ in it alone say the same.
	DecidedBy string
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
	// Average, Maximum and Minimum are violated if that statistic of the values of the time Within is beyond the threshold, as a value
	// is for a Threshold. They judge once readings span that time; see ChangeSlots.
	Average ConditionKind = "average"
	Maximum ConditionKind = "maximum"
	Minimum ConditionKind = "minimum"
	// Count is violated if more than Threshold of the values of the time Within are beyond Limit, Fraction if more than that part of them
	// is, a number between 0 and 1. OfLast is violated if more than Threshold of the latest Last values are beyond Limit.
	Count    ConditionKind = "count"
	Fraction ConditionKind = "fraction"
	OfLast   ConditionKind = "of_last"
	// NoData is violated once the device has sent nothing for Within, by the log's clock. What it has sent clears the alert, at once or after
	// sending for ClearFor; an old reading of a backlog does not. It has no For: its delay is Within.
	NoData ConditionKind = "no_data"
	// Deviation is violated by a value that differs from the median of the newest values of the device's Peers, which includes its own, by more than
	// Threshold. It judges nothing while no Reference is in force, nor readings of the past: the medians of then are not known.
	Deviation ConditionKind = "deviation"
	// LevelLimits is violated by a value beyond one of the Levels. Each of them has alerts of its own; see Rule.Parts.
	LevelLimits ConditionKind = "levels"
	// Maintenance judges no readings and raises nothing: while its Schedule holds by the log's clock, alerts of the devices that it selects are
	// suppressed by design.
	Maintenance ConditionKind = "maintenance"
	// Expression is violated if the Expression is true; see package expression. Its statistics are of the time Within, which it has if it
	// uses any: it then judges once readings span that time.
	Expression ConditionKind = "expression"
)

// ChangeSlots is the number of slots into which conditions divide the time Within. They remember one point per slot, so a
// value counts for a time between nine tenths of Within and all of it.
const ChangeSlots = 10

// MaxConditionPoints is the maximum length of ConditionState.Points: one per slot, one from before them, which says that readings span
// the time, and for Expression the latest reading.
const MaxConditionPoints = ChangeSlots + 2

// MaxConditionLast is the maximum of Condition.Last.
const MaxConditionLast = 64

// Condition is what readings violate. Its fields mean what Kind says.
type Condition struct {
	Kind ConditionKind
	// Below inverts a Threshold, a statistic, and what counts as beyond Limit: a value under it violates the rule, or counts.
	Below bool
	// Threshold is in the type's unit, unless values are counted. A value, or a change, equal to the threshold violates nothing but Stuck.
	Threshold float64
	// Hysteresis is how far on the safe side of Threshold a value, or a change, must lie before the alert clears; not negative.
	// Stuck has none.
	Hysteresis float64
	// Within is at least MinWithin, or MinNoData; 0 for Threshold, OfLast, Deviation and LevelLimits.
	Within time.Duration
	// Limit is what Count, Fraction and OfLast compare values with, in the type's unit.
	Limit float64
	// Last is the number of readings that OfLast judges, at most MaxConditionLast.
	Last int
	// Levels are the limits of LevelLimits, with Hysteresis for all of them.
	Levels Levels
	// Expression is that of the kind Expression, at most MaxExpression bytes. In it threshold is Threshold.
	Expression string
}

// MaxExpression is the maximum length of Condition.Expression in bytes.
const MaxExpression = 1000

// MinWithin and MaxWithin limit Condition.Within.
const (
	MinWithin = time.Second
	MaxWithin = 31 * 24 * time.Hour
	// MinNoData is the minimum of Within of NoData: less would be shorter than the way to the log may take.
	MinNoData = 10 * time.Second
)

// Normalize checks the condition and puts its numbers into canonical form. The error is an *InvalidError.
func (c *Condition) Normalize() error {
	for _, number := range []struct {
		field string
		value *float64
	}{{"threshold", &c.Threshold}, {"hysteresis", &c.Hysteresis}, {"limit", &c.Limit}} {
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
	case Threshold, OfLast, Deviation, LevelLimits, Maintenance:
		if c.Within != 0 {
			return Invalid("within", "%s has none (got %v)", c.Kind.describe(), Lasting(c.Within))
		}
	case Rise, Fall, Stuck, Average, Maximum, Minimum, Count, Fraction, NoData:
		least := MinWithin
		if c.Kind == NoData {
			least = MinNoData
		}
		if c.Within < least || c.Within > MaxWithin {
			return Invalid("within", "must be between %v and %v (got %v)", Lasting(least), Lasting(MaxWithin), Lasting(c.Within))
		}
	case Expression:
		if c.Within != 0 && (c.Within < MinWithin || c.Within > MaxWithin) {
			return Invalid("within", "must be 0, or between %v and %v (got %v)", Lasting(MinWithin), Lasting(MaxWithin), Lasting(c.Within))
		}
	default:
		return Invalid("kind", "unknown condition (got %s)", Quote(string(c.Kind)))
	}
	return c.normalizeKind()
}

// describe returns the kind as texts name it.
func (k ConditionKind) describe() string {
	if k == Threshold {
		return "a threshold"
	}
	return string(k)
}

// normalizeKind checks what the kinds require of the numbers.
func (c *Condition) normalizeKind() error {
	if !c.Counts() && c.Limit != 0 {
		return Invalid("limit", "%s counts nothing (got %v)", c.Kind.describe(), c.Limit)
	}
	if c.Kind != OfLast && c.Last != 0 {
		return Invalid("last", "only of_last has it (got %d)", c.Last)
	}
	if c.Kind != LevelLimits && c.Levels.count() > 0 {
		return Invalid("levels", "%s has none", c.Kind.describe())
	}
	if c.Kind != Expression && c.Expression != "" {
		return Invalid("expression", "%s has none", c.Kind.describe())
	}
	switch c.Kind {
	case Count, Fraction, OfLast:
		return c.normalizeCount()
	case Rise, Fall, Deviation:
		if c.Threshold <= 0 || c.Hysteresis > c.Threshold {
			return Invalid("threshold", "must be positive and not less than the hysteresis (got %v and %v)", c.Threshold, c.Hysteresis)
		}
	case Stuck:
		if c.Threshold < 0 || c.Hysteresis != 0 {
			return Invalid("threshold", "must not be negative, without a hysteresis (got %v and %v)", c.Threshold, c.Hysteresis)
		}
	case NoData:
		if c.Threshold != 0 || c.Hysteresis != 0 {
			return Invalid("threshold", "no_data judges no values (got %v and a hysteresis of %v)", c.Threshold, c.Hysteresis)
		}
	case Expression:
		if c.Hysteresis != 0 {
			return Invalid("hysteresis", "an expression has none (got %v)", c.Hysteresis)
		}
		if err := checkExpression(c.Expression); err != nil {
			return err
		}
	case LevelLimits:
		if c.Threshold != 0 {
			return Invalid("threshold", "the thresholds of levels are in levels (got %v)", c.Threshold)
		}
		if err := c.Levels.normalize(c.Hysteresis); err != nil {
			return err
		}
	default:
		return nil
	}
	if c.Below {
		return Invalid("below", "only a threshold, or what is judged by one, has it")
	}
	return nil
}

// normalizeCount checks a condition that counts values.
func (c *Condition) normalizeCount() error {
	switch {
	case c.Threshold < 0 || c.Hysteresis > c.Threshold:
		return Invalid("threshold", "must not be negative or less than the hysteresis (got %v and %v)", c.Threshold, c.Hysteresis)
	case c.Kind == Fraction && c.Threshold >= 1:
		return Invalid("threshold", "must be less than 1, which is all values (got %v)", c.Threshold)
	case c.Kind != OfLast:
		return nil
	case c.Last < 1 || c.Last > MaxConditionLast:
		return Invalid("last", "must be between 1 and %d (got %d)", MaxConditionLast, c.Last)
	case c.Threshold >= float64(c.Last):
		return Invalid("threshold", "must be less than last, which is %d (got %v)", c.Last, c.Threshold)
	}
	return nil
}

// checkExpression checks the text of an expression, not what it means.
func checkExpression(text string) error {
	if text == "" {
		return Invalid("expression", "missing")
	}
	if err := checkSize("expression", text, MaxExpression); err != nil {
		return err
	}
	if !utf8.ValidString(text) {
		return Invalid("expression", "not valid UTF-8 (got %s)", Quote(text))
	}
	for _, r := range text {
		if kind := unfit(r); kind != "" && r != '\n' && r != '\t' {
			return Invalid("expression", "contains %s, %U (got %s)", kind, r, Quote(text))
		}
	}
	return nil
}

// Counts reports whether the condition counts values beyond its Limit, so that its Threshold is not in the type's unit.
func (c *Condition) Counts() bool { return c.Kind == Count || c.Kind == Fraction || c.Kind == OfLast }

// CompareWith reports whether a condition of the kind must say with what it compares: 0 is as good a threshold or limit as any other, so one that is left out
// is not 0. Stuck may leave its threshold out, which means no change at all, and so may Expression, which need not name it.
func (k ConditionKind) CompareWith() (threshold, limit bool) {
	switch k {
	case Count, Fraction, OfLast:
		return true, true
	case Threshold, Rise, Fall, Average, Maximum, Minimum, Deviation:
		return true, false
	default:
		return false, false
	}
}

// CheckGiven checks that what a condition of the kind compares with is given; nil is not. The error is an *InvalidError.
func (k ConditionKind) CheckGiven(threshold, limit *float64) error {
	needsThreshold, needsLimit := k.CompareWith()
	for _, number := range []struct {
		field string
		needs bool
		given *float64
	}{{"threshold", needsThreshold, threshold}, {"limit", needsLimit, limit}} {
		if number.needs && number.given == nil {
			return Invalid(number.field, "missing: give the number, also if it is 0")
		}
	}
	return nil
}

// JudgesBelow reports whether what is judged violates the rule when it is under the threshold.
func (c *Condition) JudgesBelow() bool { return c.Below && !c.Counts() }

// SelectsType reports whether a rule with the condition must select a device type: values of different types do not compare.
func (c *Condition) SelectsType() bool {
	return c.Kind != Stuck && c.Kind != NoData && c.Kind != Expression && c.Kind != Maintenance
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
