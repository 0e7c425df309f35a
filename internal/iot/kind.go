package iot

// Kind is what a record of the readings' log is about. The zero Kind is a reading. A Kind that is none of the constants was
// written by a newer program, or by another one.
type Kind string

// The kinds of records.
const (
	KindReading Kind = ""
	// KindTick carries only its append time, which moves the clock of a partition in which no device sends.
	KindTick Kind = "tick"
	// KindStatus is a StatusReport.
	KindStatus Kind = "status"
	// KindDevice is a DeviceEntry. Without a value, it asks to forget the device of its key.
	KindDevice Kind = "device"
	// KindCommand is a Command.
	KindCommand Kind = "command"
	// KindRule is a RuleEntry.
	KindRule Kind = "rule"
	// KindSettings is a Settings.
	KindSettings Kind = "settings"
	// KindOutage is an Outage, whose key is the parent.
	KindOutage Kind = "outage"
	// KindReference is a Reference, whose key is the Peers.
	KindReference Kind = "reference"
	// KindPoints is Points, whose key is the Machine.
	KindPoints Kind = "points"
	// KindLevel has no value. It enables the level that it has itself: from it on, what is committed may be of that level, which
	// older programs do not know.
	KindLevel Kind = "level"
)

// kindReadingName is the name of KindReading.
const kindReadingName = "reading"

// ParseKind returns the kind with the given name.
func ParseKind(name string) Kind {
	if name == kindReadingName {
		return KindReading
	}
	return Kind(name)
}

// String returns the name of the kind.
func (k Kind) String() string {
	if k == KindReading {
		return kindReadingName
	}
	return string(k)
}

// Deciding reports whether records of the kind decide how the records after them are processed. A program that does not
// understand such a record must not go on behind it. Any other record that it does not understand may be skipped.
func (k Kind) Deciding() bool {
	switch k {
	case KindDevice, KindCommand, KindRule, KindSettings, KindLevel, KindOutage, KindReference, KindPoints:
		return true
	}
	return false
}

// RecordKind is the kind of a record with its level.
type RecordKind struct {
	Kind Kind
	// Level is the level of the record's form, 1 or higher. A higher level has something that a program which knows only the
	// lower ones must not ignore. 0 counts as 1. A reading has no levels: its form only grows by optional fields.
	Level uint8
	// Deciding is set for a record that was written as a deciding one, so that it is known to be one even if its kind is not.
	Deciding bool
}

// Decides reports whether the record is a deciding one; see Kind.Deciding.
func (k RecordKind) Decides() bool { return k.Deciding || k.Kind.Deciding() }
