package iot

import "fmt"

// InvalidError is the reason why one message was refused. It is an input error: sending the same bytes again fails again.
type InvalidError struct {
	// Field is the JSON path of the offending field, such as "value" or "location.floor"; empty for the whole message.
	Field string
	// Reason is lower case and contains the value, for instance `not a finite number (got NaN)`.
	Reason string
}

// Error returns "field: reason", or the reason alone when the message as a whole is wrong.
func (e *InvalidError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Invalid returns an *InvalidError for field whose reason is formatted from format and args.
func Invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
