package live

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/wire"
)

// client is one connection. It has no queue: all that is kept of what it has yet to see is its place in the sequence.
// Two goroutines serve it: read, which ends with the connection, and write, which outlives read.
type client struct {
	hub    *Hub
	number uint64
	conn   *websocket.Conn
	// wake tells write that there may be something to take; one signal stands for any number.
	wake chan struct{}
	// done is closed by the first call of end, which gives the reason.
	done   chan struct{}
	once   sync.Once
	reason Reason
	// readEnded is closed when read returns.
	readEnded chan struct{}
	// writing is true from taking messages until the last of them is written.
	writing atomic.Bool

	// The hub's lock guards what follows.
	filter *filter
	// cursor is the number up to which the client has been given all changes; last is that of its last message.
	cursor, last uint64
	greeted      bool
	resumed      bool
	// debt is what is still to be told of the state that the client found, paid the tick of the last instalment.
	debt debt
	paid uint64
	// settled is from where the connection can be resumed, once it has ended.
	settled uint64
	// complaint is what the client did wrong last, until it has been told.
	complaint *wire.Error
}

// signal has the client look for messages.
func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end has both goroutines finish. Only the first reason counts.
func (c *client) end(reason Reason) {
	c.once.Do(func() {
		c.reason = reason
		close(c.done)
	})
}

func (c *client) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// farewell is how long a client may take to answer the close of its connection.
const farewell = 500 * time.Millisecond

// write sends what there is until the connection ends, then closes it.
func (c *client) write() {
	defer c.hub.running.Done()
	ping := time.NewTicker(c.hub.limits.PingInterval)
	defer ping.Stop()
	for !c.ended() {
		select {
		case <-c.done:
		case <-c.wake:
			c.deliver()
		case <-ping.C:
			if err := c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.hub.limits.WriteTimeout)); err != nil {
				c.end(writeFailure(err))
			}
		}
	}
	c.close()
	c.hub.leave(c)
}

// close tells the client the reason, gives it a moment to answer, and closes the connection.
func (c *client) close() {
	if c.reason != ConnectionLost && c.reason != ClientLeft {
		message := websocket.FormatCloseMessage(c.reason.closeCode(), string(c.reason))
		// The connection ends either way; whether the client still hears why is up to it.
		_ = c.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(farewell))
		answer := time.NewTimer(farewell)
		defer answer.Stop()
		select {
		case <-c.readEnded:
		case <-answer.C:
		}
	}
	_ = c.conn.Close()
	<-c.readEnded
}

// deliver writes what the hub has for the client.
func (c *client) deliver() {
	c.writing.Store(true)
	defer c.writing.Store(false)
	messages, ok := c.hub.take(c)
	if !ok {
		c.end(TooSlowAlerts)
		return
	}
	metrics := &c.hub.options.Metrics
	for _, m := range messages {
		if c.ended() {
			return
		}
		_ = c.conn.SetWriteDeadline(time.Now().Add(c.hub.limits.WriteTimeout))
		if err := m.writeTo(c.conn); err != nil {
			c.end(writeFailure(err))
			return
		}
		tellOf(metrics.Sent, m.kind, len(m.data))
		if !m.sample.IsZero() && metrics.Delivered != nil {
			metrics.Delivered(c.hub.options.Now().Sub(m.sample), m.traceID)
		}
		if m.traceID != "" {
			if followed := m.traced.Swap(nil); followed != nil {
				followed.written(m.kind, len(m.data))
			}
		}
	}
}

func writeFailure(err error) Reason {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return TooSlow
	}
	return ConnectionLost
}

// read takes what the client sends until the connection ends.
func (c *client) read() {
	defer c.hub.running.Done()
	defer close(c.readEnded)
	patience := c.hub.limits.PingInterval + c.hub.limits.PongTimeout
	c.conn.SetReadLimit(int64(c.hub.limits.MessageBytes))
	extend := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(patience)) }
	_ = extend("")
	c.conn.SetPongHandler(extend)
	reason := c.listen()
	c.end(reason)
	if reason != ConnectionLost && reason != ClientLeft {
		c.drain()
	}
}

// listen handles the client's messages. It returns why it stopped.
func (c *client) listen() Reason {
	var allowance messageAllowance
	for {
		kind, data, err := c.conn.ReadMessage()
		switch {
		case err != nil:
			return readFailure(err)
		case c.ended():
			continue // Only the answer to the close is of interest now.
		case kind != websocket.TextMessage:
			return NotText
		case !allowance.take(time.Now()):
			return TooMany
		}
		c.hub.instruct(c, data)
	}
}

// drain discards what the client still sends: closing a connection with input unread resets it, and the client would not
// hear why.
func (c *client) drain() {
	conn := c.conn.NetConn()
	_ = conn.SetReadDeadline(time.Now().Add(farewell))
	_, _ = io.Copy(io.Discard, conn)
}

func readFailure(err error) Reason {
	var closed *websocket.CloseError
	timeout := net.Error(nil)
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return TooLarge
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return ClientLeft
	case errors.As(err, &timeout) && timeout.Timeout():
		return NoPong
	default:
		return ConnectionLost
	}
}

// messageAllowance is how many messages a client may send: twenty at once, and five a second. A person who changes a
// filter sends one.
type messageAllowance struct {
	spent float64
	at    time.Time
}

func (a *messageAllowance) take(now time.Time) bool {
	const burst, perSecond = 20, 5
	a.spent = max(0, a.spent-now.Sub(a.at).Seconds()*perSecond)
	a.at = now
	if a.spent+1 > burst {
		return false
	}
	a.spent++
	return true
}
