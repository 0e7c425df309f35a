package push

import "time"

// Metrics receives what the hub reports. Each function may be nil. They are called concurrently, some with the hub's lock held: they
// must neither block nor call the hub.
type Metrics struct {
	// Connections receives the number of open connections whenever it changes.
	Connections func(open int)
	// Sent receives the type and the size in bytes of each message that was written to a client.
	Sent func(kind string, bytes int)
	// Conflated receives how many changes of a kind, "device" or "window", will never be sent because a newer one of the
	// same thing replaced them before a message was made.
	Conflated func(kind string, changes int)
	// Postponed receives how many changes of devices a message left for later, because more changed at once than all clients could be
	// sent.
	Postponed func(changes int)
	// Disconnected receives why a connection ended, Refused why one was not accepted.
	Disconnected, Refused func(Reason)
	// Queued receives, at each round, to how many clients the messages of an earlier round are still being written.
	Queued func(clients int)
	// Delivered receives the time from a reading's own timestamp to its writing, for one reading of each live message, and the
	// id of the trace that it belongs to if it is followed, "" otherwise.
	Delivered func(age time.Duration, traceID string)
}

// report calls f unless it is nil.
func report[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// reportCount is report for what is counted by kind.
func reportCount(f func(string, int), kind string, n int) {
	if f != nil && n > 0 {
		f(kind, n)
	}
}
