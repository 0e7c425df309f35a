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
	// Version is the server's version, for the hello message.
	Version string
	Limits  Limits
	// AllowedOrigins lists origins, such as "https://plant.example", whose pages may connect besides those of the host
	// itself. A client that sends no Origin is not a browser, and may connect.
	AllowedOrigins []string
	Metrics        Metrics
	// Log gets one line when the hub has closed; nil discards it.
	Log *slog.Logger
	// Compression offers permessage-deflate (RFC 7692) to clients, without context takeover. It costs the processor time of
	// compressing each message once for all viewers, and memory for a viewer only while its client sends a compressed message.
	Compression bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o HubOptions) withDefaults() HubOptions {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	return o
}

// Limits bounds what clients may do and cost. A field that is zero has its default.
type Limits struct {
	// Connections is how many viewers there may be; further handshakes get 503. Default 10,000.
	Connections int
	// MessageBytes is the largest message a client may send. Default 4096.
	MessageBytes int
	// FilterItems is the longest list in a filter. Default 200.
	FilterItems int
	// PingInterval is how often each client is sent a ping, PongTimeout how long the answer may take. Defaults 30 s and 10 s.
	PingInterval, PongTimeout time.Duration
	// WriteTimeout is how long a client may take to accept one message, or to send one that it has begun. Default 10 s.
	WriteTimeout time.Duration
	// Alerts is the minimum number of alert events that are kept for viewers that are behind or resume, AlertGrace the minimum time. A
	// viewer that needs an older one loses its connection; the next one starts from a snapshot. Defaults 4096 and 10 s.
	Alerts     int
	AlertGrace time.Duration
	// BytesPerSecond is approximately the maximum rate of readings to all viewers together, in bytes a second. If more changes, each
	// viewer is sent the newest first and the others as the rate allows. Default 256 MiB, which few plants ever reach.
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
