package iot

import (
	"math"
	"strings"
)

// Level is one of the limits of a condition of the kind LevelLimits.
type Level struct {
	// On means that the condition has the limit.
	On bool
	// Limit is in the type's unit.
	Limit float64
	// Severity is that of the level's alerts, empty for that of the rule.
	Severity Severity
}

// Levels are the limits of a condition of the kind LevelLimits, the lowest first: see LevelNames. Values below the first two violate them, and
// values above the others.
type Levels [4]Level

// LevelNames are the names of Levels, as they end the names of alerts.
var LevelNames = [len(Levels{})]string{"low_low", "low", "high", "high_high"}

// lowLevels is how many of Levels are violated by values below them.
const lowLevels = 2

// count returns how many of them the condition has.
func (l *Levels) count() (n int) {
	for i := range l {
		if l[i].On {
			n++
		}
	}
	return n
}

// normalize checks the levels with the deadband of their condition. Those that the condition has must grow, and an alert must be able to clear before
// the value is beyond a limit on the other side.
func (l *Levels) normalize(deadband float64) error {
	if l.count() == 0 {
		return Invalid("levels", "missing: at least one of %s", strings.Join(LevelNames[:], ", "))
	}
	before, low, high := -1, math.Inf(-1), math.Inf(1)
	for i := range l {
		level, field := &l[i], "levels."+LevelNames[i]
		if !level.On {
			*level = Level{}
			continue
		}
		if math.IsNaN(level.Limit) || math.IsInf(level.Limit, 0) {
			return Invalid(field, "not a finite number (got %v)", level.Limit)
		}
		unsignZero(&level.Limit)
		if level.Severity != "" && level.Severity.Rank() < 0 {
			return Invalid(field, "severity: must be info, warning or critical (got %s)", Quote(string(level.Severity)))
		}
		if before >= 0 && level.Limit <= l[before].Limit {
			return Invalid(field, "must be more than %s, which is %v (got %v)", LevelNames[before], l[before].Limit, level.Limit)
		}
		before = i
		if i < lowLevels {
			low = level.Limit
		} else {
			high = min(high, level.Limit)
		}
	}
	if deadband >= high-low {
		return Invalid("hysteresis", "must be less than what is between the low and the high levels, %v (got %v)", high-low, deadband)
	}
	return nil
}

// IsLevel reports whether the name is that of an alert of a level.
func IsLevel(name string) bool {
	for _, level := range LevelNames {
		if strings.HasSuffix(name, "."+level) {
			return true
		}
	}
	return false
}

// RuleOfAlert returns the rule as people know it, by the Alert.Rule of its alerts, or of those about its failing: of a level, that of all levels.
func RuleOfAlert(alertRule string) string {
	name, _ := FailedRuleOf(alertRule)
	if IsLevel(name) {
		return name[:strings.LastIndexByte(name, '.')]
	}
	return name
}

// Parts returns the rules of which the rule is made: itself or, for the kind LevelLimits, a threshold for each level, named as the rule, a dot and the
// level. The alerts of all levels that a value violates are open, so that none hides another.
func (r *Rule) Parts() []Rule {
	if r.Kind != LevelLimits {
		return []Rule{*r}
	}
	var parts []Rule
	for i, level := range r.Levels {
		if !level.On {
			continue
		}
		part := *r
		part.Name += "." + LevelNames[i]
		part.Condition = Condition{Below: i < lowLevels, Threshold: level.Limit, Hysteresis: r.Hysteresis}
		if level.Severity != "" {
			part.Severity = level.Severity
		}
		parts = append(parts, part)
	}
	return parts
}

// CountParts returns the length of Parts.
func (c *Condition) CountParts() int {
	if c.Kind != LevelLimits {
		return 1
	}
	return c.Levels.count()
}
