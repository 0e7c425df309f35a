package push

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// connection is the WebSocket of one viewer. Messages are written in one of two ways. While the link accepts everything at once, the hub's
// goroutine writes them, in serve: waking a goroutine for each viewer would cost more than the writing. What the link does not accept is
// left to the connection's own goroutine, write, which may wait. A second goroutine, read, handles what the client sends; write outlives
// it, and ends with leave.
type connection struct {
	// These do not change.
	options  *HubOptions
	supplier supplier
	viewer   *viewer
	conn     *websocket.Conn
	link     *link

	// wake wakes write when there may be something to send; one signal stands for any number.
	wake chan struct{}
	// done is closed by the first call of end, which sets reason before.
	done   chan struct{}
	once   sync.Once
	reason Reason
	// readEnded is closed when read returns.
	readEnded chan struct{}
	// receiving is whether a message of the client has begun and not ended. Only read uses it.
	receiving bool
	// unreported holds the messages whose frames are, in part, among the unsent ones of the link. The link's lock guards it.
	unreported []*message
}

// supplier is what a connection gets its messages from. Its methods wait for no client. They acquire the lock of shared.
type supplier interface {
	// next returns what the viewer is to be sent now; false if it is too slow for alerts.
	next(*viewer) (frameBatch, bool)
	// receive handles a message of the client. A call of next must follow: there may be something to send.
	receive(*viewer, []byte)
	// leave is called once, when the connection has ended.
	leave(*viewer, Reason)
}

// newConnection returns a connection with a viewer of its own. Once the viewer has joined, read and write must be started.
func newConnection(o *HubOptions, s supplier, conn *websocket.Conn, l *link) *connection {
	c := &connection{
		options:   o,
		supplier:  s,
		conn:      conn,
		link:      l,
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		readEnded: make(chan struct{}),
	}
	c.viewer = &viewer{connection: c}
	return c
}

// end has both goroutines finish. Only the first reason counts.
func (c *connection) end(reason Reason) {
	c.once.Do(func() {
		c.reason = reason
		close(c.done)
	})
}

func (c *connection) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// cut closes the connection at once. Its reader ends with that, and reports it.
func (c *connection) cut() { _ = c.conn.Close() }

// write sends what is left to it until the connection ends, then closes the connection.
func (c *connection) write() {
	ping := time.NewTicker(c.options.Limits.PingInterval)
	defer ping.Stop()
	for !c.ended() {
		select {
		case <-c.done:
		case <-c.wake:
			c.deliver()
		case <-ping.C:
			if err := c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.options.Limits.WriteTimeout)); err != nil {
				c.end(writeFailure(err))
			}
		}
	}
	c.close()
	c.supplier.leave(c.viewer, c.reason)
}

// closeTimeout is how long a client may take to answer the close of its connection.
const closeTimeout = 500 * time.Millisecond

// close sends the client the reason, waits a moment for its answer, and closes the connection. read has returned when close returns.
func (c *connection) close() {
	if c.reason != ConnectionLost && c.reason != ClientLeft {
		message := websocket.FormatCloseMessage(c.reason.closeCode(), string(c.reason))
		// An error changes nothing: the connection ends whether the client receives the reason or not.
		_ = c.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeTimeout))
		answer := time.NewTimer(closeTimeout)
		defer answer.Stop()
		select {
		case <-c.readEnded:
		case <-answer.C:
		}
	}
	_ = c.conn.Close()
	<-c.readEnded
}

// serve sends the viewer what there is, as far as the link accepts it at once. What remains is left to write.
func (c *connection) serve() progress {
	if !c.link.mu.TryLock() {
		signal(c.wake)
		return behind
	}
	defer c.link.mu.Unlock()
	if !c.link.ready() {
		signal(c.wake)
		if len(c.link.unsent) > 0 {
			return behind
		}
		return handedOver
	}
	b, ok := c.next()
	if !ok {
		return served
	}
	all, err := c.link.writeNow(b.frames)
	switch {
	case err != nil:
		c.end(writeFailure(err))
	case all:
		c.report(b.messages)
	default:
		// A ping may have written the rest of earlier messages, which are then still unreported.
		c.unreported = append(c.unreported, b.messages...)
		signal(c.wake)
		return handedOver
	}
	return served
}

// deliver writes what is left of earlier messages, and then what there is for the viewer. It waits for the client up to the write timeout
// for each frame.
func (c *connection) deliver() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if err := c.link.flush(nil, c.options.Limits.WriteTimeout); err != nil {
		c.end(writeFailure(err))
		return
	}
	c.report(c.unreported)
	c.unreported = nil
	b, ok := c.next()
	if !ok {
		return
	}
	if err := c.link.flush(b.frames, c.options.Limits.WriteTimeout); err != nil {
		c.end(writeFailure(err))
		return
	}
	c.report(b.messages)
}

// next returns what there is to send; false if the connection ends.
func (c *connection) next() (frameBatch, bool) {
	if c.ended() {
		return frameBatch{}, false
	}
	b, ok := c.supplier.next(c.viewer)
	if !ok {
		c.end(TooSlowAlerts)
	}
	return b, ok
}

// report reports messages that have been written to the metrics and the traces.
func (c *connection) report(messages []*message) {
	metrics := &c.options.Metrics
	for _, m := range messages {
		reportCount(metrics.Sent, m.kind, c.viewer.size(m))
		if !m.sample.IsZero() && metrics.Delivered != nil {
			metrics.Delivered(c.options.Now().Sub(m.sample), m.traceID)
		}
		if m.traceID != "" {
			if t := m.trace.Swap(nil); t != nil {
				t.written(m.kind, c.viewer.size(m))
			}
		}
	}
}

// writeFailure returns the reason that goes with an error of writing.
func writeFailure(err error) Reason {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return TooSlow
	}
	return ConnectionLost
}
