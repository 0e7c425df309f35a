package process

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// InForce is a decoded record of topic partition-state: a rule, settings, or something of a device.
type InForce struct {
	// Position is where it was written.
	iot.Position
	key inForceKey
	// value is a pointer to the type in package iot that key.of says.
	value any
}

// Settings returns the settings, or limits, nil if the record holds something else. The caller must not change them.
func (f *InForce) Settings() *iot.SettingsInForce {
	s, _ := f.value.(*iot.SettingsInForce)
	return s
}

// Share keeps in memory once what a registry entry has in common with others.
func (f *InForce) Share(sharing *iot.EntrySharing) {
	if entry, ok := f.value.(*iot.EntryInForce); ok {
		sharing.Share(&entry.DeviceEntry)
		sharing.ShareAreas(entry.Areas)
	}
}

// inForceKey is a key of topic partition-state.
type inForceKey struct {
	of wire.InForce
	// rule is the name of a rule, since the offset of settings or limits, alert the id of an alert, command that of a command, peers those of a
	// reference, machine that of points, device that of anything else but a level; the others are zero.
	rule    string
	since   int64
	alert   string
	command string
	device  iot.Identity
	peers   iot.Peers
	machine iot.Machine
}

func compareKeys(a, b inForceKey) int {
	return cmp.Or(
		cmp.Compare(a.of, b.of), cmp.Compare(a.rule, b.rule), cmp.Compare(a.since, b.since), cmp.Compare(a.alert, b.alert),
		cmp.Compare(a.command, b.command), a.device.Compare(b.device), a.peers.Compare(b.peers), a.machine.Compare(b.machine),
	)
}

func (k *inForceKey) append(dst []byte) []byte {
	switch k.of {
	case wire.RuleInForce:
		return wire.AppendRuleKey(dst, k.rule)
	case wire.SettingsInForce:
		return wire.AppendSettingsKey(dst, k.since)
	case wire.LimitsInForce:
		return wire.AppendLimitsKey(dst, k.since)
	case wire.ReturnedInForce:
		return wire.AppendReturnedKey(dst, k.alert)
	case wire.OutcomeInForce:
		return wire.AppendOutcomeKey(dst, k.command)
	case wire.ReferenceInForce:
		return wire.AppendReferenceKey(dst, k.peers)
	case wire.PointsInForce:
		return wire.AppendPointsKey(dst, k.machine)
	case wire.LevelInForce:
		return wire.AppendLevelKey(dst)
	default:
		return wire.AppendInForceKey(dst, k.of, k.device)
	}
}

// DecodeInForce decodes what a partition has passed to Output.InForce. It is an error if the value is of another key.
func DecodeInForce(key, value []byte) (InForce, error) {
	of, name, ok := wire.SplitInForceKey(key)
	if !ok {
		return InForce{}, fmt.Errorf("decode what is in force: unknown key %q", key)
	}
	f := InForce{key: inForceKey{of: of}}
	var err error
	switch of {
	case wire.RuleInForce:
		var rule iot.RuleInForce
		rule, err = wire.DecodeRuleInForce(value)
		f.Position, f.value, f.key.rule = rule.Position, &rule, rule.Rule.Name
	case wire.SettingsInForce, wire.LimitsInForce:
		var settings iot.SettingsInForce
		settings, err = wire.DecodeSettingsInForce(value)
		f.Position, f.value, f.key.since = settings.Position, &settings, settings.Since
		if err == nil && (settings.Limits != nil) != (of == wire.LimitsInForce) {
			err = errors.New("limits are kept under a key of their own")
		}
	case wire.ReturnedInForce:
		var cleared iot.Alert
		cleared, err = wire.DecodeAlert(value)
		f.Position, f.value, f.key.alert = cleared.Position, &cleared, cleared.ID
	case wire.OutcomeInForce:
		var outcome iot.Outcome
		outcome, err = wire.DecodeOutcome(value)
		f.Position, f.value, f.key.command = outcome.Position, &outcome, outcome.ID
	case wire.ReferenceInForce:
		var reference iot.ReferenceInForce
		if f.key.peers, err = wire.DecodePeersKey(name); err == nil {
			reference, err = wire.DecodeReferenceInForce(value)
		}
		f.Position, f.value = reference.Position, &reference
	case wire.PointsInForce:
		var points iot.PointsInForce
		if f.key.machine, err = wire.DecodeMachineKey(name); err == nil {
			points, err = wire.DecodePointsInForce(value)
		}
		f.Position, f.value = points.Position, &points
	case wire.LevelInForce:
		var level iot.LevelInForce
		level, err = wire.DecodeLevelInForce(value)
		f.Position, f.value = level.Position, &level
	default:
		if f.key.device, err = wire.DecodeDeviceKey(name); err == nil {
			err = f.decodeOfDevice(value)
		}
	}
	if err == nil && !bytes.Equal(f.key.append(nil), key) {
		err = fmt.Errorf("the value is of the key %q", f.key.append(nil))
	}
	if err != nil {
		return InForce{}, fmt.Errorf("decode what is in force under the key %q: %w", key, err)
	}
	return f, nil
}

