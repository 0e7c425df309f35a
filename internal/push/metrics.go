package push

import "time"

// Metrics receives what the hub reports. Each function may be nil. They are called concurrently, some with a lock of the hub held: they
// must neither block nor call the hub.
type Metrics struct {
	// Connections receives the number of open connections whenever it changes.
	Connections func(open int)
	// Sent receives the type and the size in bytes of each message that was written to a viewer.
	Sent func(kind string, bytes int)
	// Conflated receives how many changes of a kind, "device" or "window", will never be sent because a newer one of the
	// same device or window replaced them before a message was made.
	Conflated func(kind string, changes int)
	// Postponed receives how many changes of devices were left for later, because more changed at once than all viewers could be sent.
	Postponed func(changes int)
	// Disconnected receives why a connection ended, Refused why one was not accepted.
	Disconnected, Refused func(Reason)
	// Queued receives in each round how many viewers are still being written messages of an earlier round.
	Queued func(viewers int)
	// Delivered receives the time from a reading's own timestamp to its writing, for one reading of each message with changes of devices,
	// and the id of the reading's trace, "" if it is not traced.
	Delivered func(age time.Duration, traceID string)
}

// report calls f unless it is nil.
func report[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// reportCount calls f with a count of a kind, unless f is nil or the count zero.
func reportCount(f func(string, int), kind string, n int) {
	if f != nil && n > 0 {
		f(kind, n)
	}
}
