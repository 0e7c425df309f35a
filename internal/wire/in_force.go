package wire

import (
	"bytes"
	"strconv"
	"time"

	"iotmon/internal/iot"
)

// What is in force in a partition is kept in topic partition-state: a record for each rule, registry entry and so on, under
// its own key, and a tombstone when it is gone.

// InForce is what a record of partition-state holds.
type InForce string

// The kinds of records in partition-state.
const (
	// RuleInForce holds an iot.RuleInForce, under the rule's name.
	RuleInForce InForce = "rule"
	// SettingsInForce holds an iot.SettingsInForce, under the offset from which they hold.
	SettingsInForce InForce = "settings"
	// LimitsInForce holds an iot.SettingsInForce with Limits, under the offset from which these hold.
	LimitsInForce InForce = "limits"
	// EntryInForce holds an iot.EntryInForce, ShelvedInForce an iot.ShelvedInForce and CommentsInForce an
	// iot.CommentsInForce, each under the key of the device.
	EntryInForce    InForce = "device"
	ShelvedInForce  InForce = "shelved"
	CommentsInForce InForce = "comments"
	// ReturnedInForce holds the cleared event of an alert that nobody has acknowledged, as AppendAlert writes it, under the alert's id.
	ReturnedInForce InForce = "returned"
	// OutageInForce holds an iot.OutageInForce, under the key of the parent.
	OutageInForce InForce = "outage"
	// OutcomeInForce holds an iot.Outcome, under the id of the command.
	OutcomeInForce InForce = "outcome"
	// ReferenceInForce holds an iot.ReferenceInForce, under the key of the peers.
	ReferenceInForce InForce = "reference"
	// PointsInForce holds an iot.PointsInForce, under the key of the machine.
	PointsInForce InForce = "points"
	// LevelInForce holds an iot.LevelInForce, of the partition.
	LevelInForce InForce = "level"
)

// separator separates the parts of a key. No id, tenant or rule name can contain it, because it is a control character.
const separator = iot.IdentitySeparator

// MaxDeviceKey is the maximum length of the key of a device in bytes.
const MaxDeviceKey = iot.MaxTenant + 1 + iot.MaxIDLength

// AppendDeviceKey appends the Kafka key of a device: its id, after tenant and separator if it has a tenant.
func AppendDeviceKey(dst []byte, device iot.Identity) []byte {
	if device.Tenant != "" {
		dst = append(append(dst, device.Tenant...), separator)
	}
	return append(dst, device.ID...)
}

// DecodeDeviceKey decodes what AppendDeviceKey wrote. The error is an *iot.InvalidError.
func DecodeDeviceKey(key []byte) (iot.Identity, error) {
	var device iot.Identity
	if tenant, id, any := bytes.Cut(key, []byte{separator}); any {
		if len(tenant) == 0 {
			return iot.Identity{}, iot.Invalid("tenant", "missing")
		}
		device = iot.Identity{Tenant: iot.Tenant(tenant), ID: iot.DeviceID(id)}
	} else {
		device.ID = iot.DeviceID(key)
	}
	if err := device.Normalize(); err != nil {
		return iot.Identity{}, err
	}
	return device, nil
}

// AppendRuleKey appends the key under which a rule is kept in partition-state.
func AppendRuleKey(dst []byte, rule string) []byte {
	return append(appendKeyOf(dst, RuleInForce), rule...)
}

// AppendSettingsKey appends the key under which settings are kept in partition-state.
func AppendSettingsKey(dst []byte, since int64) []byte {
	return strconv.AppendInt(appendKeyOf(dst, SettingsInForce), since, 10)
}

// AppendLimitsKey appends the key under which limits are kept in partition-state.
func AppendLimitsKey(dst []byte, since int64) []byte {
	return strconv.AppendInt(appendKeyOf(dst, LimitsInForce), since, 10)
}

// AppendReturnedKey appends the key under which an alert that has cleared is kept in partition-state.
func AppendReturnedKey(dst []byte, alert string) []byte {
	return append(appendKeyOf(dst, ReturnedInForce), alert...)
}

// AppendOutcomeKey appends the key under which the outcome of a command is kept in partition-state.
func AppendOutcomeKey(dst []byte, command string) []byte {
	return append(appendKeyOf(dst, OutcomeInForce), command...)
}

