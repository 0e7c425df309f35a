package iot

import "time"

// The types in this file describe what is in force in one partition. They are the values of topic partition-state; each has the
// Position at which it was written.

// RuleInForce is the last entry of a rule. The entry of a deleted rule is kept, with its name and version only, so that an earlier
// version of the rule that arrives late does not bring it back.
type RuleInForce struct {
	RuleEntry
	Position
}

// SettingsInForce are settings and the offset of the record from which they hold. Earlier ones are kept until the committed
// offset has passed Since, because the records before it may have to be read again.
type SettingsInForce struct {
	Settings
	Since int64
	Position
}

// LevelInForce is the level of what a partition commits; see process.Checkpoint. It is kept with what is in force because the checkpoint may be
// lost.
type LevelInForce struct {
	Level uint8
	Position
}

// EntryInForce is the registry entry of a device, with the areas that the device has belonged to. Of an entry that forgets the device only the version and the areas are kept: readings from before it may
// have to be read again.
type EntryInForce struct {
	DeviceEntry
	Areas Areas
	Position
}

// Follow returns what is in force after the entry next; e is nil if nothing was. The area of next holds from the event time from, and
// from must be later than the time of any reading admitted so far. Readings from before the time open are not counted any more; see
// DelayedUntil. It returns nil if next has no higher version than e: it came twice, or late.
func (e *EntryInForce) Follow(next *DeviceEntry, from, open time.Time) *EntryInForce {
	if e == nil {
		e = new(EntryInForce)
	}
	if next.Version <= e.Version {
		return nil
	}
	return &EntryInForce{DeviceEntry: *next, Areas: withArea(e.Areas, from, open, next.Area)}
}

// LastVersion returns the version of the entry, 0 if e is nil.
func (e *EntryInForce) LastVersion() int64 {
	if e == nil {
		return 0
	}
	return e.Version
}

// DelayedUntil reports whether the area of the entry is not among its Areas yet, because there are MaxAreaHistory of them and the readings
// of the oldest may have to be counted again: those of an open window are, after a restart. It returns the event time up to which windows must
// have closed before Move adds the area.
func (e *EntryInForce) DelayedUntil() (open time.Time, delayed bool) {
	if len(e.Areas) < MaxAreaHistory || e.Areas[len(e.Areas)-1].Area == e.Area {
		return time.Time{}, false
	}
	return e.Areas[1].From, true
}

// Move returns what is in force once a delayed area holds from the event time from; see Follow. It returns nil if the area is not delayed,
// or still is.
func (e *EntryInForce) Move(from, open time.Time) *EntryInForce {
	if until, delayed := e.DelayedUntil(); !delayed || open.Before(until) {
		return nil
	}
	return &EntryInForce{DeviceEntry: e.DeviceEntry, Areas: withArea(e.Areas, from, open, e.Area)}
}

// StartBy returns what is in force after the log's clock was set back: an area that would hold only from a time after from holds from
// there. It returns nil if nothing changes.
func (e *EntryInForce) StartBy(from time.Time) *EntryInForce {
	if len(e.Areas) == 0 || !e.Areas[len(e.Areas)-1].From.After(from) {
		return nil
	}
	return &EntryInForce{DeviceEntry: e.DeviceEntry, Areas: withArea(e.Areas, from, from, e.Area)}
}

