package notify

import "errors"

// refused is the error of a receiver that will not take a message however often it is tried.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// Refused marks an error as final: the receiver refuses this message, and trying again brings nothing.
func Refused(err error) error { return refused{err} }

// IsRefused reports whether an error is marked as final.
func IsRefused(err error) bool {
	_, ok := errors.AsType[refused](err)
	return ok
}
