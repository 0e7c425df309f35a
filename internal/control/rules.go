package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"iotmon/internal/iot"
)

// RuleEdit changes one rule.
type RuleEdit struct {
	Name string
	// Maintenance means that the rule is, or becomes, one of the kind iot.Maintenance.
	Maintenance bool
	If          Condition
	// To returns the new entry for the current one, which has only a name and perhaps a version if there is no such rule. Name, version
	// and Provisioned of what it returns are ignored. Its error refuses the edit. It may be called several times.
	To func(current iot.RuleEntry) (iot.RuleEntry, error)
}

// RuleOutcome is what an edit does. If nothing changes, Before and After are equal.
type RuleOutcome struct{ Before, After iot.RuleEntry }

// Changed reports whether the edit changes the rule.
func (o *RuleOutcome) Changed() bool { return o.After.Version != o.Before.Version }

// RuleError is why an edit of a rule was refused: ErrNoVersion, a *VersionError, an *iot.InvalidError, or the error of RuleEdit.To.
type RuleError struct {
	Rule string
	Err  error
}

// Error names the rule and the reason.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %s: %v", iot.Quote(e.Rule), e.Err) }

// Unwrap returns the reason.
func (e *RuleError) Unwrap() error { return e.Err }

// ErrRuleTwice means that one call has two edits of the same rule.
var ErrRuleTwice = errors.New("the same rule twice")

// ErrNameTaken means that an alert rule has the name of what is about maintenance, or the other way round.
var ErrNameTaken = errors.New("an alert rule and maintenance cannot have the same name")

// errPlanned ends a transaction that only shows what edits would do.
var errPlanned = errors.New("nothing is to be changed")

// RuleChange says how edits of rules are made.
type RuleChange struct {
	By
	// Check returns why the rules, which are all that will be in force, cannot be so together; nil if they can.
	Check func(rules []iot.Rule) error
	// Plan means that nothing is changed: the outcomes say what would be.
	Plan bool
}

// Rules returns the rules in force but those of the kind iot.Maintenance, in the order of their names. The error is ErrNotRead, wrapped in
// ErrUnavailable.
func (r *Registry) Rules() ([]iot.RuleEntry, error) { return r.rulesInForce(false) }

// Maintenance returns the rules of the kind iot.Maintenance in force, as Rules does the others.
func (r *Registry) Maintenance() ([]iot.RuleEntry, error) { return r.rulesInForce(true) }

func (r *Registry) rulesInForce(maintenance bool) ([]iot.RuleEntry, error) {
	if !r.InForce.Current() {
		return nil, unavailable(ErrNotRead)
	}
	entries, err := r.InForce.ruleEntries()
	return slices.DeleteFunc(entries, func(e iot.RuleEntry) bool { return (e.Rule.Kind == iot.Maintenance) != maintenance }), err
}

// Rule returns the rule that was decided last: one that is deleted or has no version if there is none. The error is ErrUnavailable.
func (r *Registry) Rule(ctx context.Context, name string) (iot.RuleEntry, error) {
	if !r.InForce.Current() {
		return iot.RuleEntry{}, unavailable(ErrNotRead)
	}
	found, err := r.Store.Objects(ctx, []Ref{RuleRef(name)})
	if err != nil {
		return iot.RuleEntry{}, unavailable(err)
	}
	return r.currentRule(&found[0])
}

// currentRule returns the entry of a stored rule or, if that is later, of the one in force: the configuration may have brought it.
func (r *Registry) currentRule(stored *Object) (iot.RuleEntry, error) {
	r.InForce.recall(stored)
	entry, err := stored.RuleEntry()
	if err != nil {
		return entry, unavailable(err)
	}
	entry.Rule.Name = stored.ID
	return entry, nil
}

// ChangeRules makes edits in one transaction, all or none, and returns what each has done. The error is ErrUnavailable, ErrRuleTwice, *RuleErrors, which
// are joined, or the error of how.Check.
func (r *Registry) ChangeRules(ctx context.Context, edits []RuleEdit, how RuleChange) ([]RuleOutcome, error) {
	refs := make([]Ref, len(edits))
	for i := range edits {
		refs[i] = RuleRef(edits[i].Name)
		if slices.Contains(refs[:i], refs[i]) {
			return nil, fmt.Errorf("%w: %s", ErrRuleTwice, iot.Quote(edits[i].Name))
		}
	}
	if !r.InForce.Current() {
		return nil, unavailable(ErrNotRead)
	}
	var outcomes []RuleOutcome
	var changes []Change
	var refused error
	err := r.Store.Change(ctx, refs, func(current []Object) ([]Change, error) {
		outcomes, changes, refused = r.planRules(current, edits, &how)
		if refused == nil && how.Plan {
			return nil, errPlanned
		}
		return changes, refused
	})
	switch {
	case refused != nil:
		return nil, refused
	case errors.Is(err, errPlanned):
		return outcomes, nil
	case err != nil:
		return nil, unavailable(err)
	case len(changes) > 0:
		objects := make([]Object, len(changes))
		for i := range changes {
			objects[i] = changes[i].Object
		}
		r.Decided(objects)
	}
	return outcomes, nil
}

