package push

import (
	"compress/flate" // Whose errors gorilla/websocket returns.
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// read handles what the client sends until the connection ends.
func (c *connection) read() {
	defer close(c.readEnded)
	c.conn.SetReadLimit(int64(c.options.Limits.MessageBytes))
	_ = c.extendDeadline("")
	c.conn.SetPongHandler(c.extendDeadline)
	c.conn.SetPingHandler(c.answerPing)
	reason := c.handleMessages()
	c.end(reason)
	if reason != ConnectionLost && reason != ClientLeft {
		c.discardInput()
	}
}

// extendDeadline gives the client time until the next pong. It does not give more time for a message that has begun.
func (c *connection) extendDeadline(string) error {
	if c.receiving {
		return nil
	}
	return c.conn.SetReadDeadline(time.Now().Add(c.options.Limits.PingInterval + c.options.Limits.PongTimeout))
}

// answerPing answers a ping. What is left of messages goes out first, so the answer has as much time as any other write.
func (c *connection) answerPing(ping string) error {
	err := c.conn.WriteControl(websocket.PongMessage, []byte(ping), time.Now().Add(c.options.Limits.WriteTimeout))
	if err != nil {
		c.end(writeFailure(err))
	}
	return nil
}

// handleMessages handles the client's messages. It returns why it stopped.
func (c *connection) handleMessages() Reason {
	var quota messageQuota
	for {
		kind, data, err := c.receive()
		switch {
		case err != nil && c.receiving && !errors.Is(err, websocket.ErrReadLimit):
			return unfinished(err)
		case err != nil:
			return readFailure(err)
		case c.ended():
			continue // Only the client's answer to the close matters now.
		case kind != websocket.TextMessage:
			return NotText
		case !quota.spend(time.Now()):
			return TooMany
		}
		c.supplier.receive(c.viewer, data)
		signal(c.wake)
	}
}

// receive returns the client's next message. A message that has begun must end within the write timeout, because it may occupy a
// decompressor of some 45 KB. The limit on the length of a message counts after decompression too.
func (c *connection) receive() (kind int, data []byte, err error) {
	c.receiving = false
	kind, r, err := c.conn.NextReader()
	if err != nil {
		return kind, nil, err
	}
	c.receiving = true
	if err := c.conn.SetReadDeadline(time.Now().Add(c.options.Limits.WriteTimeout)); err != nil {
		return kind, nil, err
	}
	limit := c.options.Limits.MessageBytes
	data, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = websocket.ErrReadLimit
	}
	if err != nil {
		return kind, nil, err
	}
	c.receiving = false
	return kind, data, c.extendDeadline("")
}

// discardInput reads what the client still sends: closing a connection with input unread resets it, and the client would not receive
// the reason.
func (c *connection) discardInput() {
	conn := c.conn.NetConn()
	_ = conn.SetReadDeadline(time.Now().Add(closeTimeout))
	_, _ = io.Copy(io.Discard, conn)
}

// unfinished returns the reason that goes with an error within a message.
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

// readFailure returns the reason that goes with an error of reading.
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

// messageQuota limits how many messages a client may send: twenty at once, and five a second. A person who changes a filter sends one.
type messageQuota struct {
	spent float64
	at    time.Time
}

// spend counts a message that came at now, and reports false if it is one too many.
func (q *messageQuota) spend(now time.Time) bool {
	const burst, perSecond = 20, 5
	q.spent = max(0, q.spent-now.Sub(q.at).Seconds()*perSecond)
	q.at = now
	if q.spent+1 > burst {
		return false
	}
	q.spent++
	return true
}
