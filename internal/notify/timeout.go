package notify

import "time"

const (
	// SendTimeout is how long a receiver has for one message, from the connection to the end of its answer.
	SendTimeout = 30 * time.Second
	// ConnectTimeout is how long it has of that to accept the connection.
	ConnectTimeout = 10 * time.Second
)
