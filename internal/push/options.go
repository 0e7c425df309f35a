package push

import (
	"log/slog"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// HubOptions sets up a Hub. Only View and Catalog must be given.
type HubOptions struct {
	View    *view.View
	Catalog *iot.Catalog
	// Rules are the alert rules that hello lists; the hub does not evaluate them.
	Rules []iot.Rule
	// Version is the server's version, for hello.
	Version string
	Limits  Limits
	// AllowedOrigins lists origins, such as "https://plant.example", whose pages may connect besides those of the host
	// itself. A client that sends no Origin is no browser, and may.
	AllowedOrigins []string
	Metrics        Metrics
	// Log gets one line when the hub has closed; nil discards it.
	Log *slog.Logger
	// Compression offers permessage-deflate (RFC 7692) to clients, without context takeover. It costs the processor time of
	// compressing each message once, and memory for a client only while that sends a compressed message itself.
	Compression bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits bounds what clients may do and cost. Zero fields mean the default.
type Limits struct {
	// Connections is the largest number of clients; the excess gets 503. Default 10,000.
	Connections int
	// MessageBytes is the largest message a client may send. Default 4096.
	MessageBytes int
	// FilterItems is the longest list in a filter. Default 200.
	FilterItems int
	// PingInterval is how often a silent connection is tried, PongTimeout how long the answer may take. Defaults 30 s, 10 s.
	PingInterval, PongTimeout time.Duration
	// WriteTimeout is how long a client may take to accept one message. Default 10 s.
	WriteTimeout time.Duration
	// Alerts is how many alert events at least are kept for clients that are behind or come back, AlertGrace how long at
	// least. A client still behind loses the connection; its next one starts from a snapshot. Defaults 4096 and 10 s.
	Alerts     int
	AlertGrace time.Duration
	// BytesPerSecond is about how many bytes of readings all clients together are sent a second. If more changes, each client gets the
	// newest first and the others when there is room. Default 256 MiB, which few plants and viewers ever reach.
	BytesPerSecond int
}

func (l Limits) withDefaults() Limits {
	l.Connections = orDefault(l.Connections, 10_000)
	l.MessageBytes = orDefault(l.MessageBytes, 4096)
	l.FilterItems = orDefault(l.FilterItems, 200)
	l.PingInterval = orDefault(l.PingInterval, 30*time.Second)
	l.PongTimeout = orDefault(l.PongTimeout, 10*time.Second)
	l.WriteTimeout = orDefault(l.WriteTimeout, 10*time.Second)
	l.Alerts = orDefault(l.Alerts, 4096)
	l.AlertGrace = orDefault(l.AlertGrace, 10*time.Second)
	l.BytesPerSecond = orDefault(l.BytesPerSecond, 256<<20)
	return l
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
