package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// acceptPause is how long no strangers are accepted after that has failed, for want of file descriptors for example.
const acceptPause = 100 * time.Millisecond

// listener hands the broker connections from the loopback interface, guarded, and those of this process' own clients, who
// come without the kernel.
type listener struct {
	net.Listener
	conns     chan net.Conn
	closed    chan struct{}
	close     func() error
	strangers sync.WaitGroup
}

// listen listens on the loopback interface only, see guardedConn.
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
		l.strangers.Wait()
		return err
	})
	l.strangers.Go(l.acceptStrangers)
	return l, nil
}

// acceptStrangers accepts what comes over the loopback interface until the listener is closed.
func (l *listener) acceptStrangers() {
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
			_ = conn.Close() // Nobody has seen it yet.
			return
		}
	}
}

// dial connects a client of this process.
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

// Close implements net.Listener. Closing again does nothing.
func (l *listener) Close() error { return l.close() }
