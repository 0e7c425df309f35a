package push

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// HubOptions sets up a Hub. Only View and Catalog must be given.
type HubOptions struct {
	View    *view.View
	Catalog *iot.Catalog
	// Rules is what the greeting tells of the alerts; it decides nothing.
	Rules []iot.Rule
	// Version is the server's version, for the greeting.
	Version string
	Limits  Limits
	// AllowedOrigins lists origins, such as "https://plant.example", whose pages may connect besides those of the host
	// itself. A client that sends no Origin is no browser, and may.
	AllowedOrigins []string
	Metrics        Metrics
	// Log gets one line when the hub has closed; nil discards it.
	Log *slog.Logger
	// Compression has clients offered permessage-deflate (RFC 7692), without context takeover. It costs the processor time of
	// compressing each message once, and no memory for a client but while it sends a compressed message itself.
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
	// BytesPerSecond is about how much all clients together are sent of the devices' readings: with more changing, each
	// gets the newest and the rest when there is room. Default 256 MiB, which few plants and viewers ever reach.
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

// Hub sends the present of the plant to WebSocket clients. Batches from the log change the View; in rounds, a few
// milliseconds apart, the changes since the last are numbered and the clients served, one after the other: each gets what it
// has not seen, as one message of each kind, encoded once for all that share its filter and have seen the same, and written by
// one call. A client whose connection does not take it at once is left to a goroutine of its own. While that waits the client
// takes nothing more, and costs nothing but its place in the sequence.
type Hub struct {
	options  HubOptions
	limits   Limits
	view     *view.View
	upgrader websocket.Upgrader
	// run names this run of the server in the sessions of its clients.
	run string
	// urgent has Run begin a round as soon as it can, patient in a while.
	urgent, patient chan struct{}
	refused         refusals
	// running counts the goroutines of the clients.
	running sync.WaitGroup

	// handshakes holds one item for each under way.
	handshakes chan struct{}

	// mu guards what follows. It may be held while taking the view's lock, never the other way round.
	mu sync.Mutex
	// held is the view while messages are made of it.
	held    view.Held
	closing bool
	feed    *feed
	clients map[uint64]*client
	// due is where round lists clients.
	due []*client
	// swept is closed when the sweep under way has ended; nil if there is none, or a short one.
	swept chan struct{}
	// owed are the clients that wait for their turn to be paid, and budget how many devices those may be told of in this round.
	waiting  []*client
	budget   int
	accepted uint64
	// open counts the clients and the handshakes under way.
	open    int
	filters map[[32]byte]*filter
	ended   *endedConnections
	pace    pace
	batched batched
	// tick counts the rounds. rounds and instalments hold what was made since the last, to be shared.
	tick    uint64
	changes map[changeKey]*changeSet
	chunks  map[chunkKey]*chunk
	// merged holds windows by their start in Unix microseconds, and fragments the JSON of devices by number: what has not
	// changed since it was last asked for.
	merged    map[int64]*mergedWindow
	fragments [][]byte
	deflater  deflater
	// rate is the readings per second last told.
	rate   float64
	traces traces
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
		run:        strconv.FormatUint(first, 36),
		urgent:     make(chan struct{}, 1),
		patient:    make(chan struct{}, 1),
		handshakes: make(chan struct{}, handshakesAtOnce),
		feed:       newFeed(first, limits.Alerts, limits.AlertGrace),
		clients:    make(map[uint64]*client),
		filters:    make(map[[32]byte]*filter),
		ended:      newEnded(limits.Connections),
		changes:    make(map[changeKey]*changeSet),
		chunks:     make(map[chunkKey]*chunk),
		merged:     make(map[int64]*mergedWindow),
		traces:     make(traces),
	}
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

// Apply takes in what the log brought. It waits for no client. The caller must not change the batch afterwards.
func (h *Hub) Apply(batch view.Batch) {
	h.mu.Lock()
	// In one piece: a client that found an alert among the open ones must not hear of it again as news.
	changed := h.view.Apply(batch)
	for _, r := range changed.Removed {
		h.forget(r.Number)
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
		signal(h.patient)
	}
}

// forget drops what was made of a device: its number may be another's before the next round. The caller holds mu.
func (h *Hub) forget(number int32) {
	if int(number) < len(h.fragments) {
		h.fragments[number] = nil
	}
	if followed, is := h.traces[number]; is {
		endTrace(followed.span, "forgotten")
		delete(h.traces, number)
	}
}

// signal wakes whoever listens, once for any number of calls before that.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run sends what changes until the context is cancelled; then it says goodbye to every client, waits for their goroutines
// and returns nil. It is called once. What was applied before counts as the state that clients find, not as news: start
// Run when the log has been read up to the present.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.feed.pending.alerts = nil
	h.mu.Unlock()
	status := time.NewTicker(time.Second)
	defer status.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	statusDue := false
	// enough is when a change has been patient enough; nil while there is none.
	var enough <-chan time.Time
	// batch is when the clients that asked for batches are served next; nil while nothing waits for them.
	var batch <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-status.C:
			if statusDue = statusDue || h.statusChanged(); statusDue {
				enough = h.delay(enough)
			}
			continue
		case <-h.patient:
			enough = h.delay(enough)
			continue
		case <-enough:
		case <-batch:
		case <-h.urgent:
		}
		enough = nil
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

