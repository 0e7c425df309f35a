package push

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/wire"
)

// ServeHTTP makes a WebSocket connection of the request. The query may carry:
//   - filter: the JSON of the filter to start with;
//   - session and since: the session of the connection to resume, which its hello named, and the seq of the last message seen
//     on it. The filter must be the one it had. If that is not possible a snapshot follows.
//   - batch: true for changes no more often than every batchInterval, and alerts every alertInterval.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.explain(w, r)
		return
	}
	opening, err := h.parseOpening(r.URL.Query())
	if err != nil {
		report(h.options.Metrics.Refused, BadResume)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !h.reserve() {
		report(h.options.Metrics.Refused, Full)
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many WebSocket connections", http.StatusServiceUnavailable)
		return
	}
	if !h.admit(r.Context()) {
		h.release() // Whoever asked has gone.
		return
	}
	defer h.handshakeDone()
	linking := &linking{ResponseWriter: w}
	conn, deflate, err := h.upgrade(linking, r)
	if err != nil {
		// The upgrader has answered the request.
		report(h.options.Metrics.Refused, BadHandshake)
		h.release()
		return
	}
	if tcp, ok := linking.link.Conn.(*net.TCPConn); ok {
		// What lies in the kernel cannot be conflated any more. An error leaves the kernel's own choice.
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	h.join(conn, linking.link, deflate, opening)
}

// upgrade does the handshake, and reports whether client and server agreed on compression.
func (h *Hub) upgrade(w http.ResponseWriter, r *http.Request) (conn *websocket.Conn, deflate bool, err error) {
	upgrader := h.upgrader // A copy: the decision is one client's.
	if upgrader.EnableCompression = h.options.Compression && offersDeflate(r.Header); upgrader.EnableCompression {
		// The upgrader reads the offer once more, by rules of its own: both must come to the same.
		r = r.WithContext(r.Context())
		r.Header = maps.Clone(r.Header)
		r.Header.Set(extensions, permessageDeflate)
	}
	conn, err = upgrader.Upgrade(w, r, nil)
	return conn, upgrader.EnableCompression, err
}

// handshakesAtOnce bounds the handshakes in progress. When thousands of clients connect at once, the others wait for their turn:
// their handshakes would compete for the processor with the writing to clients that are connected.
const handshakesAtOnce = 8

// admit waits for one of the handshakes to be free, and for the end of the round under way if it is a long one. It reports
// false when ctx ends before that; otherwise handshakeDone must follow.
func (h *Hub) admit(ctx context.Context) bool {
	select {
	case h.handshakes <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	h.mu.Lock()
	swept := h.rounds.swept
	h.mu.Unlock()
	if swept == nil {
		return true
	}
	select {
	case <-swept:
		return true
	case <-ctx.Done():
		h.handshakeDone()
		return false
	}
}

func (h *Hub) handshakeDone() { <-h.handshakes }

// sendBuffer is how much the kernel keeps for one client: enough for 2.5 MB/s over a round trip of 50 ms.
const sendBuffer = 128 << 10

// opening is what a client asks for when it connects.
type opening struct {
	filter  *filter
	session string
	since   uint64
	batched bool
}

func (h *Hub) parseOpening(query url.Values) (opening, error) {
	o := opening{session: query.Get("session")}
	var err error
	if batch := query.Get("batch"); batch != "" {
		if o.batched, err = strconv.ParseBool(batch); err != nil {
			return opening{}, fmt.Errorf("batch: not true or false (got %q)", batch)
		}
	}
	if since := query.Get("since"); since != "" {
		if o.since, err = strconv.ParseUint(since, 10, 64); err != nil {
			return opening{}, fmt.Errorf("since: not the seq of a message (got %q)", since)
		}
	}
	var wanted wire.Filter
	if text := query.Get("filter"); text != "" {
		if wanted, err = wire.DecodeFilter([]byte(text), h.limits.FilterItems); err != nil {
			return opening{}, fmt.Errorf("filter: %w", err)
		}
	}
	o.filter = newFilter(wanted)
	return o, nil
}

// reserve reserves a place for a connection and reports whether there was one.
func (h *Hub) reserve() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients.reserve()
}

func (h *Hub) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients.release()
}

// join makes a client of the connection and starts its goroutines. A place must have been reserved.
func (h *Hub) join(conn *websocket.Conn, link *link, deflate bool, o opening) {
	c := &client{
		hub:       h,
		conn:      conn,
		link:      link,
		deflate:   deflate,
		batched:   o.batched,
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		readEnded: make(chan struct{}),
	}
	if !h.register(c, o) {
		_ = conn.Close()
		h.release()
		return
	}
	go c.read()
	go c.write()
	c.serve()
}

// register adds the client, with its cursor in the sequence. It reports false when the hub is closing; otherwise the client's two
// goroutines are counted as running.
func (h *Hub) register(c *client, o opening) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients.closing {
		return false
	}
	h.running.Add(2)
	c.resumed = h.resumable(o)
	h.clients.add(c, o.filter)
	if c.resumed {
		c.cursor, c.last, c.resumeFrom = o.since, o.since, o.since
	} else {
		// Numbers grow for a client from connection to connection too. That of the last round, rather than the newest of
		// all, lets those who come at the same time share what they are sent.
		c.cursor, c.last = h.feed.head, max(h.feed.roundSeq, min(o.since, h.feed.seq))
		h.startBackfill(c)
	}
	if c.batched {
		h.rounds.batched.clients++
	}
	report(h.options.Metrics.Connections, h.clients.count())
	return true
}

// unregister forgets the client, but for what resuming its session needs.
func (h *Hub) unregister(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions.end(c.number, resumePoint{c.resumeFrom, c.filter.key})
	h.clients.remove(c)
	if c.batched {
		h.rounds.batched.clients--
	}
	report(h.options.Metrics.Connections, h.clients.count())
	report(h.options.Metrics.Disconnected, c.reason)
}

// shutdown closes every connection and waits for the goroutines of all.
func (h *Hub) shutdown() {
	h.mu.Lock()
	h.clients.closing = true
	h.traces.expire(time.Now(), false)
	clients := h.clients.count()
	for _, c := range h.clients.byNumber {
		c.end(ShuttingDown)
	}
	h.mu.Unlock()
	// A client that is being written to, and does not read, hears nothing and would take until its write timeout.
	force := time.AfterFunc(2*farewell, h.cutOff)
	defer force.Stop()
	h.running.Wait()
	h.options.Log.Info("websocket connections closed", "clients", clients)
}

// cutOff closes the connections that are left.
func (h *Hub) cutOff() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.clients.byNumber {
		_ = c.conn.Close() // Its reader reports whatever there is to report.
	}
}

// handleMessage handles a message from the client: the only kind there is changes its filter. What follows is a snapshot.
func (h *Hub) handleMessage(c *client, data []byte) {
	wanted, err := wire.DecodeFilter(data, h.limits.FilterItems)
	h.mu.Lock()
	defer h.mu.Unlock()
	defer c.signal()
	if err != nil {
		c.fault = &wire.Error{Code: "bad_filter", Message: err.Error()}
		return
	}
	h.clients.setFilter(c, newFilter(wanted))
	h.startBackfill(c)
}
