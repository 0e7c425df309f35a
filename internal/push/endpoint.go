package push

import (
	"maps"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// endpoint makes WebSocket connections of HTTP requests. It refuses requests with a bad query, beyond the limit of connections, or from
// pages of other origins. Each connection has two goroutines, which end before dispatcher.close returns.
type endpoint struct {
	options    *HubOptions
	dispatcher *dispatcher
	origins    *origins
	handshakes *handshakes
	upgrader   websocket.Upgrader
}

// newEndpoint returns an endpoint whose connections d serves. For sweeping see the field of handshakes.
func newEndpoint(o *HubOptions, d *dispatcher, sweeping func() <-chan struct{}) *endpoint {
	e := &endpoint{
		options:    o,
		dispatcher: d,
		origins:    &origins{allowed: o.AllowedOrigins, log: o.Log, now: o.Now},
		handshakes: newHandshakes(sweeping),
	}
	e.upgrader = websocket.Upgrader{
		HandshakeTimeout: o.Limits.WriteTimeout,
		// Clients send little, and messages are written as they are prepared: small buffers, from a pool.
		ReadBufferSize:  512,
		WriteBufferSize: 512,
		WriteBufferPool: new(sync.Pool),
		CheckOrigin:     e.origins.check,
	}
	return e
}

func (e *endpoint) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		e.origins.explain(w, r)
		return
	}
	opening, err := parseOpening(r.URL.Query(), e.options.Limits.FilterItems)
	if err != nil {
		report(e.options.Metrics.Refused, BadResume)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !e.dispatcher.reserve() {
		report(e.options.Metrics.Refused, Full)
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many WebSocket connections", http.StatusServiceUnavailable)
		return
	}
	if !e.handshakes.admit(r.Context()) {
		e.dispatcher.release() // The client has gone.
		return
	}
	defer e.handshakes.done()
	upgrading := &upgrading{ResponseWriter: w}
	conn, deflate, err := e.upgrade(upgrading, r)
	if err != nil {
		// The upgrader has answered the request.
		report(e.options.Metrics.Refused, BadHandshake)
		e.dispatcher.release()
		return
	}
	if tcp, ok := upgrading.link.Conn.(*net.TCPConn); ok {
		// Data in the kernel's buffer can no longer be conflated, so the buffer is small. After an error it has the kernel's own size.
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	e.start(conn, upgrading.link, deflate, opening)
}

// sendBuffer is how many bytes the kernel keeps for one client: enough for 2.5 MB/s over a round trip of 50 ms.
const sendBuffer = 128 << 10

// upgrade does the handshake, and reports whether client and server agreed on compression.
func (e *endpoint) upgrade(w http.ResponseWriter, r *http.Request) (conn *websocket.Conn, deflate bool, err error) {
	upgrader := e.upgrader // A copy: whether to compress is decided for each client.
	if upgrader.EnableCompression = e.options.Compression && offersDeflate(r.Header); upgrader.EnableCompression {
		// The upgrader parses the offer once more, by rules of its own. A plain offer makes it come to the same decision.
		r = r.WithContext(r.Context())
		r.Header = maps.Clone(r.Header)
		r.Header.Set(extensions, permessageDeflate)
	}
	conn, err = upgrader.Upgrade(w, r, nil)
	return conn, upgrader.EnableCompression, err
}

// start adds a viewer for the connection, for which room was reserved, and starts its goroutines. It closes the connection if the hub is closing.
func (e *endpoint) start(conn *websocket.Conn, l *link, deflate bool, o opening) {
	c := newConnection(e.options, e.dispatcher, conn, l)
	c.viewer.deflate = deflate
	if !e.dispatcher.join(c.viewer, o) {
		_ = conn.Close()
		e.dispatcher.release()
		return
	}
	go c.read()
	go c.write()
	c.serve()
}
