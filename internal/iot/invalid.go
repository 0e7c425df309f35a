package iot

import "fmt"

// InvalidError is the reason why one message was refused. It is an input error: sending the same bytes again fails again.
type InvalidError struct {
	// Field is the JSON path of the offending field, such as "value" or "location.floor"; empty for the whole message.
	Field string
	// Reason is lower case and contains the value, for instance `not a finite number (got NaN)`.
	Reason string

	// format and args are those that Reason is made of, of is the name of the value that Of has added.
	format string
	args   []any
	of     string
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
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...), format: format, args: args}
}

// Of returns the error of one value of a message that has several, with the quoted name of the value in its reason.
func (e *InvalidError) Of(value string) *InvalidError {
	of := *e
	of.of = Quote(value)
	of.Reason += ", in the value " + of.of
	return &of
}

// Parts returns what Invalid has made the reason of, and the quoted name of the value that Of has added, so that the reason can be said in another
// language. They are empty if the error was not made by Invalid.
func (e *InvalidError) Parts() (format string, args []any, of string) { return e.format, e.args, e.of }
