package integration

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between the services and a server and spoils the network between them.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	harm  harm
	conns map[net.Conn]bool
	// spoiled counts what the harm has done: connections cut or refused, pieces delayed.
	spoiled int
}

// harm is what a proxy does to the network. Nothing by default.
type harm struct {
	// delay holds up every piece of data, in both directions.
	delay time.Duration
	// cutAnswers is the probability that a connection ends right before an answer is passed on: the server has done what it
	// was asked, and nobody hears of it. cut is that of ending before any piece, in either direction.
	cutAnswers, cut float64
	// away refuses every connection.
	away bool
}

// startProxy listens on addr, which may have port 0, and passes everything on to target.
func startProxy(t *testing.T, addr, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, conns: make(map[net.Conn]bool)}
	var running sync.WaitGroup
	running.Go(func() { p.accept(&running) })
	t.Cleanup(func() {
		listener.Close()
		p.set(harm{away: true})
		running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes the harm and returns how often the harm until now has struck. Going away ends what is connected.
func (p *proxy) set(h harm) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.spoiled
	p.harm, p.spoiled = h, 0
	if h.away {
		for conn := range p.conns {
			conn.Close()
			p.spoiled++
		}
	}
	return before
}

func (p *proxy) accept(running *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.keep(client, server) {
			client.Close()
			if server != nil {
				server.Close()
			}
			continue
		}
		running.Go(func() { p.pass(client, server, false) })
		running.Go(func() { p.pass(server, client, true) })
	}
}

// keep notes a pair of connections, unless the server is away.
func (p *proxy) keep(pair ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.harm.away {
		p.spoiled++
		return false
	}
	for _, conn := range pair {
		p.conns[conn] = true
	}
	return true
}

// pass copies one direction until either side has gone.
func (p *proxy) pass(from, to net.Conn, answers bool) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, conn := range []net.Conn{from, to} {
			conn.Close()
			delete(p.conns, conn)
		}
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || p.spoil(answers) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// spoil does the harm to one piece of data and reports whether the connection ends with it.
func (p *proxy) spoil(answers bool) (end bool) {
	p.mu.Lock()
	h := p.harm
	end = rand.Float64() < h.cut || answers && rand.Float64() < h.cutAnswers
	if end || h.delay > 0 {
		p.spoiled++
	}
	p.mu.Unlock()
	if !end && h.delay > 0 {
		time.Sleep(h.delay)
	}
	return end
}