// AppendLevelKey appends the key under which the level of a partition is kept in partition-state.
func AppendLevelKey(dst []byte) []byte { return appendKeyOf(dst, LevelInForce) }

// AppendInForceKey appends the key under which something of a device is kept in partition-state.
func AppendInForceKey(dst []byte, of InForce, device iot.Identity) []byte {
	return AppendDeviceKey(appendKeyOf(dst, of), device)
}

func appendKeyOf(dst []byte, of InForce) []byte { return append(append(dst, of...), separator) }

// SplitInForceKey returns what a record of partition-state with this key holds, and the rest of the key: the rule's name, the
// offset, the device's key, that of the peers or of the machine, or the id of the alert or the command; of a level it is empty. It returns false for a key that none of the functions above wrote.
func SplitInForceKey(key []byte) (of InForce, name []byte, ok bool) {
	kind, name, _ := bytes.Cut(key, []byte{separator})
	switch of = InForce(kind); of {
	case RuleInForce, SettingsInForce, LimitsInForce, EntryInForce, ShelvedInForce, CommentsInForce, ReturnedInForce, OutageInForce, OutcomeInForce, ReferenceInForce,
		PointsInForce:
		return of, name, len(name) > 0
	case LevelInForce:
		return of, name, len(name) == 0
	}
	return "", nil, false
}

type ruleInForce struct {
	ruleEntry
	iot.Position
}

// AppendRuleInForce appends the JSON of a rule that is in force.
func AppendRuleInForce(dst []byte, r *iot.RuleInForce) []byte {
	return appendJSON(dst, ruleInForce{toRuleEntry(&r.RuleEntry), r.Position})
}

// DecodeRuleInForce decodes what AppendRuleInForce wrote. The error is an *iot.InvalidError.
func DecodeRuleInForce(data []byte) (iot.RuleInForce, error) {
	var m ruleInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.RuleInForce{}, err
	}
	entry, err := m.entry()
	if err != nil {
		return iot.RuleInForce{}, err
	}
	return iot.RuleInForce{RuleEntry: entry, Position: m.Position}, nil
}

type settingsInForce struct {
	settings
	Since int64 `json:"since"`
	iot.Position
}

// AppendSettingsInForce appends the JSON of settings that are in force.
func AppendSettingsInForce(dst []byte, s *iot.SettingsInForce) []byte {
	return appendJSON(dst, settingsInForce{toSettings(&s.Settings), s.Since, s.Position})
}

// DecodeSettingsInForce decodes what AppendSettingsInForce wrote. The error is an *iot.InvalidError.
func DecodeSettingsInForce(data []byte) (iot.SettingsInForce, error) {
	var m settingsInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.SettingsInForce{}, err
	}
	s, err := m.settings.settings()
	if err != nil {
		return iot.SettingsInForce{}, err
	}
	return iot.SettingsInForce{Settings: s, Since: m.Since, Position: m.Position}, nil
}

type entryInForce struct {
	deviceEntry
	Areas []areaFrom `json:"areas,omitempty"`
	iot.Position
}

type areaFrom struct {
	From time.Time `json:"from,omitzero"`
	Area iot.Area  `json:"area"`
}

// AppendEntryInForce appends the JSON of a registry entry that is in force.
func AppendEntryInForce(dst []byte, e *iot.EntryInForce) []byte {
	return appendJSON(dst, entryInForce{toDeviceEntry(&e.DeviceEntry), toAreas(e.Areas), e.Position})
}

// DecodeEntryInForce decodes what AppendEntryInForce wrote. The error is an *iot.InvalidError.
func DecodeEntryInForce(data []byte) (iot.EntryInForce, error) {
	var m entryInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.EntryInForce{}, err
	}
	e := iot.EntryInForce{Areas: fromAreas(m.Areas), Position: m.Position}
	var err error
	if e.DeviceEntry, err = m.entry(); err != nil {
		return iot.EntryInForce{}, err
	}
	if err := e.Normalize(); err != nil {
		return iot.EntryInForce{}, err
	}
	return e, nil
}

type shelvedInForce struct {
	Shelvings []shelving `json:"shelvings"`
	Revision  int64      `json:"revision"`
	Commands  []string   `json:"commands,omitempty"`
	iot.Position
}

