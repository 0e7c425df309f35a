package iot

import (
	"reflect"
	"strings"
	"time"
)

// RuleEntry is one rule as people or the configuration have decided it: the value of a record of KindRule, always whole.
// Every partition gets such a record.
type RuleEntry struct {
	// Version orders the entries of a rule, from 1 to MaxVersion: an entry is in force until one with a higher version follows.
	Version int64
	// Deleted means that the rule of that name does not exist any more; the rest of Rule is zero then.
	Deleted bool
	// Provisioned means that the entry comes from the configuration. Its version is the revision of the configured rules.
	Provisioned bool
	Rule        Rule
}

// MaxRuleDelay is the maximum of Rule.For and Rule.ClearFor.
const MaxRuleDelay = 31 * 24 * time.Hour

// Normalize checks the entry and puts its texts into canonical form. Rule.Version becomes the entry's. It does not know which
// device types there are. The error is an *InvalidError.
func (e *RuleEntry) Normalize() error {
	if err := normalizeVersion(e.Version); err != nil {
		return err
	}
	r := &e.Rule
	if err := normalizeKey("alert_type", &r.Name, MaxRuleName); err != nil {
		return err
	}
	if e.Deleted {
		if !reflect.DeepEqual(*r, Rule{Name: r.Name}) {
			return Invalid("deleted", "must be alone")
		}
		return nil
	}
	if IsLevel(r.Name) {
		return Invalid("alert_type", "must not end as the alerts of levels do (got %s)", Quote(r.Name))
	}
	if _, failed := FailedRuleOf(r.Name); failed {
		return Invalid("alert_type", "must not end as the alerts of rules that fail do (got %s)", Quote(r.Name))
	}
	r.Version = e.Version
	if err := r.Selector.normalize(); err != nil {
		return err
	}
	if r.Severity.Rank() < 0 {
		return Invalid("severity", "must be info, warning or critical (got %s)", Quote(string(r.Severity)))
	}
	if err := r.normalizeTexts(); err != nil {
		return err
	}
	if r.DecidedBy != "" {
		if err := normalizeKey("decided_by", &r.DecidedBy, MaxCommandID); err != nil {
			return err
		}
	}
	if err := r.normalizeExcept(); err != nil {
		return err
	}
	if err := r.normalizeMaintenance(); err != nil {
		return err
	}
	return normalizeRuleNumbers(r)
}

func (r *Rule) normalizeTexts() error {
	for _, text := range []struct {
		field string
		value *string
	}{{"text", &r.Text}, {"text_en", &r.TextEN}, {"procedure", &r.Procedure}} {
		if err := normalizeText(text.field, text.value, MaxRuleText); err != nil {
			return err
		}
	}
	if r.Procedure == "" {
		return nil
	}
	// Pages make a link of it, so nothing that a browser would run.
	if !strings.HasPrefix(r.Procedure, "http://") && !strings.HasPrefix(r.Procedure, "https://") {
		return Invalid("procedure", "must be an address that begins with http:// or https:// (got %s)", Quote(r.Procedure))
	}
	return nil
}

func (r *Rule) normalizeExcept() error {
	if len(r.Except) > MaxRuleExcept {
		return Invalid("except", "more than %d (got %d)", MaxRuleExcept, len(r.Except))
	}
	if len(r.Except) == 0 {
		r.Except = nil
	}
	devices := len(r.Devices)
	for i := range r.Except {
		s := &r.Except[i]
		if err := s.normalize(); err != nil {
			return err
		}
		if devices += len(s.Devices); devices > MaxRuleDevices {
			return Invalid("except", "more than %d devices in the whole rule", MaxRuleDevices)
		}
		if s.Tenant != "" || s.Type != "" || s.Area == "" && s.Labels == nil && s.Devices == nil {
			return Invalid("except", "must have an area, labels or devices, and nothing else")
		}
	}
	return nil
}

// Level returns the level of the record that holds the entry.
func (e *RuleEntry) Level() uint8 {
	r := &e.Rule
	switch r.Kind {
	case Expression:
		// Not more exact than that: only package expression knows what is a call. A rule for which that is too high waits for the end of an upgrade in vain.
		if strings.Contains(r.Expression, "point") {
			return RuleLevelPoints
		}
		return RuleLevelStatistics
	case Deviation:
		return RuleLevelDeviation
	case Threshold, Rise, Fall, Stuck:
	default:
		return RuleLevelStatistics
	}
	if r.Latch || r.Disabled || r.TextEN != "" || r.Procedure != "" || len(r.Except) > 0 {
		return RuleLevelStatistics
	}
	return RuleLevelPlain
}

// The levels of rules; see RecordKind.
const (
	// RuleLevelPlain is that of thresholds and changes, with nothing that came later.
	RuleLevelPlain = 1
	// RuleLevelStatistics adds conditions about statistics, latching, disabled rules, exceptions, a second language and procedures.
	RuleLevelStatistics = 2
	// RuleLevelDeviation adds conditions about the deviation from a median.
	RuleLevelDeviation = 3
	// RuleLevelPoints adds expressions of other points of the same machine.
	RuleLevelPoints = 4
)

// normalize checks the selector and puts its texts into canonical form; empty lists and maps become nil.
func (s *Selector) normalize() error {
	if s.Tenant != "" {
		if err := normalizeKey("tenant", (*string)(&s.Tenant), MaxTenant); err != nil {
			return err
		}
	}
	if err := s.Area.normalize("area"); err != nil {
		return err
	}
	if s.Type != "" {
		if err := normalizeKey("device_type", (*string)(&s.Type), DefaultMaxText); err != nil {
			return err
		}
	}
	if len(s.Devices) > MaxRuleDevices {
		return Invalid("devices", "more than %d (got %d)", MaxRuleDevices, len(s.Devices))
	}
	if len(s.Devices) == 0 {
		s.Devices = nil
	}
	for i := range s.Devices {
		if err := normalizeID(&s.Devices[i]); err != nil {
			return err
		}
	}
	return normalizeLabels(&s.Labels)
}

func normalizeRuleNumbers(r *Rule) error {
	if err := r.Condition.Normalize(); err != nil {
		return err
	}
	for _, delay := range []struct {
		field string
		value *time.Duration
	}{{"for", &r.For}, {"clear_for", &r.ClearFor}} {
		*delay.value = delay.value.Truncate(time.Microsecond)
		if *delay.value < 0 || *delay.value > MaxRuleDelay {
			return Invalid(delay.field, "must be between 0 and %v (got %v)", Lasting(MaxRuleDelay), Lasting(*delay.value))
		}
	}
	if longest := MaxRuleName - len(".high_high"); r.Kind == LevelLimits && len(r.Name) > longest {
		return Invalid("alert_type", "longer than %d bytes, with the names of the levels behind it (got %s)", longest, Quote(r.Name))
	}
	if r.Kind == NoData && r.For != 0 {
		return Invalid("for", "no_data has none, its delay is within (got %v)", Lasting(r.For))
	}
	return nil
}
