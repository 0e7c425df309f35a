package iot

import "time"

// Action is what a Command does.
type Action string

// The actions. Shelve and Unshelve, and TakeOutOfService and ReturnToService, reverse one another.
const (
	Acknowledge      Action = "acknowledge"
	AddComment       Action = "comment"
	Reset            Action = "reset"
	Shelve           Action = "shelve"
	Unshelve         Action = "unshelve"
	TakeOutOfService Action = "out_of_service"
	ReturnToService  Action = "in_service"
)

// MaxCommandID is the maximum length in bytes of the ids in a command: its own, the actor's and the alert's.
const MaxCommandID = 64

// Command is what a person has decided about an alert or a rule of one device: the value of a record of KindCommand, whose
// key is the device.
type Command struct {
	// ID identifies the command. One with the ID of an earlier one is not executed again; see Outcome.
	ID     string
	Action Action
	// Actor is the opaque id of the person. Names of people are not in the log.
	Actor string
	// Reason is why; it is the text of a comment. Only a comment needs one.
	Reason string
	// Time is when the command was given.
	Time time.Time
	// Alert is the id of the alert that is acknowledged, commented or reset: one occurrence, not a later one of the same rule.
	Alert string
	// Rule is the Alert.Rule of what is shelved, unshelved, taken out of service or returned to it; empty means the whole device.
	Rule string
	// Until is the planned end of shelving. OneShot ends it earlier, as soon as an alert of the rule clears.
	Until   time.Time
	OneShot bool
	// Revision is the ShelvedInForce.Revision of the device that the person saw, 0 if nothing was ever shelved there. A command that can
	// be reversed is refused if there was another change since.
	Revision int64
	// Key is that of the request that the command is from, which may be about many alerts, and Request distinguishes this request from any other one
	// that was sent with the same key. Both are empty in a command of an older version; see Origin.
	Key, Request string
}

// The levels of commands; see RecordKind.
const (
	CommandLevelPlain = 1
	// CommandLevelReset adds Reset, and OneShot.
	CommandLevelReset = 2
)

// Level returns the level of the record that holds the command.
func (c *Command) Level() uint8 {
	if c.Action == Reset || c.OneShot {
		return CommandLevelReset
	}
	return CommandLevelPlain
}

// reversible reports whether the command changes a rule of a device until another command reverses it.
func (c *Command) reversible() bool {
	switch c.Action {
	case Shelve, Unshelve, TakeOutOfService, ReturnToService:
		return true
	}
	return false
}

// Normalize checks the command and puts it into canonical form. The error is an *InvalidError.
func (c *Command) Normalize() error {
	switch {
	case c.Action == Acknowledge, c.Action == AddComment, c.Action == Reset, c.reversible():
	default:
		return Invalid("action", "unknown (got %s)", Quote(string(c.Action)))
	}
	if err := normalizeKey("id", &c.ID, MaxCommandID); err != nil {
		return err
	}
	if err := normalizeKey("actor", &c.Actor, MaxCommandID); err != nil {
		return err
	}
	if err := c.normalizeOrigin(); err != nil {
		return err
	}
	if err := normalizeText("reason", &c.Reason, MaxReason); err != nil {
		return err
	}
	if err := normalizeMoment("time", &c.Time, DefaultEarliest); err != nil {
		return err
	}
	if c.reversible() {
		return c.normalizeReversible()
	}
	return c.normalizeForAlert()
}

// normalizeOrigin checks what says of which request the command is.
func (c *Command) normalizeOrigin() error {
	if c.Key == "" && c.Request == "" {
		return nil
	}
	if err := normalizeKey("key", &c.Key, MaxCommandID); err != nil {
		return err
	}
	return normalizeKey("request", &c.Request, MaxCommandID)
}

// normalizeForAlert checks what only a command about one alert has.
func (c *Command) normalizeForAlert() error {
	if c.Action == AddComment && c.Reason == "" {
		return Invalid("reason", "missing: it is the text of the comment")
	}
	if c.Rule != "" || !c.Until.IsZero() || c.OneShot || c.Revision != 0 {
		return Invalid("action", "%s has no rule, until, one_shot or revision", c.Action)
	}
	return normalizeKey("alert", &c.Alert, MaxCommandID)
}

// normalizeReversible checks what only a reversible command has.
func (c *Command) normalizeReversible() error {
	if c.Alert != "" {
		return Invalid("alert", "%s is about a rule, not an alert (got %s)", c.Action, Quote(c.Alert))
	}
	if c.Rule != "" {
		if err := normalizeKey("rule", &c.Rule, maxAlertRule); err != nil {
			return err
		}
	}
	if c.Revision < 0 {
		return Invalid("revision", "must not be negative (got %d)", c.Revision)
	}
	if c.Action != Shelve {
		if !c.Until.IsZero() || c.OneShot {
			return Invalid("until", "only shelving has an end")
		}
		return nil
	}
	if err := normalizeMoment("until", &c.Until, DefaultEarliest); err != nil {
		return err
	}
	if !c.Until.After(c.Time) {
		return Invalid("until", "must be after the command (got %s)", c.Until.Format(time.RFC3339))
	}
	if c.OneShot && c.Rule == "" {
		return Invalid("one_shot", "ends with an alert of a rule, so it needs the rule")
	}
	return nil
}