func (f *InForce) decodeOfDevice(value []byte) error {
	switch f.key.of {
	case wire.EntryInForce:
		entry, err := wire.DecodeEntryInForce(value)
		f.Position, f.value = entry.Position, &entry
		return err
	case wire.ShelvedInForce:
		shelved, err := wire.DecodeShelvedInForce(value)
		f.Position, f.value = shelved.Position, &shelved
		return err
	case wire.OutageInForce:
		outage, err := wire.DecodeOutageInForce(value)
		f.Position, f.value = outage.Position, &outage
		return err
	default:
		comments, err := wire.DecodeCommentsInForce(value)
		f.Position, f.value = comments.Position, &comments
		return err
	}
}

// inForce is what is in force in a partition. Each map holds no nil.
type inForce struct {
	rules    map[string]*iot.RuleInForce
	settings map[int64]*iot.SettingsInForce
	limits   limitsHistory
	entries  map[iot.Identity]*iot.EntryInForce
	shelved  map[iot.Identity]*iot.ShelvedInForce
	comments map[iot.Identity]*iot.CommentsInForce
	// outages are by the parent.
	outages  map[iot.Identity]*iot.OutageInForce
	returned returnedAlerts
	outcomes outcomes
	// references are by the peers, at most iot.MaxReferences.
	references map[iot.Peers]*iot.ReferenceInForce
	// points are by the machine, countPoints of them, at most iot.MaxPoints.
	points      map[iot.Machine]*iot.PointsInForce
	countPoints int
	// level is that of the partition as it is kept, 0 if none is.
	level   uint8
	sharing iot.EntrySharing
	// changed has the keys of everything that was changed, or deleted, since it was published.
	changed map[inForceKey]bool
}

func newInForce() inForce {
	return inForce{
		rules:    make(map[string]*iot.RuleInForce),
		settings: make(map[int64]*iot.SettingsInForce),
		entries:  make(map[iot.Identity]*iot.EntryInForce),
		shelved:  make(map[iot.Identity]*iot.ShelvedInForce),
		comments: make(map[iot.Identity]*iot.CommentsInForce),
		outages:  make(map[iot.Identity]*iot.OutageInForce),
		returned: newReturnedAlerts(),
		outcomes: newOutcomes(),

		references: make(map[iot.Peers]*iot.ReferenceInForce),
		points:     make(map[iot.Machine]*iot.PointsInForce),
		changed:    make(map[inForceKey]bool),
	}
}

// RestoreInForce adds what was in force at the checkpoint. Call it before Restore.
func (p *Partition) RestoreInForce(f InForce) {
	switch value := f.value.(type) {
	case *iot.RuleInForce:
		p.inForce.rules[f.key.rule] = value
	case *iot.SettingsInForce:
		if f.key.of == wire.LimitsInForce {
			p.restoreLimits(value)
		} else {
			p.inForce.settings[f.key.since] = value
		}
	case *iot.EntryInForce:
		p.inForce.entries[f.key.device] = value
		p.delayMove(f.key.device, value)
	case *iot.ShelvedInForce:
		p.inForce.shelved[f.key.device] = value
		p.scheduleShelving(value)
	case *iot.CommentsInForce:
		p.inForce.comments[f.key.device] = value
	case *iot.OutageInForce:
		p.inForce.outages[f.key.device] = value
	case *iot.ReferenceInForce:
		p.inForce.references[f.key.peers] = value
		p.endReferenceAt(value.Until())
	case *iot.PointsInForce:
		p.restorePoints(f.key.machine, value)
	case *iot.LevelInForce:
		p.inForce.level = value.Level
		p.level = max(p.level, value.Level) // The checkpoint may be lost.
	case *iot.Alert:
		p.inForce.returned.add(value)
	case *iot.Outcome:
		p.inForce.outcomes.add(value)
	}
}

// change marks something as changed since it was published.
func (f *inForce) change(of wire.InForce, device iot.Identity) {
	f.changed[inForceKey{of: of, device: device}] = true
}

