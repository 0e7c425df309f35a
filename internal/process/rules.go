package process

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"iotmon/internal/alert"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// begin makes the partition ready for its first record, once everything has been restored. A partition without any configured
// rules in force begins with those of its owner, before the records that wait in its log. Of an owner that is alone, the rules are
// in force at once, whatever was in force before.
func (p *Partition) begin(out Output) {
	if p.engine != nil {
		return
	}
	p.beginLimits()
	p.beginLengths()
	p.keepLevel()
	if p.Alone || p.inForce.ruleRevision() == 0 {
		entries := p.configured()
		if needed := levelOf(entries); needed < LevelStatistics || p.level >= needed {
			p.putRules(entries, out)
		}
	}
	if p.engine == nil {
		p.compileRules()
		p.restoreSilence()
	}
}

// OutdatedRules returns the entries that have to be appended to the partition's log because the configured rules are newer than those
// in force and differ from them. It is nil before the first Process.
func (p *Partition) OutdatedRules() []iot.RuleEntry {
	entries := p.outdatedRules()
	if p.level < levelOf(entries) {
		return nil
	}
	return entries
}

// OutdatedRulesWait reports whether OutdatedRules is nil only because programs that do not know rules in the log may still share the
// partitions, until a record of iot.KindLevel says that there are none.
func (p *Partition) OutdatedRulesWait() bool {
	entries := p.outdatedRules()
	return len(entries) > 0 && p.level < levelOf(entries)
}

// levelOf returns the level that a partition must have for entries to be appended to its log.
func levelOf(entries []iot.RuleEntry) uint8 {
	level := uint8(LevelRules)
	for i := range entries {
		level = max(level, LevelOfRule(&entries[i]))
	}
	return level
}

// LevelOfCommand returns the Checkpoint.Level that every partition must have before the command is appended to the log.
func LevelOfCommand(c *iot.Command) uint8 {
	if c.Level() > iot.CommandLevelPlain {
		return LevelStatistics
	}
	return LevelRules
}

// LevelOfEntry returns the Checkpoint.Level that every partition must have before a registry entry is appended to the log.
func LevelOfEntry(e *iot.DeviceEntry) uint8 {
	if e.Level() > iot.EntryLevelPlain {
		return LevelParents
	}
	return LevelRules
}

// LevelOfRule returns the Checkpoint.Level that every partition must have before the entry is appended to the log.
func LevelOfRule(e *iot.RuleEntry) uint8 {
	switch e.Level() {
	case iot.RuleLevelPlain:
		return LevelRules
	case iot.RuleLevelStatistics:
		return LevelStatistics
	case iot.RuleLevelDeviation:
		return LevelDeviation
	default:
		return LevelPoints
	}
}

func (p *Partition) outdatedRules() []iot.RuleEntry {
	if p.engine == nil || p.Alone || p.revisionOfRules() <= p.inForce.ruleRevision() {
		return nil
	}
	return p.configured()
}

// OverruledRules reports whether the configured rules differ from those in force without being newer. It returns both revisions.
func (p *Partition) OverruledRules() (configured, inForce int64, overruled bool) {
	configured, inForce = p.revisionOfRules(), p.inForce.ruleRevision()
	return configured, inForce, p.engine != nil && configured <= inForce && len(p.configured()) > 0
}

// revisionOfRules is the revision of the configured rules, at least 1.
func (p *Partition) revisionOfRules() int64 {
	if p.Alone {
		return max(p.RuleRevision, p.inForce.ruleRevision()+1)
	}
	return max(p.RuleRevision, 1)
}

// ruleRevision returns the highest revision of configured rules that was put in force, 0 if there was none.
func (f *inForce) ruleRevision() (revision int64) {
	for _, rule := range f.rules {
		if rule.Provisioned {
			revision = max(revision, rule.Version)
		}
	}
	return revision
}