// patience returns when a change that is not urgent has waited enough: enough if it is not the first to wait.
func (h *Hub) delay(enough <-chan time.Time) <-chan time.Time {
	if enough != nil {
		return enough
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.After(h.pace.maxDelay(len(h.clients)))
}

// deviceBytes is about what a device takes up in a message.
const deviceBytes = 256

// devicesPerRound returns about how many devices all clients together may be told of in one round. The caller holds mu.
func (h *Hub) devicesPerRound() int {
	clients := len(h.clients)
	between := h.pace.pause(clients) + h.pace.round(clients)
	return int(float64(h.limits.BytesPerSecond) * between.Seconds() / deviceBytes)
}

// allowance returns how many changed devices one client may be told of in one round. The caller holds mu.
func (h *Hub) allowance() int {
	return max(16, h.devicesPerRound()/max(1, len(h.clients)))
}

// round numbers what has changed, with status also the counts of devices, and returns the clients it concerns, until the next round.
func (h *Hub) round(status bool) []*client {
	now := h.options.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick++
	clear(h.changes)
	clear(h.chunks)
	h.outdate()
	alerts := len(h.feed.pending.alerts) > 0
	changed := h.feed.number(status, len(h.clients) > 0, now)
	batch := h.batched.due(now, changed, alerts)
	clear(h.due) // Those who have left are not to be held.
	h.due = h.due[:0]
	for _, c := range h.clients {
		if c.batched && batch || !c.batched && changed {
			h.due = append(h.due, c)
		}
	}
	if len(h.due) >= longSweep {
		h.swept = make(chan struct{})
	}
	h.traces.expire(time.Now(), len(h.clients) > 0)
	h.budget = max(minBackfill, h.devicesPerRound())
	return h.due
}

// batchTimer returns a channel that tells when the clients that asked for batches are to be served; nil if nothing waits for them.
func (h *Hub) batchTimer() <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.batched.wait(h.options.Now())
}

// longSweep is from how many clients on a sweep takes long enough for handshakes to wait for its end.
const longSweep = 100

// sweep gives clients what has changed, without waiting for any.
func (h *Hub) sweep(due []*client) {
	began := time.Now()
	var of [behind + 1]int
	for _, c := range due {
		of[c.serve()]++
	}
	took := time.Since(began) + time.Duration(of[woken])*wakenEach
	report(h.options.Metrics.Queued, of[behind])
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.swept != nil {
		close(h.swept)
		h.swept = nil
	}
	h.pace.note(len(due), took)
	// What they were told comes off what is left to pay others with, but for a little that goes on in any case.
	h.budget = max(minBackfill, h.budget)
}

// rest returns how long to rest after a round, and sees to it that there is another one if somebody is owed something.
func (h *Hub) pause() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) > 0 {
		signal(h.urgent)
	}
	return h.pace.pause(len(h.clients))
}

// outdate drops the encoded form of what is about to be numbered, and all there is about windows that are no longer kept.
// The caller holds mu.
func (h *Hub) outdate() {
	for _, device := range h.feed.pending.devices.list {
		if int(device) < len(h.fragments) {
			h.fragments[device] = nil
		}
	}
	for start := range h.feed.pending.windows {
		delete(h.merged, start)
	}
	oldest := h.view.OldestWindow()
	forgotten := func(start int64) bool { return start < oldest }
	maps.DeleteFunc(h.feed.windows, func(start int64, _ uint64) bool { return forgotten(start) })
	maps.DeleteFunc(h.merged, func(start int64, _ *mergedWindow) bool { return forgotten(start) })
}

// statusChanged reports whether the counts of devices or the readings per second have changed since it was last asked.
func (h *Hub) statusChanged() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.rate
	h.rate = h.view.ReadingsPerSecond(h.options.Now())
	return h.rate != before || len(h.feed.pending.statuses.list) > 0 || h.feed.pending.history
}
