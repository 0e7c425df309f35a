package config

import (
	"slices"
	"time"
)

// Off turns off a built-in alert.
const Off = "off"

// Alerts configures the alert rules. The fields before Rules are the built-in rules.
type Alerts struct {
	// The thresholds are in the unit of the device type; nil means off.
	TemperatureHigh     *float64 `koanf:"temperature_high"`
	HumidityHigh        *float64 `koanf:"humidity_high"`
	PressureHigh        *float64 `koanf:"pressure_high"`
	TemperatureCritical *float64 `koanf:"temperature_critical"`
	// DeviceOffline is the severity of a device that falls silent, or Off.
	DeviceOffline string `koanf:"device_offline" null:"off"`
	Rules         []Rule `koanf:"rules"`
	// Revision orders sets of rules: one with a higher revision replaces those in force. 0 means Config.RulesFrom.
	Revision int `koanf:"revision"`
}

// RuleRevision returns the revision of the configured rules: alerts.revision, or else when they were configured, in microseconds
// since 1970.
func (c *Config) RuleRevision() int64 {
	if c.Alerts.Revision != 0 {
		return int64(c.Alerts.Revision)
	}
	return revisionAt(c.RulesFrom)
}

// Rule raises an alert for every device that it selects and whose values violate its condition. Exactly one of Condition and the short
// forms Above, Below, Rise, Fall and Stuck is set.
type Rule struct {
	Name string `koanf:"name"`
	// DeviceType may be empty for a condition that means the same for every type.
	DeviceType string `koanf:"device_type"`
	// Area, Labels and Devices select the devices of the type that the rule watches; absent ones select all.
	Area    string            `koanf:"area"`
	Labels  map[string]string `koanf:"labels"`
	Devices []string          `koanf:"devices"`
	// Except lists what the rule does not watch of that.
	Except   []RuleScope `koanf:"except"`
	Severity string      `koanf:"severity"`
	// Above and Below are thresholds.
	Above *float64 `koanf:"above"`
	Below *float64 `koanf:"below"`
	// Rise and Fall are violated by a value that has changed by more than this within the time Within, Stuck by one that has not changed
	// by more than this for that time.
	Rise   *float64      `koanf:"rise"`
	Fall   *float64      `koanf:"fall"`
	Stuck  *float64      `koanf:"stuck"`
	Within time.Duration `koanf:"within"`
	// Hysteresis is how far on the safe side of the threshold a value must lie before the alert clears.
	Hysteresis float64 `koanf:"hysteresis"`
	// For is how long values must violate before the alert is raised, ClearFor how long they must be safe before it clears.
	For      time.Duration `koanf:"for"`
	ClearFor time.Duration `koanf:"clear_for"`
	// Condition is of any kind.
	Condition *Condition `koanf:"condition"`
	// Latch keeps an alert open until it has been acknowledged and reset.
	Latch bool `koanf:"latch"`
	// Text is the message of the rule's alerts in Chinese, TextEN that in English. If it is empty, the message states the value and the
	// threshold. Procedure is the address of a page that says what to do.
	Text      string `koanf:"text"`
	TextEN    string `koanf:"text_en"`
	Procedure string `koanf:"procedure"`
}

// RuleScope selects devices: those that match all that is given.
type RuleScope struct {
	Area    string            `koanf:"area"`
	Labels  map[string]string `koanf:"labels"`
	Devices []string          `koanf:"devices"`
}

// Condition is a condition of any kind. Its fields are those of the REST API; a threshold or limit that is not given is nil.
type Condition struct {
	Kind       string        `koanf:"kind"`
	Below      bool          `koanf:"below"`
	Threshold  *float64      `koanf:"threshold"`
	Hysteresis float64       `koanf:"hysteresis"`
	Within     time.Duration `koanf:"within"`
	Limit      *float64      `koanf:"limit"`
	Last       int           `koanf:"last"`
	Levels     *Levels       `koanf:"levels"`
	Expression string        `koanf:"expression"`
}

// Levels are the limits of a condition of the kind levels; those that it does not have are nil.
type Levels struct {
	LowLow   *Level `koanf:"low_low"`
	Low      *Level `koanf:"low"`
	High     *Level `koanf:"high"`
	HighHigh *Level `koanf:"high_high"`
}

// All returns the levels, the lowest first; l may be nil.
func (l *Levels) All() (all [4]*Level) {
	if l != nil {
		all = [...]*Level{l.LowLow, l.Low, l.High, l.HighHigh}
	}
	return all
}

// Level is one limit. An empty Severity is that of the rule.
type Level struct {
	Limit    *float64 `koanf:"limit"`
	Severity string   `koanf:"severity"`
}

// parts returns as how many rules the rule counts.
func (r *Rule) parts() (n int) {
	if r.Condition != nil {
		for _, level := range r.Condition.Levels.All() {
			if level != nil {
				n++
			}
		}
	}
	return max(n, 1)
}

// Conditions returns the short forms by key; those that are not set are nil.
func (r *Rule) Conditions() map[string]*float64 {
	return map[string]*float64{"above": r.Above, "below": r.Below, "rise": r.Rise, "fall": r.Fall, "stuck": r.Stuck}
}

// Thresholds returns the thresholds of the built-in rules by rule name, which is also the key; nil for a rule that is off.
func (a *Alerts) Thresholds() map[string]*float64 {
	return map[string]*float64{
		"temperature_high":     a.TemperatureHigh,
		"humidity_high":        a.HumidityHigh,
		"pressure_high":        a.PressureHigh,
		"temperature_critical": a.TemperatureCritical,
	}
}

// offlineRule is the built-in rule without a threshold.
const offlineRule = "device_offline"

// builtin returns the names of the built-in rules that are on.
func (a *Alerts) builtin() []string {
	var names []string
	for name, threshold := range a.Thresholds() {
		if threshold != nil {
			names = append(names, name)
		}
	}
	if a.DeviceOffline != Off {
		names = append(names, offlineRule)
	}
	return names
}

// Builtin are the built-in names of the domain that the configuration may use. They are passed in because this package does
// not import the domain.
type Builtin struct {
	// DeviceTypes are the names of the built-in device types.
	DeviceTypes []string
	// RuleTypes are the device types that the built-in rules are for, by the rules' names.
	RuleTypes map[string]string
	// MaxRules is the maximum number of rules of one device type, MaxRuleDevices that of the devices in one rule, MaxRuleText the maximum
	// length of a rule's text in bytes.
	MaxRules, MaxRuleDevices, MaxRuleText int
	// MinWithin and MaxWithin limit Rule.Within.
	MinWithin, MaxWithin time.Duration
	// CheckRule returns the key within a rule that has an invalid value, and the reason; both are empty if the rule is valid. nil checks
	// nothing.
	CheckRule func(*Rule) (key, reason string)
	// CheckTemplate returns which part of the template of a notification is wrong, title or body, and what it must be; nil checks nothing.
	CheckTemplate func(title, body string) (part, reason string)
	// WholeWeek reports whether valid spans leave no minute of a week out, and which is the first that does so with those before it; nil checks nothing.
	WholeWeek func([]Span) (last int, whole bool)
}

// knownTypes lists the built-in device types and those that the configuration adds.
func (c *Config) knownTypes() []string {
	types := slices.Clone(c.builtin.DeviceTypes)
	for _, t := range c.DeviceTypes {
		types = append(types, t.Name)
	}
	return types
}
