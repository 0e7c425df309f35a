package process

import (
	"fmt"

	"iotmon/internal/iot"
)

// UnsupportedError is returned before a record that decides how those after it are processed, and that this version does not
// know: a newer one has written it, and has to process the partition.
type UnsupportedError struct {
	Offset int64
	iot.RecordKind
}

// Error names the record and what to do.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the record at offset %d is of the kind %q, level %d, which this version of iotmon does not know: install the version that wrote it",
		e.Offset, e.Kind, e.Level)
}

// unsupported returns an *UnsupportedError if the partition must not be processed beyond the record, otherwise nil.
func (rec *Record) unsupported() error {
	if rec.Kind == iot.KindReading || !rec.Decides() || rec.known() {
		return nil
	}
	return &UnsupportedError{rec.Offset, rec.RecordKind}
}

// known reports whether this version knows the record's kind, and the level of its form.
func (rec *Record) known() bool {
	switch rec.Kind {
	case iot.KindReading:
		return true
	case iot.KindTick, iot.KindOutage, iot.KindReference, iot.KindPoints:
		return rec.Level <= 1
	case iot.KindStatus:
		return rec.Level <= iot.StatusLevelInterval
	case iot.KindDevice:
		return rec.Level <= iot.EntryLevelParent
	case iot.KindRule:
		return rec.Level <= iot.RuleLevelPoints
	case iot.KindCommand:
		return rec.Level <= iot.CommandLevelReset
	case iot.KindSettings:
		return rec.Level <= iot.SettingsLevelTypes
	case iot.KindLevel:
		return rec.Level <= MaxLevel
	}
	return false
}