type shelving struct {
	Rule         string    `json:"alert_type,omitempty"`
	OutOfService bool      `json:"out_of_service,omitempty"`
	Until        time.Time `json:"until,omitzero"`
	OneShot      bool      `json:"one_shot,omitempty"`
	Actor        string    `json:"actor"`
	Reason       string    `json:"reason,omitempty"`
	Since        time.Time `json:"since"`
	Revision     int64     `json:"revision"`
}

// AppendShelvedInForce appends the JSON of what is shelved of a device.
func AppendShelvedInForce(dst []byte, s *iot.ShelvedInForce) []byte {
	m := shelvedInForce{Shelvings: make([]shelving, len(s.Shelvings)), Revision: s.Revision, Commands: s.Commands, Position: s.Position}
	for i := range s.Shelvings {
		m.Shelvings[i] = shelving(s.Shelvings[i])
	}
	return appendJSON(dst, m)
}

// DecodeShelvedInForce decodes what AppendShelvedInForce wrote. The error is an *iot.InvalidError.
func DecodeShelvedInForce(data []byte) (iot.ShelvedInForce, error) {
	var m shelvedInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.ShelvedInForce{}, err
	}
	s := iot.ShelvedInForce{Revision: m.Revision, Commands: m.Commands, Position: m.Position}
	for i := range m.Shelvings {
		s.Shelvings = append(s.Shelvings, iot.Shelving(m.Shelvings[i]))
	}
	if err := s.Normalize(); err != nil {
		return iot.ShelvedInForce{}, err
	}
	return s, nil
}

type commentsInForce struct {
	Comments []comment `json:"comments"`
	iot.Position
}

type comment struct {
	ID    string    `json:"id"`
	Alert string    `json:"alert"`
	Actor string    `json:"actor"`
	Text  string    `json:"text"`
	Time  time.Time `json:"time"`
}

// AppendCommentsInForce appends the JSON of the comments on a device's alerts.
func AppendCommentsInForce(dst []byte, c *iot.CommentsInForce) []byte {
	m := commentsInForce{Comments: make([]comment, len(c.Comments)), Position: c.Position}
	for i := range c.Comments {
		m.Comments[i] = comment(c.Comments[i])
	}
	return appendJSON(dst, m)
}

// DecodeCommentsInForce decodes what AppendCommentsInForce wrote. The error is an *iot.InvalidError.
func DecodeCommentsInForce(data []byte) (iot.CommentsInForce, error) {
	var m commentsInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.CommentsInForce{}, err
	}
	c := iot.CommentsInForce{Position: m.Position}
	for i := range m.Comments {
		c.Comments = append(c.Comments, iot.Comment(m.Comments[i]))
	}
	if err := c.Normalize(); err != nil {
		return iot.CommentsInForce{}, err
	}
	return c, nil
}

type outcome struct {
	ID      string        `json:"id"`
	Key     string        `json:"key"`
	Request string        `json:"request"`
	Refused iot.Refusal   `json:"refused,omitempty"`
	By      string        `json:"by,omitempty"`
	At      time.Time     `json:"at,omitzero"`
	State   iot.LifeState `json:"state,omitempty"`
	Remains iot.Remaining `json:"remains,omitempty"`
	Time    time.Time     `json:"time"`
	iot.Position
}

// AppendOutcome appends the JSON of the outcome of a command.
func AppendOutcome(dst []byte, o *iot.Outcome) []byte { return appendJSON(dst, outcome(*o)) }

// DecodeOutcome decodes what AppendOutcome wrote. The error is an *iot.InvalidError.
func DecodeOutcome(data []byte) (iot.Outcome, error) {
	var m outcome
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.Outcome{}, err
	}
	o := iot.Outcome(m)
	if err := o.Normalize(); err != nil {
		return iot.Outcome{}, err
	}
	return o, nil
}

type levelInForce struct {
	Level uint8 `json:"level"`
	iot.Position
}

// AppendLevelInForce appends the JSON of the level of a partition.
func AppendLevelInForce(dst []byte, l *iot.LevelInForce) []byte {
	return appendJSON(dst, levelInForce{l.Level, l.Position})
}

// DecodeLevelInForce decodes what AppendLevelInForce wrote. The error is an *iot.InvalidError.
func DecodeLevelInForce(data []byte) (iot.LevelInForce, error) {
	var m levelInForce
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.LevelInForce{}, err
	}
	if m.Level == 0 {
		return iot.LevelInForce{}, iot.Invalid("level", "must be at least 1")
	}
	return iot.LevelInForce{Level: m.Level, Position: m.Position}, nil
}
