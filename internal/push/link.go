package push

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// link is the connection beneath a client's WebSocket. What the hub sends to many it hands over without waiting, for as long
// as the kernel accepts it; what is left is written by a call that may wait, before anything else. Frames are never mixed, whichever
// goroutine writes. It has a lock of its own, mu, which is taken before the hub's.
type link struct {
	net.Conn
	// raw writes without waiting; nil where the system, or TLS, does not let one.
	raw syscall.RawConn
	// put is attempt, bound once rather than for each write, with what it writes and what came of it.
	put     func(fd uintptr) bool
	data    []byte
	written int
	failed  error

	// mu is held by whoever writes. It guards all but Conn, raw and put.
	mu sync.Mutex
	// unsent is what is left of a frame that was begun, and the frames behind it; they are shared with other clients.
	unsent [][]byte
	// timeout is how long the next call of Write may take over each frame, once it is its turn.
	timeout time.Duration
	// broken is why nothing more can be written.
	broken error
}

func newLink(conn net.Conn) *link {
	l := &link{Conn: conn, timeout: noTimeout}
	if c, ok := conn.(syscall.Conn); ok && canAttempt {
		l.raw, _ = c.SyscallConn()
		l.put = l.attempt
	}
	return l
}

// ready reports whether writeNow may be called: what is left of an earlier call comes first. The caller holds mu.
func (l *link) ready() bool { return l.raw != nil && len(l.unsent) == 0 && l.broken == nil }

// writeNow writes what the kernel accepts at once, and reports whether that is all. The rest is for flush, which must follow. The
// link is ready, and the caller holds mu.
func (l *link) writeNow(frames [][]byte) (all bool, err error) {
	for i, frame := range frames {
		l.data, l.written, l.failed = frame, 0, nil
		if err := l.raw.Write(l.put); err != nil {
			l.failed = err
		}
		l.data = nil
		if l.failed != nil {
			l.broken = l.failed
			return false, l.failed
		}
		if l.written < len(frame) {
			l.unsent = append([][]byte{frame[l.written:]}, frames[i+1:]...)
			return false, nil
		}
	}
	return true, nil
}

// attempt writes until the kernel has enough. It always returns true: nobody is to wait for room.
func (l *link) attempt(fd uintptr) bool {
	for l.written < len(l.data) {
		n, err := writeFD(fd, l.data[l.written:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			l.failed = os.NewSyscallError("write", err)
			return true
		}
		l.written += n
	}
	return true
}

// flush writes what is left, and then the frames, each within the timeout. The caller holds mu.
func (l *link) flush(frames [][]byte, timeout time.Duration) error {
	l.unsent = append(l.unsent, frames...)
	for len(l.unsent) > 0 {
		if err := l.writeBy(l.unsent[0], time.Now().Add(timeout)); err != nil {
			return err
		}
		l.unsent = l.unsent[1:]
	}
	l.unsent = nil
	return nil
}

// writeBy writes, and gives up at the deadline. What comes after half a frame would make no sense: an error is for good. The
// caller holds mu.
func (l *link) writeBy(data []byte, deadline time.Time) error {
	if l.broken != nil {
		return l.broken
	}
	if err := l.Conn.SetWriteDeadline(deadline); err != nil {
		l.broken = err
		return err
	}
	if _, err := l.Conn.Write(data); err != nil {
		l.broken = err
		return err
	}
	// One that passes meanwhile would fail the next attempt.
	return l.Conn.SetWriteDeadline(time.Time{})
}

// Write is for the WebSocket's own frames: pings, pongs, closing.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.flush([][]byte{p}, l.timeout); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline is for the next call of Write. The time until others have written does not count: a deadline that has passed
// meanwhile would break the connection of a client that only reads slowly.
func (l *link) SetWriteDeadline(deadline time.Time) error {
	timeout := noTimeout
	if !deadline.IsZero() {
		timeout = time.Until(deadline)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timeout = timeout
	return nil
}

// noTimeout is as good as none.
const noTimeout = 1000 * time.Hour

// SetDeadline is what the WebSocket calls before it has begun.
func (l *link) SetDeadline(deadline time.Time) error {
	return l.Conn.SetDeadline(deadline)
}

// linking has the connection that a WebSocket is made of be a link.
type linking struct {
	http.ResponseWriter
	link *link
}

// Hijack takes the connection over from the HTTP server.
func (w *linking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.link = newLink(conn)
	return w.link, buffered, nil
}
