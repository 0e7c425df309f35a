package push

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/view"
)

// Hub sends the present of the plant to WebSocket clients.
//
// Batches from the log change the View. In rounds, a few milliseconds apart, the changes since the last round are numbered and the
// clients are served one after the other: each gets what it has not seen, as one message of each kind. A message is encoded once for
// all clients with the same filter and cursor, and written by one call. A client whose connection does not accept it at once is left
// to a goroutine of its own and gets nothing more until it has caught up; meanwhile it costs only its cursor.
//
// The parts of the hub, each with its own state:
//   - feed numbers changes and keeps what clients that are behind still need (feed.go);
//   - clients knows who is connected and with which filter (clients.go);
//   - sessions knows from where a connection can be resumed (resume.go);
//   - backfills queues the clients that still need a part of the snapshot (backfill.go);
//   - composer makes messages of changes and of the view, once for all clients that share them (compose.go, changes.go, messages.go);
//   - rounds decides when a round begins, whom it serves and how much it may send (round.go, pace.go, batched.go);
//   - traces follows sampled states until a client has them (trace.go);
//   - each client writes to its link (client.go, link.go).
//
// Locks are taken in this order: a link's mu, the hub's mu, the view's. The hub's mu guards every part above but the links: those parts
// have no lock of their own, and their methods are called with mu held. A goroutine that holds mu never waits for a client, and never
// takes a link's mu. Metrics functions may be called with mu held: they must not block. The log of refused origins has a lock apart,
// under which no other is taken (origin.go).
type Hub struct {
	options  HubOptions
	limits   Limits
	view     *view.View
	upgrader websocket.Upgrader
	// urgent has Run begin a round as soon as it can; deferred has it begin one before long.
	urgent, deferred chan struct{}
	refused          refusals
	// running counts the goroutines of the clients.
	running sync.WaitGroup
	// handshakes holds one item for each handshake in progress.
	handshakes chan struct{}

	// mu guards what follows.
	mu        sync.Mutex
	feed      *feed
	clients   *clients
	sessions  *sessions
	backfills *backfills
	composer  *composer
	rounds    rounds
	traces    traces
	// rate is the readings per second that were last published.
	rate float64
}

// NewHub returns a hub without clients.
func NewHub(o HubOptions) *Hub {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	limits := o.Limits.withDefaults()
	// Numbers that start at the clock never run backwards over a restart: no hub numbers a million messages a second.
	first := uint64(o.Now().UnixMicro())
	h := &Hub{
		options:    o,
		limits:     limits,
		view:       o.View,
		urgent:     make(chan struct{}, 1),
		deferred:   make(chan struct{}, 1),
		handshakes: make(chan struct{}, handshakesAtOnce),
		feed:       newFeed(first, limits.Alerts, limits.AlertGrace),
		clients:    newClients(limits.Connections),
		sessions:   newSessions(first, limits.Connections),
		rounds:     rounds{bytesPerSecond: limits.BytesPerSecond},
		traces:     make(traces),
	}
	h.backfills = &backfills{wake: h.urgent}
	h.composer = newComposer(&h.options, limits, h.feed, h.clients, h.traces)
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: limits.WriteTimeout,
		// Clients send little, and messages are written as they are prepared: small buffers, borrowed while in use.
		ReadBufferSize:  512,
		WriteBufferSize: 512,
		WriteBufferPool: new(sync.Pool),
		CheckOrigin:     h.checkOrigin,
	}
	return h
}

// Apply applies a batch from the log. It waits for no client. The caller must not change the batch afterwards.
func (h *Hub) Apply(batch view.Batch) {
	h.mu.Lock()
	// Under one lock: a client whose snapshot has an alert must not be sent the same event again as a change.
	changed := h.view.Apply(batch)
	for _, r := range changed.Removed {
		h.composer.forget(r.Number)
		h.traces.forget(r.Number)
	}
	conflatedDevices, conflatedWindows := h.feed.change(changed)
	for _, traced := range batch.Traced {
		if number, known := h.view.Number(traced.Device); known {
			h.traces.add(number, traced.Span, time.Now())
		} else {
			endTrace(traced.Span, "forgotten")
		}
	}
	h.mu.Unlock()
	reportCount(h.options.Metrics.Conflated, "device", conflatedDevices)
	reportCount(h.options.Metrics.Conflated, "window", conflatedWindows)
	switch {
	case changed.Urgent():
		signal(h.urgent)
	case len(changed.Windows) > 0:
		signal(h.deferred)
	}
}

// signal wakes the goroutine that receives from the channel, which has room for one signal: more before it wakes change nothing.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run sends what changes until the context is cancelled; then it closes every connection, waits for the goroutines of the clients and
// returns nil. It is called once. What was applied before belongs to the snapshot and is not sent as a change: start Run when the log
// has been read up to the present.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.feed.pending.alerts = nil
	h.mu.Unlock()
	status := time.NewTicker(time.Second)
	defer status.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	statusDue := false
	// delayed fires when the first change that is not urgent has waited for long enough; nil while there is none.
	var delayed <-chan time.Time
	// batch fires when the clients that asked for batches are to be served; nil while nothing waits for them.
	var batch <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-status.C:
			if statusDue = statusDue || h.statusChanged(); statusDue {
				delayed = h.delay(delayed)
			}
			continue
		case <-h.deferred:
			delayed = h.delay(delayed)
			continue
		case <-delayed:
		case <-batch:
		case <-h.urgent:
		}
		delayed = nil
		h.sweep(h.round(statusDue))
		h.runBackfills()
		batch = h.batchTimer()
		pause.Reset(h.pause())
		statusDue = false
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
	h.shutdown()
	return nil
}
