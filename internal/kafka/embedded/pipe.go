package embedded

import (
	"errors"
	"io"
	"net"
)

// newPipe returns the two ends of an in-memory connection. A write returns when the other end has read it.
func newPipe() (client, server net.Conn) {
	client, server = net.Pipe()
	return pipeEnd{client}, pipeEnd{server}
}

// pipeEnd is one end of a net.Pipe with the errors and addresses of a TCP connection.
type pipeEnd struct{ net.Conn }

// Read implements net.Conn.
func (e pipeEnd) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	return n, e.explain("read", err)
}

// Write implements net.Conn. The bytes of a write are never mixed with those of another.
func (e pipeEnd) Write(p []byte) (int, error) {
	n, err := e.Conn.Write(p)
	return n, e.explain("write", err)
}

// explain converts an error to that of a TCP connection, by which the client decides whether to retry.
func (e pipeEnd) explain(operation string, err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, io.ErrClosedPipe):
		err = net.ErrClosed
	}
	return &net.OpError{Op: operation, Net: "memory", Addr: e.RemoteAddr(), Err: err}
}

// LocalAddr implements net.Conn. The broker returns the address as the host of a group's member.
func (pipeEnd) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// RemoteAddr implements net.Conn.
func (e pipeEnd) RemoteAddr() net.Addr { return e.LocalAddr() }
