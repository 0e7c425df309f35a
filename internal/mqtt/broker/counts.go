package broker

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
)

// refusal is why a connection was refused.
type refusal string

const (
	refusedConnections refusal = "max_connections"
	refusedAddress     refusal = "max_connections_per_address"
	refusedStranger    refusal = "too_many_without_connect"
	refusedSilent      refusal = "no_connect"
	refusedProtocol    refusal = "protocol"
	refusedTLS         refusal = "tls"
	refusedLogin       refusal = "login"
	refusedSessions    refusal = "max_sessions"
	refusedBusy        refusal = "busy"
	refusedWills       refusal = "max_wills"
)

// What happens to messages beside their delivery, by reason.
const (
	dropQueueFull    = "queue_full"
	dropExpired      = "expired"
	dropTooLarge     = "too_large_for_client"
	dropRetainedFull = "retained_full"
	dropWillsFull    = "wills_full"
	dropWillReplaced = "will_replaced"
	dropWillFailed   = "will_failed"
	refusedTopic     = "not_allowed"
	refusedTooLong   = "too_long"
)

// endTooSlow is why a connection ends whose long packet comes too slowly while others wait.
const endTooSlow = "too_slow"

// counts count what has happened since the process began. They may be used concurrently.
type counts struct {
	connected, takenOver, evicted, wills, failures atomic.Int64
	received, delivered, slowed                    atomic.Int64
	refusedSubscriptions, unsentRetained           atomic.Int64

	mu sync.Mutex
	// What follows is guarded by mu.
	drops, refusals, refusedByReason, ends map[string]int64
}

func (c *counts) init() {
	c.drops = zeros(dropQueueFull, dropExpired, dropTooLarge, dropRetainedFull, dropWillsFull, dropWillReplaced, dropWillFailed)
	c.refusals = zeros(refusedConnections, refusedAddress, refusedStranger, refusedSilent, refusedProtocol, refusedTLS, refusedLogin, refusedSessions, refusedBusy, refusedWills)
	c.refusedByReason, c.ends = zeros(refusedTopic, refusedTooLong), zeros("lost", "disconnected", "protocol", endTooSlow)
	for _, reason := range endReasons {
		c.ends[reason] = 0
	}
}

// zeros returns the count of each reason, so that monitoring sees the first one as well: a counter that appears with 1 has not grown.
func zeros[R ~string](reasons ...R) map[string]int64 {
	counts := make(map[string]int64, len(reasons))
	for _, reason := range reasons {
		counts[string(reason)] = 0
	}
	return counts
}

// endReasons name why the broker ends connections.
var endReasons = map[byte]string{
	reasonKeepAlive: "keep_alive", reasonTakenOver: "taken_over", reasonShutdown: "shutdown", reasonAdministrative: "revoked", reasonQuota: "does_not_read",
	reasonTooLarge: "packet_too_large", reasonReceiveMaximum: "receive_maximum",
}

func (c *counts) add(to map[string]int64, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to[reason]++
}

func (c *counts) dropped(reason string)         { c.add(c.drops, reason) }
func (c *counts) refused(why refusal)           { c.add(c.refusals, string(why)) }
func (c *counts) refusedMessages(reason string) { c.add(c.refusedByReason, reason) }

// ended counts a connection that has ended, by why.
func (c *counts) ended(err error) {
	reason := "lost"
	if errors.Is(err, errSlow) {
		reason = endTooSlow
	} else if end, ok := errors.AsType[*endError](err); ok {
		reason = endReasons[end.reason]
		if reason == "" {
			reason = "protocol"
		}
	} else if errors.Is(err, errLeft) {
		reason = "disconnected"
	}
	c.add(c.ends, reason)
}

// Stats is what a broker has and what has happened since the process began.
type Stats struct {
	// Clients are connected, Sessions those and absent ones.
	Clients, Sessions, Subscriptions int
	Retained                         int
	RetainedBytes, QueuedBytes       int64
	Connected, TakenOver, Evicted    int64
	Received, Delivered, Wills       int64
	// Slowed are messages that had to wait because of MaxRate, and Failures packets at which the broker failed.
	Slowed, Failures, RefusedSubscriptions int64
	// UnsentRetained are subscriptions whose retained messages were not sent: those of too many others of the client waited. WaitingWills are last wills
	// that wait for the log.
	UnsentRetained int64
	WaitingWills   int
	// Dropped are messages that a subscriber has not got, that were not retained, or last wills that are not in the log, Refused connections, RefusedMessages messages, and Ended
	// connections, all by reason.
	Dropped, Refused, RefusedMessages, Ended map[string]int64
}

// Clients returns how many clients are connected.
func (b *Broker) Clients() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.online)
}

// Stats returns the present numbers.
func (b *Broker) Stats() Stats {
	c := &b.counts
	s := Stats{
		Subscriptions: b.tree.size(), QueuedBytes: b.queued.used.Load(), Connected: c.connected.Load(), TakenOver: c.takenOver.Load(), Evicted: c.evicted.Load(),
		Received: c.received.Load(), Delivered: c.delivered.Load(), Wills: c.wills.Load(), Slowed: c.slowed.Load(), Failures: c.failures.Load(),
		RefusedSubscriptions: c.refusedSubscriptions.Load(), UnsentRetained: c.unsentRetained.Load(), WaitingWills: b.wills.size(),
	}
	s.Retained, s.RetainedBytes = b.retained.size()
	b.mu.Lock()
	s.Clients, s.Sessions = len(b.online), len(b.sessions)
	b.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Dropped, s.Refused, s.RefusedMessages, s.Ended = maps.Clone(c.drops), maps.Clone(c.refusals), maps.Clone(c.refusedByReason), maps.Clone(c.ends)
	return s
}
