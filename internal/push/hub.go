package push

import (
	"context"
	"net/http"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// Hub sends the present of the plant to the viewers that are connected over WebSocket.
//
// Batches from the log change the View. In rounds, a few milliseconds apart, the changes since the last round are numbered and the
// viewers are served one after the other: each is sent what it has not seen, as one message of each kind. A message is encoded once for
// all viewers that have the same filter and have seen the same, and is written by one call. A viewer whose connection does not accept
// it at once is left to a goroutine of that connection and is sent nothing more until it has caught up; meanwhile it costs only the
// number up to which it has seen the changes.
//
// Hub only connects its parts. Each part has its own state:
//
//   - feed numbers the changes and keeps what viewers that are behind still need (feed.go, changelog.go);
//   - viewers knows who is connected and with which filter (viewers.go, viewer.go, filter.go);
//   - sessions knows from where a connection can be resumed (sessions.go);
//   - backfills queues the viewers that still need a part of the snapshot (backfill.go);
//   - composer makes messages of the feed and the view, once for all viewers that share them; it lists its own parts (composer.go);
//   - traces follows sampled states until a viewer has them (trace.go).
//
// These parts have no lock of their own: shared holds them, and its lock guards them all (shared.go). Three parts work on shared, one
// for each side of the hub, and a viewer's connection does the writing:
//
//   - shared itself applies what the log brings (shared.go);
//   - rounds decides whom a round serves and how much it may send, and schedule when it begins (rounds.go, schedule.go, pace.go,
//     batched.go);
//   - dispatcher hands each connection what its viewer is to be sent (dispatcher.go);
//   - endpoint makes connections of HTTP requests (endpoint.go, opening.go, handshakes.go, origin.go);
//   - connection reads from and writes to one client, through its link (connection.go, receive.go, link.go).
//
// Locks are acquired in this order: a link's, that of shared, the view's. A goroutine that holds the lock of shared never waits for a
// client, and never acquires the lock of a link. Functions of Metrics may be called with it held: they must not block. origins has a
// lock of its own, under which no other is acquired.
type Hub struct {
	shared     *shared
	schedule   *schedule
	rounds     *rounds
	dispatcher *dispatcher
	endpoint   *endpoint
}

// NewHub returns a hub without viewers.
func NewHub(o HubOptions) *Hub {
	o = o.withDefaults()
	h := &Hub{schedule: newSchedule()}
	h.shared = newShared(&o, h.schedule.urgent)
	h.rounds = &rounds{shared: h.shared}
	h.dispatcher = &dispatcher{shared: h.shared}
	h.endpoint = newEndpoint(&o, h.dispatcher, h.rounds.sweeping)
	return h
}

// Apply applies a batch from the log. It waits for no client. The caller must not change the batch afterwards.
func (h *Hub) Apply(batch view.Batch) {
	changed := h.shared.apply(batch)
	switch {
	case changed.Urgent():
		signal(h.schedule.urgent)
	case len(changed.Windows) > 0:
		signal(h.schedule.deferred)
	}
}

// TypesChanged has the viewers be sent the device types of the catalog, because there are more of them. It waits for no client.
func (h *Hub) TypesChanged() {
	h.shared.mu.Lock()
	h.shared.feed.pending.types = true
	h.shared.mu.Unlock()
	signal(h.schedule.urgent)
}

// SetRules has the viewers be sent which alert rules are in force, now and when they connect: see wire.AlertRulesInForce. The hub does not evaluate them. It waits
// for no client.
func (h *Hub) SetRules(rules []iot.Rule) {
	inForce := wire.FromRules(rules, h.shared.options.View.Tenant())
	h.shared.mu.Lock()
	h.shared.composer.encoder.rules = inForce
	h.shared.feed.pending.rules = true
	h.shared.mu.Unlock()
	signal(h.schedule.urgent)
}

// Run sends what changes until the context is cancelled; then it closes every connection, waits for their goroutines and returns nil.
// It is called once. What was applied before belongs to the snapshot and is not sent as a change: start Run when the log has been read
// up to the present.
func (h *Hub) Run(ctx context.Context) error {
	h.shared.discardAlerts()
	h.schedule.run(ctx, h.rounds)
	h.dispatcher.close()
	return nil
}

// ServeHTTP makes a WebSocket connection of a GET request; parseOpening says what its query may carry. It answers a POST, by which a
// page asks why it cannot connect.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.endpoint.serveHTTP(w, r) }
