// Package alert decides when a device raises an alert and when the alert clears. It is pure: the caller keeps the state,
// time is the reading's timestamp, and the ids of alerts derive from rule, device and onset.
//
// A rule selects devices, and its condition judges their readings one after another: a condition is a step from a memory
// and a reading to a verdict and a memory of limited size. What is made of the verdicts, with delays, is the same for every
// condition.
package alert

import (
	"fmt"
	"sync"

	"iotmon/internal/expression"
	"iotmon/internal/iot"
)

// Engine holds the rules. They do not change after New. It may be shared and used concurrently.
type Engine struct {
	// byType holds the rules that may select devices of a type, in the order given, each by its parts: see iot.Rule.Parts. Those that are disabled
	// are among them, so that enabling one never exceeds iot.MaxRules, but watch nothing.
	byType map[iot.DeviceType]*typeRules
	// offline is the rule for silent devices, nil for none.
	offline *iot.Rule
	// watchesSilence means that a rule is of the kind NoData.
	watchesSilence bool

	// programs holds the expressions by the names of their rules.
	programs map[string]*expression.Program

	mu sync.Mutex
	// sets holds the sets that Select has compiled, by the rules in them, so that devices share them.
	sets map[string]*Set
}

// typeRules are the rules for devices of one type.
type typeRules struct {
	typ   iot.DeviceType
	label names
	rules []iot.Rule
	// plain is the set of a device that is not registered, nil if that depends on its id or its location.
	plain *Set
	// byLocation means that a rule selects an area, which may be that of a reading's location.
	byLocation bool
}

// Output receives what the engine decides.
type Output interface {
	// Alert receives an event. The engine keeps a pointer to a raised event, so what Alert changes in it stays.
	Alert(*iot.Alert)
	// Failed is called for each reading that a rule could not judge, because its condition has panicked or its expression has failed.
	Failed(device iot.Identity, rule, reason string)
}

// New returns an engine for the rules, whose types must be in the catalog and whose names must be unique.
func New(rules []iot.Rule, catalog *iot.Catalog) (*Engine, error) {
	e := &Engine{
		byType: make(map[iot.DeviceType]*typeRules), sets: make(map[string]*Set), programs: make(map[string]*expression.Program),
	}
	for _, t := range catalog.Types() {
		e.byType[t] = &typeRules{typ: t, label: namesOf(catalog.Spec(t))}
	}
	seen := make(map[string]bool)
	for _, rule := range rules {
		if rule.Kind == iot.Maintenance {
			return nil, fmt.Errorf("rule %q raises nothing", rule.Name)
		}
		if err := check(&rule, catalog); err != nil {
			return nil, err
		}
		if seen[rule.Name] {
			return nil, fmt.Errorf("rule %q given twice", rule.Name)
		}
		seen[rule.Name] = true
		if rule.Kind == iot.Expression {
			program, err := compileExpression(&rule.Condition)
			if err != nil {
				return nil, fmt.Errorf("rule %q: %w", rule.Name, err)
			}
			e.programs[rule.Name] = program
		}
		if rule.Name == iot.RuleOffline {
			if !rule.Disabled {
				e.offline = &rule
			}
			continue
		}
		e.watchesSilence = e.watchesSilence || rule.Kind == iot.NoData && !rule.Disabled
		for _, t := range catalog.Types() {
			if rule.Type != "" && rule.Type != t {
				continue
			}
			of := e.byType[t]
			if have := len(of.rules); have+rule.CountParts() > iot.MaxRules {
				return nil, fmt.Errorf("rule %q: %s already has %d rules, the maximum is %d", rule.Name, t, have, iot.MaxRules)
			}
			of.rules = append(of.rules, rule.Parts()...)
		}
	}
	for _, of := range e.byType {
		of.compilePlain(e)
	}
	return e, nil
}

// check returns an error if the rule cannot be evaluated.
func check(rule *iot.Rule, catalog *iot.Catalog) error {
	switch {
	case rule.Name == "":
		return fmt.Errorf("rule for %q has no name", rule.Type)
	case rule.Severity.Rank() < 0:
		return fmt.Errorf("rule %q: severity must be info, warning or critical (got %q)", rule.Name, rule.Severity)
	case rule.For < 0 || rule.ClearFor < 0:
		return fmt.Errorf("rule %q: durations must not be negative (got %v and %v)", rule.Name, rule.For, rule.ClearFor)
	case len(rule.Text) > iot.MaxRuleText, len(rule.TextEN) > iot.MaxRuleText:
		return fmt.Errorf("rule %q: text: longer than %d bytes (got %d)", rule.Name, iot.MaxRuleText, len(rule.Text))
	case rule.Name == iot.RuleOffline:
		return nil
	case rule.Type == "" && rule.SelectsType():
		return fmt.Errorf("rule %q has no device type: only a value that does not change means the same for every type", rule.Name)
	case rule.Type != "" && catalog.Spec(rule.Type) == nil:
		return fmt.Errorf("rule %q: unknown device type %q", rule.Name, rule.Type)
	}
	if err := rule.Condition.Normalize(); err != nil {
		return fmt.Errorf("rule %q: %w", rule.Name, err)
	}
	return nil
}
