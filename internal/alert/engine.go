// Package alert decides when a device raises an alert and when the alert clears. It is pure: the caller keeps the state,
// time is the reading's timestamp, and the ids of alerts derive from rule, device and onset.
//
// A rule selects devices, and its condition judges their readings one after another: a condition is a step from a memory
// and a reading to a verdict and a memory of limited size. What is made of the verdicts, with delays, is the same for every
// condition.
package alert

import (
	"errors"
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
	// deviates is what Deviates returns.
	deviates bool

	// references is what JudgeBy has set, nil for nothing.
	references References
	// points is what JudgeByPoints has set, nil for nothing.
	points Points

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

// RuleError is why a rule cannot be evaluated, or not together with the others. Err is an *iot.InvalidError if it is about a field.
type RuleError struct {
	Rule string
	Err  error
}

func (e *RuleError) Error() string { return fmt.Sprintf("rule %q: %v", e.Rule, e.Err) }

// Unwrap returns the reason.
func (e *RuleError) Unwrap() error { return e.Err }

// New returns an engine for the rules, whose types must be in the catalog and whose names must be unique. The error joins a *RuleError for each rule that
// is wrong or, in the order given, too many.
func New(rules []iot.Rule, catalog *iot.Catalog) (*Engine, error) {
	e := &Engine{
		byType: make(map[iot.DeviceType]*typeRules), sets: make(map[string]*Set), programs: make(map[string]*expression.Program),
	}
	for _, t := range catalog.Types() {
		e.byType[t] = &typeRules{typ: t, label: namesOf(catalog.Spec(t))}
	}
	seen := make(map[string]bool)
	var wrong []error
	for _, rule := range rules {
		err := e.add(&rule, catalog)
		if seen[rule.Name] {
			err = errors.New("given twice")
		}
		seen[rule.Name] = true
		if err != nil {
			wrong = append(wrong, &RuleError{rule.Name, err})
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	for _, of := range e.byType {
		of.compilePlain(e)
	}
	return e, nil
}

// add adds a rule.
func (e *Engine) add(rule *iot.Rule, catalog *iot.Catalog) error {
	if rule.Kind == iot.Maintenance {
		return errors.New("raises nothing")
	}
	if err := check(rule, catalog); err != nil {
		return err
	}
	if rule.Kind == iot.Expression {
		program, err := compileExpression(&rule.Condition)
		if err != nil {
			return err
		}
		e.programs[rule.Name] = program
	}
	if rule.Name == iot.RuleOffline {
		if !rule.Disabled {
			e.offline = rule
		}
		return nil
	}
	for _, t := range catalog.Types() {
		if rule.Type != "" && rule.Type != t {
			continue
		}
		of := e.byType[t]
		if have := len(of.rules); have+rule.CountParts() > iot.MaxRules {
			return iot.Invalid("device_type", "%s already has %d rules, the maximum is %d", t, have, iot.MaxRules)
		}
		of.rules = append(of.rules, rule.Parts()...)
	}
	e.deviates = e.deviates || rule.Kind == iot.Deviation && !rule.Disabled
	e.watchesSilence = e.watchesSilence || rule.Kind == iot.NoData && !rule.Disabled
	return nil
}

// CheckRule returns why a rule cannot be evaluated, whatever other rules there are; an *iot.InvalidError if it is about a field.
func CheckRule(rule *iot.Rule, catalog *iot.Catalog) error {
	if err := check(rule, catalog); err != nil {
		return err
	}
	return CheckExpression(&rule.Condition)
}

// UnknownType is the error of a rule for a device type that there is not.
func UnknownType(t iot.DeviceType) error {
	return iot.Invalid("device_type", "unknown device type %q", t)
}

// check returns an error if the rule cannot be evaluated.
func check(rule *iot.Rule, catalog *iot.Catalog) error {
	switch {
	case rule.Name == "":
		return iot.Invalid("alert_type", "missing")
	case rule.Severity.Rank() < 0:
		return iot.Invalid("severity", "must be info, warning or critical (got %q)", rule.Severity)
	case rule.For < 0 || rule.ClearFor < 0:
		return iot.Invalid("for", "durations must not be negative (got %v and %v)", iot.Lasting(rule.For), iot.Lasting(rule.ClearFor))
	case len(rule.Text) > iot.MaxRuleText, len(rule.TextEN) > iot.MaxRuleText:
		return iot.Invalid("text", "longer than %d bytes (got %d)", iot.MaxRuleText, max(len(rule.Text), len(rule.TextEN)))
	case rule.Name == iot.RuleOffline:
		return nil
	case rule.Type == "" && rule.SelectsType():
		return iot.Invalid("device_type", "missing: only a value that does not change means the same for every type")
	case rule.Type != "" && catalog.Spec(rule.Type) == nil:
		return UnknownType(rule.Type)
	}
	return rule.Condition.Normalize()
}
