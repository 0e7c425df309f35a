package sourcetest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy between a source and its server, which causes faults of the network.
type Proxy struct {
	t      testing.TB
	target string
	port   string

	mu       sync.Mutex
	listener net.Listener
	links    map[*link]bool
	mode     mode
	running  sync.WaitGroup
}

type mode int

const (
	pass mode = iota
	// lose drops all data and answers nothing, without closing anything. Connections of that time stay dead for good.
	lose
	// hold keeps the data until the mode changes.
	hold
	// slow delays every piece of data.
	slow
)

// slowness is how long slow delays each piece, of at most slowPiece bytes.
const (
	slowness  = 50 * time.Millisecond
	slowPiece = 512
)

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	// dead is whether data was lost, so that a byte of a later time would be at the wrong place, and stillborn whether that has been so from the beginning.
	dead, stillborn bool
}

// NewProxy returns a proxy in front of target, an address host:port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, target: target, port: "0", links: make(map[*link]bool)}
	p.listen("127.0.0.1")
	t.Cleanup(func() {
		p.listener.Close()
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Address returns where the proxy listens.
func (p *Proxy) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Addr().String()
}

func (p *Proxy) listen(host string) {
	p.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, p.port))
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = listener
	p.mu.Unlock()
	_, p.port, _ = net.SplitHostPort(listener.Addr().String())
	p.running.Go(func() { p.accept(listener) })
}

// Move has the proxy listen on another host of the loopback, at the same port, and cuts all connections.
func (p *Proxy) Move(host string) {
	p.t.Helper()
	p.listener.Close()
	p.listen(host)
	p.Cut()
}

// open returns how many connections there are.
func (p *Proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// tried reports whether there is a connection that was made while the network was lost.
func (p *Proxy) tried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if l.stillborn {
			return true
		}
	}
	return false
}

// Cut ends all connections with RST.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		for _, conn := range []net.Conn{l.client, l.server} {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}
}

// Lose cuts the network without a sign of it. Hold and Slow hold data up. Pass ends these faults; connections that have lost data stay silent.
func (p *Proxy) Lose() { p.set(lose) }

// Hold keeps all data until Pass.
func (p *Proxy) Hold() { p.set(hold) }

// Slow delays all data.
func (p *Proxy) Slow() { p.set(slow) }

// Pass ends the faults.
func (p *Proxy) Pass() { p.set(pass) }

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	for l := range p.links {
		l.dead = l.dead || m == lose
	}
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.(*net.TCPConn).SetLinger(0)
			client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		l.stillborn = p.mode == lose
		l.dead = l.stillborn
		p.links[l] = true
		p.mu.Unlock()
		var directions sync.WaitGroup
		directions.Go(func() { p.copy(l, client, server) })
		directions.Go(func() { p.copy(l, server, client) })
		p.running.Go(func() {
			directions.Wait()
			p.mu.Lock()
			delete(p.links, l)
			p.mu.Unlock()
		})
	}
}

// copy copies one direction until either side closes.
func (p *Proxy) copy(l *link, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !p.wait(l, n) {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// wait waits as long as n bytes are to be held up, and reports whether they arrive.
func (p *Proxy) wait(l *link, n int) bool {
	for {
		p.mu.Lock()
		m, dead := p.mode, l.dead
		open := p.links[l]
		p.mu.Unlock()
		switch {
		case dead:
			return false
		case m == slow:
			time.Sleep(slowness * time.Duration((n+slowPiece-1)/slowPiece))
			return true
		case m != hold || !open:
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
}
