package iot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Refusal is why a command has changed nothing.
type Refusal string

// The refusals.
const (
	// UnknownDevice means that nothing is known of the device where its readings are processed.
	UnknownDevice Refusal = "unknown_device"
	// AlertOver means that the alert waits for nobody: it has cleared, and has been acknowledged or need not be any more.
	AlertOver Refusal = "over"
	// AlreadyAcknowledged has who has acknowledged the alert, and when.
	AlreadyAcknowledged Refusal = "already_acknowledged"
	// NotLatched is of a reset: the condition of the alert is violated, or its rule does not latch it.
	NotLatched Refusal = "not_latched"
	// NotAcknowledged is of a reset, before which an alert has to be acknowledged.
	NotAcknowledged Refusal = "not_acknowledged"
	// ChangedMeanwhile means that what of the device is shelved has changed since the person saw it. It has who has changed it, and when, if
	// that is known.
	ChangedMeanwhile Refusal = "changed_meanwhile"
	// NothingToEnd means that what was to end is not there: the rule, or the device as a whole, is not shelved, or not out of service.
	NothingToEnd Refusal = "nothing_to_end"
	// EndPassed means that the end of the shelving has passed.
	EndPassed Refusal = "end_passed"
	// TooManyShelvings means that the device has MaxShelvings.
	TooManyShelvings Refusal = "too_many_shelvings"
	// KeyReused means that the key of the request is that of another request.
	KeyReused Refusal = "key_reused"
)

// Remaining is what suppresses the alerts of a rule on a device all the same after something of it has ended.
type Remaining string

// What may remain: the rule itself, or the device as a whole, is shelved or out of service.
const (
	RuleShelved        Remaining = "shelved"
	DeviceShelved      Remaining = "device_shelved"
	RuleOutOfService   Remaining = "out_of_service"
	DeviceOutOfService Remaining = "device_out_of_service"
)

// remaining returns what a shelving is, nothing if it is nil.
func remaining(by *Shelving) Remaining {
	switch {
	case by == nil:
		return ""
	case by.OutOfService && by.Rule == "":
		return DeviceOutOfService
	case by.OutOfService:
		return RuleOutOfService
	case by.Rule == "":
		return DeviceShelved
	default:
		return RuleShelved
	}
}

// Outcome is what the processor has done with a command. It remembers it for OutcomeSpan, so that the sender gets the truth, and a request
// that is sent again is executed once.
type Outcome struct {
	// ID, Key and Request are those of Command.Origin.
	ID, Key, Request string
	// Refused is why it has changed nothing; empty if it was executed.
	Refused Refusal
	// By is the opaque id of the person who has acknowledged the alert or, of ChangedMeanwhile, changed what is shelved, and At when; empty and
	// zero of anything else, and if that is not known.
	By string
	At time.Time
	// State is where the alert that the command names is in its life after it; empty if the processor does not know the alert any more.
	State LifeState
	// Remains is what suppresses the alerts of the rule after a command that ends something.
	Remains Remaining
	// Time is that of the log when the command was processed.
	Time time.Time
	Position
}

// The processor of a partition remembers what it has done with a command for OutcomeSpan by the log's clock, and longer until the next command.
// Of more than MaxOutcomes it forgets the oldest earlier.
const (
	OutcomeSpan = 24 * time.Hour
	MaxOutcomes = 10_000
)

// Origin returns the id under which the outcome of a command about a device is remembered, the key of the request that the command is from, and what
// distinguishes that request from others with the key. A command of an older version says nothing of a request: it is one of its own, whose id
// another device may have, too, and whose end may have been given as seconds from then.
func (c *Command) Origin(device Identity) (id, key, request string) {
	if c.Request != "" {
		return c.ID, c.Key, c.Request
	}
	id = Fingerprint(device.String(), c.ID)
	return id, id, Fingerprint(string(c.Action), c.Actor, c.Reason, c.Alert, c.Rule, fmt.Sprint(c.OneShot))
}

// Fingerprint returns a text of 32 characters that distinguishes the parts from others.
func Fingerprint(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// Normalize checks the outcome. The error is an *InvalidError.
func (o *Outcome) Normalize() error {
	for _, key := range []struct {
		field string
		text  *string
	}{{"id", &o.ID}, {"key", &o.Key}, {"request", &o.Request}} {
		if err := normalizeKey(key.field, key.text, MaxCommandID); err != nil {
			return err
		}
	}
	if o.By != "" {
		if err := normalizeKey("by", &o.By, MaxCommandID); err != nil {
			return err
		}
	}
	for _, word := range []struct{ field, text string }{{"refused", string(o.Refused)}, {"state", string(o.State)}, {"remains", string(o.Remains)}} {
		if len(word.text) > MaxCommandID { // A newer version may know further ones.
			return Invalid(word.field, "longer than %d bytes", MaxCommandID)
		}
	}
	if !o.At.IsZero() {
		if err := normalizeMoment("at", &o.At, DefaultEarliest); err != nil {
			return err
		}
	}
	return normalizeMoment("time", &o.Time, DefaultEarliest)
}
