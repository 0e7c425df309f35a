package embedded

import (
	"errors"
	"io"
	"net"
)

// newPipe returns the two ends of a connection within this process. A write returns when the other end has read it.
func newPipe() (client, server net.Conn) {
	client, server = net.Pipe()
	return pipeEnd{client}, pipeEnd{server}
}

// pipeEnd is one end of a net.Pipe that looks like one of a TCP connection.
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

// explain makes an error what it would be of a TCP connection: the client looks whether to try again.
func (e pipeEnd) explain(operation string, err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, io.ErrClosedPipe):
		err = net.ErrClosed
	}
	return &net.OpError{Op: operation, Net: "memory", Addr: e.RemoteAddr(), Err: err}
}

// LocalAddr implements net.Conn. The broker shows the address as that of a group's member.
func (pipeEnd) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// RemoteAddr implements net.Conn.
func (e pipeEnd) RemoteAddr() net.Addr { return e.LocalAddr() }
