package opcua_test

import (
	"net"
	"sync"
	"testing"
)

// proxy is a network between a source and a server that can fail.
type proxy struct {
	listener net.Listener
	target   string

	mu sync.Mutex
	// What follows is guarded by mu.
	links  map[*link]bool
	frozen bool
}

// link is one connection. Frozen, it takes bytes and drops them, as a network does whose cable is cut.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	frozen         bool
}

// newProxy forwards connections to a server until the test ends.
func newProxy(t testing.TB, s *server) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: s.endpoint()[len("opc.tcp://"):], links: make(map[*link]bool)}
	go p.accept()
	t.Cleanup(func() {
		listener.Close()
		p.cut()
	})
	return p
}

func (p *proxy) endpoint() string { return "opc.tcp://" + p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		l.frozen = p.frozen
		p.links[l] = true
		p.mu.Unlock()
		go l.copy(server, client)
		go func() {
			l.copy(client, server)
			p.mu.Lock()
			delete(p.links, l)
			p.mu.Unlock()
		}()
	}
}

func (l *link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		if n > 0 && !frozen {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// freeze drops everything on all connections, and on new ones until thaw.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
	for l := range p.links {
		l.mu.Lock()
		l.frozen = true
		l.mu.Unlock()
	}
}

// thaw lets new connections through. Those that were frozen stay so.
func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.client.Close()
		l.server.Close()
	}
}