// withArea returns the history of areas with one more, which holds from the given time on. Areas that would hold from then or later are
// removed. If the history is full and the oldest area holds at the time open, or later, it returns the history without the new area.
func withArea(areas Areas, from, open time.Time, area Area) Areas {
	var kept Areas
	for _, a := range areas {
		if a.From.Before(from) {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 {
		if area == "" {
			return nil
		}
		kept = append(kept, AreaFrom{}) // Before its first area the locations in the readings apply.
	}
	switch {
	case kept[len(kept)-1].Area == area:
		return kept
	case len(kept) < MaxAreaHistory:
		return append(kept, AreaFrom{From: from, Area: area})
	case kept[1].From.After(open):
		return kept
	}
	return append(kept[1:], AreaFrom{From: from, Area: area})
}

// Normalize checks the entry and its areas. The error is an *InvalidError.
func (e *EntryInForce) Normalize() error {
	if err := e.DeviceEntry.Normalize(); err != nil {
		return err
	}
	if len(e.Areas) == 0 {
		e.Areas = nil
	}
	return e.Areas.normalize(MaxAreaHistory)
}

// Shelving is a rule of a device that is shelved or out of service.
type Shelving struct {
	// Rule is empty for the whole device.
	Rule string
	// OutOfService has no end; otherwise Until is the planned end of shelving, which OneShot ends earlier: as soon as an alert of the rule
	// clears.
	OutOfService  bool
	Until         time.Time
	OneShot       bool
	Actor, Reason string
	// Since is when the command was given. Revision is the Position.Offset of its record, for Command.Revision.
	Since    time.Time
	Revision int64
}

// ShelvedInForce is what of a device is shelved or out of service: at most MaxShelvings.
type ShelvedInForce struct {
	Shelvings []Shelving
	// Revision is the Position.Offset of the last change. It is kept when nothing is shelved any more, so that a command that arrives
	// again does not take effect again.
	Revision int64
	// Commands are the ids of the last commands that have changed it, the latest last, at most MaxShelvingCommands: a request that is sent again
	// knows the Revision of now, so its command is recognized by its id.
	Commands []string
	Position
}

// MaxShelvingCommands is the maximum length of ShelvedInForce.Commands.
const MaxShelvingCommands = 8

// MaxShelvings is the maximum length of ShelvedInForce.Shelvings: every rule, and the device, shelved and out of service.
const MaxShelvings = 2 * (MaxRules + 1)

// Normalize checks the list. The error is an *InvalidError.
func (s *ShelvedInForce) Normalize() error {
	if len(s.Shelvings) == 0 {
		s.Shelvings = nil
	}
	if len(s.Shelvings) > MaxShelvings {
		return Invalid("shelvings", "more than %d (got %d)", MaxShelvings, len(s.Shelvings))
	}
	if s.Revision < 0 {
		return Invalid("revision", "must not be negative (got %d)", s.Revision)
	}
	if len(s.Commands) == 0 {
		s.Commands = nil
	}
	if len(s.Commands) > MaxShelvingCommands {
		return Invalid("commands", "more than %d (got %d)", MaxShelvingCommands, len(s.Commands))
	}
	for i := range s.Commands {
		if err := normalizeKey("commands", &s.Commands[i], MaxCommandID); err != nil {
			return err
		}
	}
	for i := range s.Shelvings {
		if err := s.Shelvings[i].normalize(); err != nil {
			return err
		}
	}
	return nil
}

// normalize checks the shelving as the command that made it.
func (s *Shelving) normalize() error {
	made := Command{
		ID: "-", Action: Shelve, Actor: s.Actor, Reason: s.Reason, Time: s.Since, Rule: s.Rule, Until: s.Until, OneShot: s.OneShot, Revision: s.Revision,
	}
	if s.OutOfService {
		made.Action = TakeOutOfService
	}
	if err := made.Normalize(); err != nil {
		return err
	}
	s.Actor, s.Reason, s.Since, s.Rule, s.Until = made.Actor, made.Reason, made.Time, made.Rule, made.Until
	return nil
}

// Comment is what a person wrote about an alert.
type Comment struct {
	ID, Alert, Actor, Text string
	Time                   time.Time
}

// CommentsInForce are the newest comments on the alerts of a device, oldest first: at most MaxComments.
type CommentsInForce struct {
	Comments []Comment
	Position
}

// MaxComments is the maximum number of comments that are kept of one device.
const MaxComments = 100

// Normalize checks the list. The error is an *InvalidError.
func (c *CommentsInForce) Normalize() error {
	if len(c.Comments) == 0 {
		c.Comments = nil
	}
	if len(c.Comments) > MaxComments {
		return Invalid("comments", "more than %d (got %d)", MaxComments, len(c.Comments))
	}
	for i := range c.Comments {
		comment := &c.Comments[i]
		made := Command{
			ID: comment.ID, Action: AddComment, Actor: comment.Actor, Reason: comment.Text, Time: comment.Time, Alert: comment.Alert,
		}
		if err := made.Normalize(); err != nil {
			return err
		}
		*comment = Comment{ID: made.ID, Alert: made.Alert, Actor: made.Actor, Text: made.Reason, Time: made.Time}
	}
	return nil
}
