package iot

import (
	"reflect"
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
	r.Version = e.Version
	if err := r.Selector.normalize(); err != nil {
		return err
	}
	if r.Severity.Rank() < 0 {
		return Invalid("severity", "must be info, warning or critical (got %s)", Quote(string(r.Severity)))
	}
	if err := normalizeText("text", &r.Text, MaxRuleText); err != nil {
		return err
	}
	return normalizeRuleNumbers(r)
}

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
			return Invalid(delay.field, "must be between 0 and %v (got %v)", MaxRuleDelay, *delay.value)
		}
	}
	return nil
}
