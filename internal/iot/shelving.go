package iot

import (
	"slices"
	"time"
)

// Apply returns what is shelved after a reversible command, when the log's clock is now; s is nil if nothing ever was. revision is the
// Position.Offset of the command's record. If the command is refused it returns nil; the outcome says why, and what remains shelved.
func (s *ShelvedInForce) Apply(c *Command, now time.Time, revision int64) (*ShelvedInForce, Outcome) {
	if s == nil {
		s = new(ShelvedInForce)
	}
	if c.Revision != s.Revision {
		return nil, s.changed()
	}
	next := &ShelvedInForce{Revision: revision, Commands: append(slices.Clone(s.Commands), c.ID)}
	next.Commands = next.Commands[max(0, len(next.Commands)-MaxShelvingCommands):]
	for _, shelving := range s.Shelvings {
		if shelving.Rule != c.Rule || shelving.OutOfService != c.aboutService() {
			next.Shelvings = append(next.Shelvings, shelving)
		}
	}
	switch c.Action {
	case Unshelve, ReturnToService:
		outcome := Outcome{Remains: remaining(next.Suppression(c.Rule, now))}
		if len(next.Shelvings) == len(s.Shelvings) {
			outcome.Refused = NothingToEnd
			return nil, outcome
		}
		return next, outcome
	case Shelve:
		if !c.Until.After(now) {
			return nil, Outcome{Refused: EndPassed}
		}
	}
	if len(next.Shelvings) >= MaxShelvings {
		return nil, Outcome{Refused: TooManyShelvings}
	}
	next.Shelvings = append(next.Shelvings, Shelving{
		Rule: c.Rule, OutOfService: c.aboutService(), Until: c.Until, OneShot: c.OneShot, Actor: c.Actor, Reason: c.Reason, Since: c.Time, Revision: revision,
	})
	return next, Outcome{}
}

// Executed reports whether the command with an id is among the last that have changed what is shelved. s may be nil.
func (s *ShelvedInForce) Executed(id string) bool { return s != nil && slices.Contains(s.Commands, id) }

// changed returns the outcome of a command that saw another revision. Who has made the last change is known if it was a shelving that holds.
func (s *ShelvedInForce) changed() Outcome {
	outcome := Outcome{Refused: ChangedMeanwhile}
	for i := range s.Shelvings {
		if last := &s.Shelvings[i]; last.Revision == s.Revision {
			outcome.By, outcome.At = last.Actor, last.Since
		}
	}
	return outcome
}

// aboutService reports whether the command takes out of service or returns to it, as opposed to shelving.
func (c *Command) aboutService() bool {
	return c.Action == TakeOutOfService || c.Action == ReturnToService
}

// Ends returns the earliest planned end of a shelving, zero if there is none.
func (s *ShelvedInForce) Ends() time.Time {
	var first time.Time
	for i := range s.Shelvings {
		if until := s.Shelvings[i].Until; !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
}

// End returns what is shelved when the log's clock is now: the shelvings whose planned end has come are gone. revision is the
// Position.Offset of the record that brought the end.
func (s *ShelvedInForce) End(now time.Time, revision int64) *ShelvedInForce {
	kept := slices.DeleteFunc(slices.Clone(s.Shelvings), func(shelving Shelving) bool { return shelving.ended(now) })
	if len(kept) == 0 {
		kept = nil
	}
	return &ShelvedInForce{Shelvings: kept, Revision: revision, Commands: s.Commands}
}

// EndOneShot returns what is shelved once an alert of the rule has cleared: a one-shot shelving of the rule is gone. revision is the
// Position.Offset of the record that brought the end. It returns nil if there is none. s may be nil.
func (s *ShelvedInForce) EndOneShot(rule string, revision int64) *ShelvedInForce {
	ends := func(shelving Shelving) bool { return shelving.OneShot && shelving.Rule == rule }
	if s == nil || !slices.ContainsFunc(s.Shelvings, ends) {
		return nil
	}
	kept := slices.DeleteFunc(slices.Clone(s.Shelvings), ends)
	if len(kept) == 0 {
		kept = nil
	}
	return &ShelvedInForce{Shelvings: kept, Revision: revision, Commands: s.Commands}
}

func (s *Shelving) ended(now time.Time) bool { return !s.OutOfService && !s.Until.After(now) }

// Suppression returns the shelving by which alerts of a rule are suppressed when the log's clock is now, nil if they are not: of several
// the one that ends last. s may be nil.
func (s *ShelvedInForce) Suppression(rule string, now time.Time) (by *Shelving) {
	if s == nil {
		return nil
	}
	for i := range s.Shelvings {
		shelving := &s.Shelvings[i]
		switch {
		case shelving.Rule != "" && shelving.Rule != rule, shelving.ended(now):
		case shelving.OutOfService:
			return shelving
		case by == nil || shelving.Until.After(by.Until):
			by = shelving
		}
	}
	return by
}

// Upsert returns the comments after a command of action AddComment; c is nil if there were none. Of more than MaxComments the oldest are
// dropped. It returns nil if nothing changes: the comment, or a later version of it, is there already. A request that is sent again makes a later
// command with the same text.
func (c *CommentsInForce) Upsert(command *Command) *CommentsInForce {
	comment := Comment{ID: command.ID, Alert: command.Alert, Actor: command.Actor, Text: command.Reason, Time: command.Time}
	next := new(CommentsInForce)
	if c != nil {
		next.Comments = slices.Clone(c.Comments)
	}
	i := slices.IndexFunc(next.Comments, func(other Comment) bool { return other.ID == comment.ID })
	switch {
	case i < 0:
		next.Comments = append(next.Comments, comment)
		next.Comments = next.Comments[max(0, len(next.Comments)-MaxComments):]
	case !comment.Time.After(next.Comments[i].Time), comment.sameAs(&next.Comments[i]):
		return nil
	default:
		next.Comments[i] = comment
	}
	return next
}

// sameAs reports whether the comments differ in their time at most.
func (c Comment) sameAs(other *Comment) bool {
	c.Time = other.Time
	return c == *other
}
