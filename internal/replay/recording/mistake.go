package recording

import (
	"errors"
	"fmt"
)

// LayoutError is a mistake in the user's description of a recording, or a property that only the user can know. It is found
// before the first row.
type LayoutError struct{ error }

func (e *LayoutError) Unwrap() error { return e.error }

func mistake(format string, args ...any) error { return &LayoutError{fmt.Errorf(format, args...)} }

// RowError is the reason why one row cannot be read. The rows after it can still be read.
type RowError struct {
	// Line is the line on which the row begins, from 1.
	Line          int
	Field, Reason string
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Reason) }

// ErrMissing means that a cell has no value.
var ErrMissing = errors.New("no value")

var errRecordTooLong = errors.New("record too long")