// changeReference marks the reference of peers as changed since it was published.
func (f *inForce) changeReference(peers iot.Peers) {
	f.changed[inForceKey{of: wire.ReferenceInForce, peers: peers}] = true
}

// changePoints marks the points of a machine as changed since they were published.
func (f *inForce) changePoints(machine iot.Machine) {
	f.changed[inForceKey{of: wire.PointsInForce, machine: machine}] = true
}

// keepLevel keeps the level of the partition with what is in force if it has grown. The first one needs no record: a partition without one has it.
func (p *Partition) keepLevel() {
	if p.level > max(p.inForce.level, levelStates) {
		p.inForce.level = p.level
		p.inForce.changed[inForceKey{of: wire.LevelInForce}] = true
	}
}

// changeReturned marks an alert that has cleared as changed since it was published.
func (f *inForce) changeReturned(alert string) {
	f.changed[inForceKey{of: wire.ReturnedInForce, alert: alert}] = true
}

// changeOutcome marks the outcome of a command as changed since it was published.
func (f *inForce) changeOutcome(command string) {
	f.changed[inForceKey{of: wire.OutcomeInForce, command: command}] = true
}

// changeRule marks a rule as changed since it was published.
func (f *inForce) changeRule(name string) {
	f.changed[inForceKey{of: wire.RuleInForce, rule: name}] = true
}

// changeSettings marks settings as changed since they were published.
func (f *inForce) changeSettings(since int64) {
	f.changed[inForceKey{of: wire.SettingsInForce, since: since}] = true
}

// changeLimits marks limits as changed since they were published.
func (f *inForce) changeLimits(since int64) {
	f.changed[inForceKey{of: wire.LimitsInForce, since: since}] = true
}

// publishInForce publishes everything that has changed since the last call.
func (p *Partition) publishInForce(out Output) {
	if len(p.inForce.changed) == 0 {
		return
	}
	at := p.position()
	for _, key := range slices.SortedFunc(maps.Keys(p.inForce.changed), compareKeys) {
		out.InForce(key.append(nil), p.inForce.append(nil, &key, at), at)
	}
	clear(p.inForce.changed)
}

// append appends what is in force under a key, nothing if that was deleted. It sets its position.
func (f *inForce) append(dst []byte, key *inForceKey, at iot.Position) []byte {
	switch key.of {
	case wire.RuleInForce:
		if rule := f.rules[key.rule]; rule != nil {
			rule.Position = at
			return wire.AppendRuleInForce(dst, rule)
		}
	case wire.SettingsInForce:
		if settings := f.settings[key.since]; settings != nil {
			settings.Position = at
			return wire.AppendSettingsInForce(dst, settings)
		}
	case wire.LimitsInForce:
		if l := f.limits.find(key.since); l != nil {
			l.Position = at
			return wire.AppendSettingsInForce(dst, l.SettingsInForce)
		}
	case wire.EntryInForce:
		if entry := f.entries[key.device]; entry != nil {
			entry.Position = at
			return wire.AppendEntryInForce(dst, entry)
		}
	case wire.ShelvedInForce:
		if shelved := f.shelved[key.device]; shelved != nil {
			shelved.Position = at
			return wire.AppendShelvedInForce(dst, shelved)
		}
	case wire.CommentsInForce:
		if comments := f.comments[key.device]; comments != nil {
			comments.Position = at
			return wire.AppendCommentsInForce(dst, comments)
		}
	case wire.OutageInForce:
		if outage := f.outages[key.device]; outage != nil {
			outage.Position = at
			return wire.AppendOutageInForce(dst, outage)
		}
	case wire.ReferenceInForce:
		if reference := f.references[key.peers]; reference != nil {
			reference.Position = at
			return wire.AppendReferenceInForce(dst, reference)
		}
	case wire.PointsInForce:
		if points := f.points[key.machine]; points != nil {
			points.Position = at
			return wire.AppendPointsInForce(dst, points)
		}
	case wire.LevelInForce:
		return wire.AppendLevelInForce(dst, &iot.LevelInForce{Level: f.level, Position: at})
	case wire.ReturnedInForce:
		if cleared := f.returned.find(key.alert); cleared != nil { // Its position is that of the event.
			return wire.AppendAlert(dst, cleared)
		}
	case wire.OutcomeInForce:
		if outcome := f.outcomes.find(key.command); outcome != nil { // Its position is that of the command.
			return wire.AppendOutcome(dst, outcome)
		}
	}
	return dst
}