// configured returns the entries by which the rules in force become the configured ones, those that delete a rule first. Rules that
// people have changed or deleted stay as they are.
func (p *Partition) configured() []iot.RuleEntry {
	revision := p.revisionOfRules()
	var entries []iot.RuleEntry
	names := make(map[string]bool, len(p.Rules))
	for _, rule := range p.Rules {
		rule.Version = revision
		entry := iot.RuleEntry{Version: revision, Provisioned: true, Rule: rule}
		names[rule.Name] = true
		if p.inForce.keeps(&entry) || p.inForce.admits(&entry) != nil {
			continue
		}
		entries = append(entries, entry)
	}
	for name, rule := range p.inForce.rules {
		if rule.Provisioned && !rule.Deleted && !names[name] {
			entries = append(entries, iot.RuleEntry{Version: revision, Provisioned: true, Deleted: true, Rule: iot.Rule{Name: name}})
		}
	}
	slices.SortFunc(entries, func(a, b iot.RuleEntry) int {
		return cmp.Or(compareBool(b.Deleted, a.Deleted), strings.Compare(a.Rule.Name, b.Rule.Name))
	})
	return entries
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// keeps reports whether a configured rule is in force already, or people have decided about the rule.
func (f *inForce) keeps(entry *iot.RuleEntry) bool {
	rule := f.rules[entry.Rule.Name]
	if rule == nil || !rule.Provisioned {
		return rule != nil
	}
	same := rule.Rule
	same.Version = entry.Rule.Version
	return !rule.Deleted && reflect.DeepEqual(same, entry.Rule)
}

// applyRule puts a rule in force, or deletes it, if its version is higher than that of the rule in force.
func (p *Partition) applyRule(rec *Record, out Output) error {
	entry, err := wire.DecodeRuleEntry(rec.Value)
	if err == nil {
		err = iot.CheckNextVersion("version", entry.Version, p.inForce.ruleVersion(entry.Rule.Name))
	}
	if err == nil {
		err = p.inForce.admits(&entry)
	}
	if err != nil {
		return fmt.Errorf("rule: %w", err)
	}
	p.putRules([]iot.RuleEntry{entry}, out)
	return nil
}

// ruleVersion returns the version of the last entry of a rule, 0 if there never was one.
func (f *inForce) ruleVersion(name string) int64 {
	if rule := f.rules[name]; rule != nil {
		return rule.Version
	}
	return 0
}

// admits returns an error, which is an *iot.InvalidError, if the rule must not be in force with the others. It does not depend on
// the catalog, which other owners of the partition may have otherwise.
func (f *inForce) admits(entry *iot.RuleEntry) error {
	rule := &entry.Rule
	if entry.Deleted || rule.Name == iot.RuleOffline {
		return nil
	}
	if rule.Name == iot.RuleClock {
		return iot.Invalid("alert_type", "%s is built in", rule.Name)
	}
	if rule.Type == "" && rule.SelectsType() {
		return iot.Invalid("device_type", "missing: only a value that does not change means the same for every type")
	}
	if rule.Kind == iot.Maintenance {
		others := 0
		for name, other := range f.rules {
			if !other.Deleted && other.Rule.Kind == iot.Maintenance && name != rule.Name {
				others++
			}
		}
		if others >= iot.MaxMaintenanceKept {
			return iot.Invalid("kind", "there are %d of maintenance already, the maximum", iot.MaxMaintenanceKept)
		}
		return nil
	}
	if err := alert.CheckExpression(&rule.Condition); err != nil {
		return err
	}
	every, byType := 0, make(map[iot.DeviceType]int)
	for name, other := range f.rules {
		switch {
		case other.Deleted || name == rule.Name || name == iot.RuleOffline || other.Rule.Kind == iot.Maintenance:
		case other.Rule.Type == "":
			every += other.Rule.CountParts()
		default:
			byType[other.Rule.Type] += other.Rule.CountParts()
		}
	}
	most := byType[rule.Type]
	if rule.Type == "" {
		for _, rules := range byType {
			most = max(most, rules)
		}
	}
	if every+most+rule.CountParts() > iot.MaxRules {
		return iot.Invalid("device_type", "%q already has %d rules, the maximum is %d", rule.Type, every+most, iot.MaxRules)
	}
	return nil
}

// putRules puts entries in force whose versions are higher than those in force. Alerts of rules that are gone, or have another
// condition, are cleared, and others follow their rules.
func (p *Partition) putRules(entries []iot.RuleEntry, out Output) {
	changed := make(map[string]bool)
	for _, entry := range entries {
		name := entry.Rule.Name
		p.inForce.changeRule(name) // Also if nothing changes; see processDevice.
		if entry.Version <= p.inForce.ruleVersion(name) {
			continue
		}
		p.inForce.rules[name] = &iot.RuleInForce{RuleEntry: entry}
		changed[name] = true
	}
	if len(changed) == 0 {
		return
	}
	p.compileRules()
	p.reselect(changed, out)
}

// reselect has the alerts follow the rules that have changed. It clears those that no rule keeps any more, and raises those of devices that have been silent
// for too long by a new rule: of a device whose alerts have just followed as soon as the log's clock goes on, since a record makes at most one event of an
// alert.
func (p *Partition) reselect(changed map[string]bool, out Output) {
	var devices []*fleet.Device
	p.fleet.Each(func(device *fleet.Device) {
		if p.engine.WatchesSilence() || device.Patience > 0 || len(device.Alerts)+len(device.Conditions) > 0 {
			devices = append(devices, device)
		}
	})
	slices.SortFunc(devices, func(a, b *fleet.Device) int { return a.Latest.Identity().Compare(b.Latest.Identity()) })
	for _, device := range devices {
		at := p.clock
		if at.IsZero() {
			at = device.Latest.Time
		}
		set := p.rules(device, &device.Latest)
		if p.engine.Reselect(set, &device.RuleStates, at, p.events(out)) {
			p.fleet.Touch(device)
		}
		if p.engine.Follow(set, &device.RuleStates, changed, &device.Latest, at, p.events(out)) {
			p.fleet.Touch(device)
			p.watchSilence(device)
			continue
		}
		p.judgeSilence(device, p.clock, out)
	}
}

// compileRules makes the engine of the rules in force. Rules for types that are not in the catalog have no devices. One whose expression this version
// does not understand watches none, and counts as failing.
func (p *Partition) compileRules() {
	var rules []iot.Rule
	for _, rule := range p.inForce.rules {
		if rule.Deleted || rule.Rule.Kind == iot.Maintenance || rule.Rule.Type != "" && p.limits.admission.Catalog.Spec(rule.Rule.Type) == nil {
			continue
		}
		if err := alert.CheckExpression(&rule.Rule.Condition); err != nil { // An older version has admitted it, with another grammar.
			p.counts.Failing++
			p.counts.BeganToFail = RuleFailure{Rule: rule.Rule.Name, Reason: err.Error()}
			continue
		}
		rules = append(rules, rule.Rule)
	}
	slices.SortFunc(rules, func(a, b iot.Rule) int { return strings.Compare(a.Name, b.Name) })
	engine, err := alert.New(rules, p.limits.admission.Catalog)
	if err != nil {
		panic(fmt.Sprintf("rules in force: %v", err)) // Each of them was admitted.
	}
	engine.JudgeBy(p)
	engine.JudgeByPoints(p)
	p.engine = engine
	p.compileByDesign()
}
