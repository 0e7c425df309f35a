package push

import "time"

// Metrics is told what the hub does. Each function may be nil; they must not block, and are called concurrently.
type Metrics struct {
	// Connections is told the number of open connections whenever it changes.
	Connections func(open int)
	// Sent is told of each message written to a client: its type and its size in bytes.
	Sent func(kind string, bytes int)
	// Conflated is told how many changes of a kind, "device" or "window", will never be sent because a newer one of the
	// same thing replaced them before a message was made.
	Conflated func(kind string, changes int)
	// Postponed is told how many changes of devices a message left for later, because more changed at once than all the
	// clients could be sent.
	Postponed func(changes int)
	// Disconnected is told why a connection ended, Refused why one was not accepted.
	Disconnected, Refused func(Reason)
	// Queued is told, at each round, how many clients are still writing what an earlier one gave them.
	Queued func(clients int)
	// Delivered is told the time from a reading's own timestamp to its writing, for one reading of each live message, and the
	// id of the trace that it belongs to if it is followed, "" otherwise.
	Delivered func(age time.Duration, traceID string)
}

// tell calls f unless it is nil.
func report[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// tellOf is tell for what is counted by kind.
func reportCount(f func(string, int), kind string, n int) {
	if f != nil && n > 0 {
		f(kind, n)
	}
}
