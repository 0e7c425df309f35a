package integration

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is between the services and a server, and causes faults of the network.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	faults networkFaults
	conns  map[net.Conn]bool
	// happened counts the faults: connections that were cut or refused, packets that were delayed.
	happened int
}

// networkFaults are the faults that a proxy causes. The zero value causes none.
type networkFaults struct {
	// delay holds up every piece of data, in both directions.
	delay time.Duration
	// cutAnswers is the probability that a connection is cut just before a response: the server has handled the request, and the
	// client does not learn of it. cut is the probability before any packet, in either direction.
	cutAnswers, cut float64
	// away refuses every connection.
	away bool
	// rate is how many bytes a second a connection passes on in one direction; 0 for no limit.
	rate int
	// silent drops all data without a sign. A connection that has lost data is silent for good.
	silent bool
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
		p.set(networkFaults{away: true})
		running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes the faults and returns how many have happened so far. If the proxy is to be away, it cuts all connections.
func (p *proxy) set(h networkFaults) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.happened
	p.faults, p.happened = h, 0
	if h.away {
		for conn := range p.conns {
			conn.Close()
			p.happened++
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
	if p.faults.away {
		p.happened++
		return false
	}
	for _, conn := range pair {
		p.conns[conn] = true
	}
	return true
}

// pass copies one direction until either side has closed its connection.
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
	for silent := false; ; {
		n, err := from.Read(buffer)
		if err != nil || p.fail(answers, n) {
			return
		}
		if silent = silent || p.isSilent(); silent {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) isSilent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults.silent
}

// fail causes the faults for one packet of some bytes. It reports whether to cut the connection there.
func (p *proxy) fail(answers bool, bytes int) (end bool) {
	p.mu.Lock()
	h := p.faults
	if h.rate > 0 {
		h.delay += time.Duration(bytes) * time.Second / time.Duration(h.rate)
	}
	end = rand.Float64() < h.cut || answers && rand.Float64() < h.cutAnswers
	if end || h.delay > 0 {
		p.happened++
	}
	p.mu.Unlock()
	if !end && h.delay > 0 {
		time.Sleep(h.delay)
	}
	return end
}
