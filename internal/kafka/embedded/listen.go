package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// acceptPause is the pause after a failed accept, because of too few file descriptors for example.
const acceptPause = 100 * time.Millisecond

// listener accepts connections from the loopback interface, each behind a guardedConn, and in-memory connections of this process's own
// clients.
type listener struct {
	net.Listener
	conns    chan net.Conn
	closed   chan struct{}
	close    func() error
	external sync.WaitGroup
}

// listen listens on an address of the loopback interface; another address is an error. kfake must not be reachable from the network.
func listen(network, address string) (*listener, error) {
	tcp, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return nil, err
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("the embedded broker listens on the loopback interface only, not on %s", address)
	}
	socket, err := net.ListenTCP(network, tcp)
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: socket, conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		err := socket.Close()
		l.external.Wait()
		return err
	})
	l.external.Go(l.acceptExternal)
	return l, nil
}

// acceptExternal accepts connections from the loopback interface until the listener is closed.
func (l *listener) acceptExternal() {
	for {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		select {
		case l.conns <- &guardedConn{Conn: conn}:
		case <-l.closed:
			_ = conn.Close() // It was never passed on.
			return
		}
	}
}

// dial returns the client's end of a new in-memory connection, when the broker has accepted the other end.
func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := newPipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. A second call does nothing.
func (l *listener) Close() error { return l.close() }
