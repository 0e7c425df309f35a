package embedded

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxBuffered is how many bytes of a connection within this process may be on their way in each direction. A longer write
// waits for the reader, and goes to it without another copy in between.
const maxBuffered = 16 << 10

// newPipe returns the two ends of a connection within this process. They behave like those of a TCP connection: what was
// written before one end was closed can still be read at the other.
func newPipe() (client, server net.Conn) {
	request, response := newStream(), newStream()
	return &pipeEnd{in: response, out: request}, &pipeEnd{in: request, out: response}
}

// pipeEnd is one end of a connection within this process. It may be used concurrently.
type pipeEnd struct{ in, out *stream }

// Read implements net.Conn.
func (e *pipeEnd) Read(p []byte) (int, error) {
	n, err := e.in.read(p)
	return n, e.explain("read", err)
}

// Write implements net.Conn. The bytes of a write are never mixed with those of another.
func (e *pipeEnd) Write(p []byte) (int, error) {
	n, err := e.out.write(p)
	return n, e.explain("write", err)
}

// explain makes an error what it would be of a TCP connection: the client looks whether to try again.
func (e *pipeEnd) explain(operation string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: operation, Net: "memory", Addr: e.RemoteAddr(), Err: err}
}

// Close implements net.Conn. It ends whatever waits at either end.
func (e *pipeEnd) Close() error {
	e.in.closeReader()
	e.out.closeWriter()
	return nil
}

// LocalAddr implements net.Conn. The broker shows the address as that of a group's member.
func (*pipeEnd) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// RemoteAddr implements net.Conn.
func (e *pipeEnd) RemoteAddr() net.Addr { return e.LocalAddr() }

// SetDeadline implements net.Conn.
func (e *pipeEnd) SetDeadline(t time.Time) error {
	e.in.setReadDeadline(t)
	e.out.setWriteDeadline(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.in.setReadDeadline(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.out.setWriteDeadline(t)
	return nil
}

// stream is one direction of a connection.
type stream struct {
	mu sync.Mutex // guards what follows
	// readable is told when there is something to read or reading ends, writable when a writer may go on or has to end.
	readable, writable sync.Cond
	// buffered holds what was written from start on; pending is the rest of the write that waits, nil for none. It lies
	// behind what is buffered.
	buffered                   []byte
	start                      int
	pending                    []byte
	readerClosed, writerClosed bool
	reading, writing           deadline
}

func newStream() *stream {
	s := new(stream)
	s.readable.L, s.writable.L = &s.mu, &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readerClosed:
			return 0, net.ErrClosed
		case s.reading.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		if n := s.take(p); n > 0 {
			return n, nil
		}
		if s.writerClosed {
			return 0, io.EOF
		}
		s.reading.wait(&s.readable)
	}
}

// take moves what there is into p.
func (s *stream) take(p []byte) int {
	n := copy(p, s.buffered[s.start:])
	if s.start += n; s.start == len(s.buffered) {
		s.buffered, s.start = s.buffered[:0], 0
	}
	if n < len(p) && len(s.pending) > 0 {
		direct := copy(p[n:], s.pending)
		n += direct
		if s.pending = s.pending[direct:]; len(s.pending) == 0 {
			s.writable.Broadcast()
		}
	}
	return n
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.writeError(); err != nil {
			return 0, err
		}
		if s.pending == nil {
			break
		}
		s.writing.wait(&s.writable)
	}
	if s.put(p) {
		s.readable.Signal()
		return len(p), nil
	}
	return s.writeThrough(p)
}

func (s *stream) writeError() error {
	switch {
	case s.writerClosed:
		return net.ErrClosed
	case s.readerClosed:
		return os.NewSyscallError("write", syscall.EPIPE)
	case s.writing.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// put buffers p, if there is room for all of it.
func (s *stream) put(p []byte) bool {
	held := len(s.buffered) - s.start
	if held+len(p) > maxBuffered {
		return false
	}
	if s.start > 0 && len(s.buffered)+len(p) > cap(s.buffered) {
		s.buffered = s.buffered[:copy(s.buffered, s.buffered[s.start:])]
		s.start = 0
	}
	s.buffered = append(s.buffered, p...)
	return true
}

// writeThrough waits until the reader has taken all of p.
func (s *stream) writeThrough(p []byte) (int, error) {
	s.pending = p
	s.readable.Signal()
	var err error
	for len(s.pending) > 0 && err == nil {
		s.writing.wait(&s.writable)
		err = s.writeError()
	}
	left := len(s.pending)
	s.pending = nil
	s.writable.Broadcast() // It is the next writer's turn.
	if left == 0 {
		err = nil
	}
	return len(p) - left, err
}

func (s *stream) closeReader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readerClosed = true
	s.buffered, s.start = nil, 0
	s.wakeAll()
}

func (s *stream) closeWriter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writerClosed = true
	s.wakeAll()
}

func (s *stream) wakeAll() {
	if s.readerClosed {
		s.reading.stop()
	}
	if s.writerClosed {
		s.writing.stop()
	}
	s.readable.Broadcast()
	s.writable.Broadcast()
}

func (s *stream) setReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading.at = t
	s.readable.Broadcast()
}

func (s *stream) setWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing.at = t
	s.writable.Broadcast()
}

// deadline ends the waiting on a condition. Clients set one for every request and hardly ever wait for it, so the timer is
// started by whoever waits, and rather rings for a deadline that has been moved than be set anew for each.
type deadline struct {
	// at is the time, zero for none; rings is when the timer will ring, zero if it will not.
	at, rings time.Time
	timer     *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// wait waits for the condition, whose lock is held, or for the deadline.
func (d *deadline) wait(changed *sync.Cond) {
	if !d.at.IsZero() && (d.rings.IsZero() || d.at.Before(d.rings)) {
		d.rings = d.at
		if d.timer == nil {
			d.timer = time.AfterFunc(time.Until(d.at), func() { d.ring(changed) })
		} else {
			d.timer.Reset(time.Until(d.at))
		}
	}
	changed.Wait()
}

// ring has those who wait look at the time, and wait anew if the deadline has been moved.
func (d *deadline) ring(changed *sync.Cond) {
	changed.L.Lock()
	defer changed.L.Unlock()
	d.rings = time.Time{}
	changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
