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

// link is the TCP or TLS connection beneath a viewer's WebSocket. It writes frames in two ways: writeNow writes what the kernel accepts
// at once and never waits; flush writes what writeNow left and may wait. Whichever goroutine writes, a frame that has been begun is
// finished before anything else is written. mu is acquired before the lock of shared.
type link struct {
	net.Conn
	// raw writes without waiting; nil where the operating system does not offer that, or TLS lies between.
	raw syscall.RawConn
	// put is the method attempt, bound once rather than for each write. data is what it writes, written how many bytes of that it has
	// written, and failed its error.
	put     func(fd uintptr) bool
	data    []byte
	written int
	failed  error

	// mu is held while a goroutine writes. It guards all fields but Conn, raw and put.
	mu sync.Mutex
	// unsent is what is left of a frame that was begun, and the frames after it. Their bytes are shared with other viewers.
	unsent [][]byte
	// timeout is how long the next call of Write may take for each frame, counted from when the frame's turn comes.
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

// ready reports whether writeNow may be called: nothing of an earlier call is left. The caller holds mu.
func (l *link) ready() bool { return l.raw != nil && len(l.unsent) == 0 && l.broken == nil }

// writeNow writes what the kernel accepts at once, and reports whether that is everything. What is left is written by flush, which must
// then be called. The link must be ready, and the caller holds mu.
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

// attempt writes data until the kernel accepts no more. It always returns true, which has RawConn.Write return rather than wait.
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

// flush writes what is left of earlier frames, and then the given ones, each within the timeout. The caller holds mu.
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

// writeBy writes data before the deadline. After an error the link is broken, because half of a frame may have been written. The
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
	// A deadline that passes later would make the next writeNow fail.
	return l.Conn.SetWriteDeadline(time.Time{})
}

// Write writes one of the WebSocket's own frames: a ping, a pong or a close. What is left of earlier frames is written first.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.flush([][]byte{p}, l.timeout); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline sets the timeout of the next call of Write to the time that is left until the deadline. The timeout begins only when
// Write has the link: a deadline that passed while another goroutine was writing would break the connection of a client that is only
// slow.
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

// noTimeout is so long that it never passes.
const noTimeout = 1000 * time.Hour

// SetDeadline sets the deadline of the connection itself. gorilla/websocket calls it during the handshake, before anything else writes.
func (l *link) SetDeadline(deadline time.Time) error {
	return l.Conn.SetDeadline(deadline)
}

// upgrading is the ResponseWriter of a handshake. It makes a link of the connection on which the handshake is done.
type upgrading struct {
	http.ResponseWriter
	// link is set by Hijack.
	link *link
}

// Hijack takes the connection over from the HTTP server.
func (u *upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.link = newLink(conn)
	return u.link, buffered, nil
}
