package push

import (
	"compress/flate" // Whose errors gorilla/websocket returns.
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/wire"
)

// client is one connection. It has no queue: its cursor says which changes it has still to be sent.
// Two goroutines are its own: read, which ends with the connection, and write, which outlives read. While the connection
// accepts everything at once, the hub's goroutine serves it: waking a goroutine for each client would cost more than that.
type client struct {
	hub    *Hub
	number uint64
	conn   *websocket.Conn
	link   *link
	// deflate is whether the client agreed to be sent messages compressed.
	deflate bool
	// batched is whether the client asked for changes in batches.
	batched bool
	// wake wakes write when there may be something to send; one signal stands for any number.
	wake chan struct{}
	// done is closed by the first call of end, which gives the reason.
	done   chan struct{}
	once   sync.Once
	reason Reason
	// readEnded is closed when read returns.
	readEnded chan struct{}
	// receiving is whether a message of the client's has begun and not ended. Only read uses it.
	receiving bool
	// begun is the messages that the unsent frames of link belong to. The link's lock guards it.
	begun []*message

	// The hub's lock guards what follows.
	filter *filter
	// cursor is the number up to which the client has been given all changes; last is that of its last message.
	cursor, last uint64
	greeted      bool
	resumed      bool
	// backfill is what is still to be sent of the snapshot. waiting is whether the client waits for its turn, or has it: then quota is
	// how many devices it may be sent.
	backfill backfill
	waiting  bool
	quota    int
	// resumeFrom is the lowest number from which the connection can be resumed once it has ended.
	resumeFrom uint64
	// fault is the last mistake of the client, until it has been sent to it as an error.
	fault *wire.Error
}

// signal has the client look for messages.
func (c *client) signal() { signal(c.wake) }

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
	c.hub.unregister(c)
}

// close sends the client the reason, waits a moment for its answer, and closes the connection.
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

// progress is what came of an attempt to serve a client.
type progress int

const (
	// served is a client that has been sent all there is; woken one whose own goroutine does that now; behind one whose goroutine still
	// writes what an earlier round had for it.
	served progress = iota
	woken
	behind
)

// serve sends the client what there is, as far as its connection accepts it at once. What remains is left to its own goroutine.
func (c *client) serve() progress {
	if !c.link.mu.TryLock() {
		c.signal()
		return behind
	}
	defer c.link.mu.Unlock()
	if !c.link.ready() {
		c.signal()
		if len(c.link.unsent) > 0 {
			return behind
		}
		return woken
	}
	p, ok := c.nextBatch()
	if !ok {
		return served
	}
	all, err := c.link.writeNow(p.frames)
	switch {
	case err != nil:
		c.end(writeFailure(err))
	case all:
		c.account(p.messages)
	default:
		c.begun = append(c.begun, p.messages...) // There may be earlier ones, of which a ping has written the end.
		c.signal()
		return woken
	}
	return served
}

// deliver writes what is left of earlier messages, and what the hub has for the client. It waits for the client as long as
// need be.
func (c *client) deliver() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if err := c.link.flush(nil, c.hub.limits.WriteTimeout); err != nil {
		c.end(writeFailure(err))
		return
	}
	c.account(c.begun)
	c.begun = nil
	p, ok := c.nextBatch()
	if !ok {
		return
	}
	if err := c.link.flush(p.frames, c.hub.limits.WriteTimeout); err != nil {
		c.end(writeFailure(err))
		return
	}
	c.account(p.messages)
}

// nextBatch returns what there is to send; false if the connection ends.
func (c *client) nextBatch() (frameBatch, bool) {
	if c.ended() {
		return frameBatch{}, false
	}
	p, ok := c.hub.nextBatch(c)
	if !ok {
		c.end(TooSlowAlerts)
	}
	return p, ok
}

// account reports messages that have been written to the metrics and the traces.
func (c *client) account(messages []*message) {
	metrics := &c.hub.options.Metrics
	for _, m := range messages {
		reportCount(metrics.Sent, m.kind, c.size(m))
		if !m.sample.IsZero() && metrics.Delivered != nil {
			metrics.Delivered(c.hub.options.Now().Sub(m.sample), m.traceID)
		}
		if m.traceID != "" {
			if followed := m.traced.Swap(nil); followed != nil {
				followed.written(m.kind, c.size(m))
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

// read handles what the client sends until the connection ends.
func (c *client) read() {
	defer c.hub.running.Done()
	defer close(c.readEnded)
	c.conn.SetReadLimit(int64(c.hub.limits.MessageBytes))
	_ = c.extend("")
	c.conn.SetPongHandler(c.extend)
	c.conn.SetPingHandler(c.answer)
	reason := c.listen()
	c.end(reason)
	if reason != ConnectionLost && reason != ClientLeft {
		c.drain()
	}
}

// extend gives the client time until the next pong; but a message that it has begun has to end in its time, pongs or not.
func (c *client) extend(string) error {
	if c.receiving {
		return nil
	}
	return c.conn.SetReadDeadline(time.Now().Add(c.hub.limits.PingInterval + c.hub.limits.PongTimeout))
}

// answer answers a ping, with as much patience as anything else is written with: what is left of messages goes out first.
func (c *client) answer(ping string) error {
	err := c.conn.WriteControl(websocket.PongMessage, []byte(ping), time.Now().Add(c.hub.limits.WriteTimeout))
	if err != nil {
		c.end(writeFailure(err))
	}
	return nil
}

// listen handles the client's messages. It returns why it stopped.
func (c *client) listen() Reason {
	var allowance messageAllowance
	for {
		kind, data, err := c.receive()
		switch {
		case err != nil && c.receiving && !errors.Is(err, websocket.ErrReadLimit):
			return unfinished(err)
		case err != nil:
			return readFailure(err)
		case c.ended():
			continue // Only the answer to the close is of interest now.
		case kind != websocket.TextMessage:
			return NotText
		case !allowance.spend(time.Now()):
			return TooMany
		}
		c.hub.handleMessage(c, data)
	}
}

// receive returns the client's next message. While one is on its way, a decompressor of some 45 KB may be tied up by it: the
// client has as long as for a message that it is sent. What a few bytes decompress to is no longer than any other message.
func (c *client) receive() (kind int, data []byte, err error) {
	c.receiving = false
	kind, r, err := c.conn.NextReader()
	if err != nil {
		return kind, nil, err
	}
	c.receiving = true
	if err := c.conn.SetReadDeadline(time.Now().Add(c.hub.limits.WriteTimeout)); err != nil {
		return kind, nil, err
	}
	most := c.hub.limits.MessageBytes
	data, err = io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(data) > most {
		err = websocket.ErrReadLimit
	}
	if err != nil {
		return kind, nil, err
	}
	c.receiving = false
	return kind, data, c.extend("")
}

// drain discards what the client still sends: closing a connection with input unread resets it, and the client would not
// hear why.
func (c *client) drain() {
	conn := c.conn.NetConn()
	_ = conn.SetReadDeadline(time.Now().Add(farewell))
	_, _ = io.Copy(io.Discard, conn)
}

// unfinished returns why a message that had begun did not end.
func unfinished(err error) Reason {
	corrupt := flate.CorruptInputError(0)
	switch reason := readFailure(err); {
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return Undecodable
	case reason == NoPong:
		return Unfinished
	default:
		return reason
	}
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

func (a *messageAllowance) spend(now time.Time) bool {
	const burst, perSecond = 20, 5
	a.spent = max(0, a.spent-now.Sub(a.at).Seconds()*perSecond)
	a.at = now
	if a.spent+1 > burst {
		return false
	}
	a.spent++
	return true
}