// planRules returns what the edits do to the current objects, and the changes for the store.
func (r *Registry) planRules(current []Object, edits []RuleEdit, how *RuleChange) ([]RuleOutcome, []Change, error) {
	outcomes, now := make([]RuleOutcome, len(edits)), iot.CutTime(r.Now())
	var changes []Change
	var refused []error
	for i := range edits {
		outcome, err := r.ruleOutcome(&current[i], &edits[i])
		switch {
		case errors.Is(err, ErrUnavailable):
			return nil, nil, err
		case err != nil:
			refused = append(refused, &RuleError{edits[i].Name, err})
		case outcome.Changed():
			if edits[i].Maintenance && !outcome.After.Deleted && how.Action != ActionCalendar {
				outcome.After.Rule.DecidedBy = how.Actor
			}
			changes = append(changes, Change{Object: RuleObject(&outcome.After), Actor: how.Actor, Action: how.Action, Reason: how.Reason, Time: now})
		}
		outcomes[i] = outcome
	}
	if len(refused) > 0 {
		return nil, nil, errors.Join(refused...)
	}
	if len(changes) == 0 {
		return outcomes, nil, nil
	}
	after, err := r.rulesAfter(outcomes)
	if err == nil {
		err = how.Check(after)
	}
	return outcomes, changes, err
}

// ruleOutcome returns what an edit does to the current rule.
func (r *Registry) ruleOutcome(current *Object, edit *RuleEdit) (RuleOutcome, error) {
	before, err := r.currentRule(current)
	if err != nil {
		return RuleOutcome{}, err
	}
	if before.Version > 0 && !before.Deleted && (before.Rule.Kind == iot.Maintenance) != edit.Maintenance {
		return RuleOutcome{}, ErrNameTaken
	}
	after, err := edit.To(before)
	if err == nil {
		err = follow(&before, &after)
	}
	same := err == nil && sameRule(&before, &after)
	switch {
	case !edit.If.holds(current) && !(same && edit.If.ofVersion()):
		return RuleOutcome{}, &VersionError{current.Version}
	case err != nil:
		return RuleOutcome{}, err
	case same:
		return RuleOutcome{before, before}, nil
	}
	return RuleOutcome{before, after}, nil
}

// follow makes an entry the one that follows the one before.
func follow(before, after *iot.RuleEntry) error {
	if before.Version >= iot.MaxVersion {
		return ErrNoVersion
	}
	if after.Deleted {
		after.Rule = iot.Rule{}
	}
	after.Rule.Name, after.Version, after.Provisioned = before.Rule.Name, before.Version+1, false
	return after.Normalize()
}

// sameRule reports whether two entries say the same, apart from who has decided it. An entry that deletes a rule says the same as none.
func sameRule(a, b *iot.RuleEntry) bool {
	if (a.Deleted || a.Version == 0) && b.Deleted {
		return true
	}
	x := *a
	x.Version, x.Provisioned, x.Rule.Version, x.Rule.DecidedBy = b.Version, b.Provisioned, b.Rule.Version, b.Rule.DecidedBy
	return reflect.DeepEqual(&x, b)
}

// rulesAfter returns all alert rules that will be in force after the outcomes. The error is ErrUnavailable, or says that there would be too many
// for maintenance.
func (r *Registry) rulesAfter(outcomes []RuleOutcome) ([]iot.Rule, error) {
	entries, err := r.InForce.ruleEntries()
	if err != nil {
		return nil, err
	}
	for i := range outcomes {
		after := outcomes[i].After
		entries = slices.DeleteFunc(entries, func(e iot.RuleEntry) bool { return e.Rule.Name == after.Rule.Name })
		entries = append(entries, after)
	}
	slices.SortFunc(entries, compareRules)
	var rules []iot.Rule
	maintenance, planned, now := 0, 0, r.Now()
	for i := range entries {
		switch {
		case entries[i].Deleted || entries[i].Version == 0:
		case entries[i].Rule.Kind == iot.Maintenance:
			maintenance++
			if !entries[i].Rule.Schedule.Over(now) {
				planned++
			}
		default:
			rules = append(rules, entries[i].Rule)
		}
	}
	if planned > iot.MaxMaintenance {
		return nil, iot.Invalid("name", "there is maintenance %d times already, the maximum", iot.MaxMaintenance)
	}
	if maintenance > iot.MaxMaintenanceKept {
		return nil, iot.Invalid("name", "maintenance is kept %d times already, the maximum: delete what is over", iot.MaxMaintenanceKept)
	}
	return rules, nil
}

func compareRules(a, b iot.RuleEntry) int { return strings.Compare(a.Rule.Name, b.Rule.Name) }

// ruleEntries returns the rules in force, of each the highest version that a partition has, in the order of their names.
func (f *InForce) ruleEntries() ([]iot.RuleEntry, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	highest := make(map[string]Object)
	for _, rules := range f.rules {
		for name, known := range rules {
			if known.object.Version > highest[name].Version {
				highest[name] = known.object
			}
		}
	}
	entries := make([]iot.RuleEntry, 0, len(highest))
	for _, o := range highest {
		if o.Deleted {
			continue
		}
		entry, err := o.RuleEntry()
		if err != nil {
			return nil, unavailable(err)
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, compareRules)
	return entries, nil
}
