package broker

import (
	"errors"
	"os"
	"time"

	"iotmon/internal/mqtt/stream"
)

const (
	// writeTimeout is how long a client may read nothing of what it is sent.
	writeTimeout = 30 * time.Second
	// maxOut is how many bytes are waiting to be written before messages stay in the queue, maxAnswers how many bytes of answers may come on top.
	maxOut, maxAnswers = 64 << 10, 256 << 10
	// keptSpare is how much memory a connection keeps that writes nothing.
	keptSpare = 256
)

// write sends a packet.
func (c *connection) write(packet ...byte) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	c.out = append(c.out, packet...)
	c.wake()
}

// resume lets the goroutine that reads go on. It does not block.
func (c *connection) resume() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// wake makes sure that what there is to send is written. The caller has locked the session.
func (c *connection) wake() {
	if len(c.out) > maxOut+maxAnswers+c.broker.o.Limits.MaxPacket {
		c.cancel(errDeaf)
	}
	if !c.writing {
		c.writing = true
		c.broker.writers.Add(1)
		go c.flush()
	}
}

// flush writes until there is nothing more to write.
func (c *connection) flush() {
	defer c.broker.writers.Done()
	s := c.session
	for {
		s.mu.Lock()
		again := !c.closing && s.conn == c && s.fill(c, time.Now())
		out, timeout := c.out, writeTimeout
		if len(out) == 0 {
			if again { // Those who publish to the session have their turn.
				s.mu.Unlock()
				continue
			}
			c.rest()
			s.mu.Unlock()
			return
		}
		if c.closing {
			timeout = leaveTimeout
		}
		c.out, c.spare = c.spare[:0], nil
		s.mu.Unlock()
		err := c.net.SetWriteDeadline(time.Now().Add(timeout))
		if err == nil {
			_, err = c.net.Write(out)
		}
		s.mu.Lock()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errDeaf
			}
			c.cancel(err)
			c.out, c.closing = nil, true
			c.rest()
			s.mu.Unlock()
			return
		}
		c.spare = out
		s.mu.Unlock()
	}
}

// rest ends writing. The caller has locked the session.
func (c *connection) rest() {
	c.writing = false
	if cap(c.spare) > keptSpare {
		c.spare = nil
	}
	if cap(c.out) > keptSpare {
		c.out = nil
	}
	if c.flushed != nil {
		close(c.flushed)
		c.flushed = nil
	}
}

// goodbye writes what is still to be written, with the reason why the connection ends, and closes it.
func (c *connection) goodbye(cause error) {
	s := c.session
	s.mu.Lock()
	if !c.closing {
		if reason, ok := errors.AsType[*endError](cause); ok {
			c.out = appendDisconnect(c.out, c.version, reason.reason)
		}
		c.closing = true
		if len(c.out) > 0 || c.writing {
			c.wake()
			flushed := make(chan struct{})
			c.flushed = flushed
			s.mu.Unlock()
			// What is being written may have longer, and a websocket does not let others change that.
			tooLate := time.AfterFunc(leaveTimeout, func() { stream.Close(c.raw) })
			<-flushed
			tooLate.Stop()
			s.mu.Lock()
		}
	}
	s.mu.Unlock()
	stream.Close(c.raw)
}
