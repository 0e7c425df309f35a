package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

// proxy is between a store and the server. It can cut every connection at a certain packet to the server: after the packet, so
// that its response is lost, or before it.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns []net.Conn
	// pieces counts the packets to the server. The connection is cut at packet number cut, 0 for never, or at the packet that
	// contains word.
	pieces, cut int
	word        string
	// deliver is set if the last packet still reaches the server, muted if no response comes back.
	deliver, muted bool
	running        sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: to}
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			p.running.Go(func() { p.forward(server, client, true) })
			p.running.Go(func() { p.forward(client, server, false) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.cutAll()
		p.running.Wait()
	})
	return p
}

func (p *proxy) forward(to io.WriteCloser, from io.ReadCloser, toServer bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && toServer && p.ends(buffer[:n]) {
			if p.delivers() {
				// The server should handle the packet before it notices that the connection is cut.
				to.Write(buffer[:n])
				time.Sleep(3 * time.Millisecond)
			}
			p.cutAll()
			return
		}
		if n > 0 && (toServer || !p.silent()) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// ends counts a packet and reports whether to cut the connection at it.
func (p *proxy) ends(piece []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pieces++
	cut := p.pieces == p.cut || p.word != "" && bytes.Contains(piece, []byte(p.word))
	p.muted = p.muted || cut
	return cut
}

func (p *proxy) delivers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deliver
}

func (p *proxy) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.muted
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
}

// arm makes the proxy cut at the given piece, or at one with the word.
func (p *proxy) arm(cut int, word string, deliver bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pieces, p.cut, p.word, p.deliver, p.muted = 0, cut, word, deliver, false
}

func (p *proxy) sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pieces
}

// through returns the address of the proxy in front of the server at address.
func (p *proxy) through(t *testing.T, address string) string {
	return with(t, address, func(u *url.URL) { u.Host, u.RawQuery = p.listener.Addr().String(), "sslmode=disable" })
}

// everything is a batch with a row of every kind, a late reading and a duplicate among them.
func everything(f *feed, round int) *archive.Batch {
	clock := float64(1000 + 100*round)
	b := f.batch(clock,
		reading("a", 0, clock, 1), reading("a", 0, clock, 2), reading("a", 0, 500, 3), reading(fmt.Sprint("new ", round), 0, clock, 1))
	w := iot.WindowSummary{Type: iot.Temperature, Window: iot.Window{Start: at(float64(30 * round)), Length: 30 * time.Second}, Final: true}
	late := w
	late.Final, late.Late = false, true
	b.Summaries = []iot.WindowSummary{w, late}
	b.Alerts = []iot.Alert{{ID: fmt.Sprint(round), Onset: at(clock), Time: at(clock)}}
	return b
}

// throughProxy returns a store behind a proxy, the direct way to its database, and a feed that has begun.
func throughProxy(t *testing.T) (s *postgres.Store, p *proxy, url string, f *feed) {
	url = newURL(t)
	f = &feed{}
	f.write(t, open(t, url), 0, reading("a", 0, 500, 3))
	host, _, _ := parts(t, url)
	p = newProxy(t, host)
	s, err := postgres.Open(postgres.Options{URL: p.through(t, url), ReadingsTopic: storetest.Topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, p, url, f
}

// retry repeats the write of a batch whose response was lost, and checks the result against the database.
func retry(t *testing.T, s *postgres.Store, url string, b *archive.Batch) (taken bool) {
	t.Helper()
	// The transaction that was cut has ended on the server when its lock is free.
	command(t, url, `BEGIN; SELECT next FROM offsets WHERE partition = 0 FOR UPDATE; COMMIT`)
	before := ask[int64](t, url, `SELECT next FROM offsets WHERE partition = 0`)
	switch err := s.Write(context.Background(), b); {
	case err == nil && before == b.Moves[0].Old.Next:
		return false
	case errors.Is(err, archive.ErrOffsetsMoved) && before == b.Moves[0].New.Next:
		return true
	default:
		t.Fatalf("offset at %d of %+v: the retry got %v", before, b.Moves[0], err)
		return false
	}
}

// holdsRounds checks that each row of so many rounds is stored once.
func holdsRounds(t *testing.T, url string, rounds int) {
	t.Helper()
	// Of each round a reading of a and a new device, and the reading before.
	if got, want := stored(t, url), int64(2*rounds+1); got != want {
		t.Errorf("got %d readings, want %d", got, want)
	}
	for _, table := range []string{"summaries", "alerts"} {
		if got := ask[int64](t, url, `SELECT count(*) FROM `+table); got < int64(rounds) {
			t.Errorf("got %d %s, want %d", got, table, rounds)
		}
	}
	audit(t, url)
}

// Wherever the connection is cut, a batch is stored once: the retry either stores it or returns that the offsets have moved, and
// the latter only if the batch is stored.
func TestAConnectionMayBeCutAnywhere(t *testing.T) {
	s, p, url, f := throughProxy(t)
	round := 0
	for _, deliver := range []bool{false, true} {
		for piece := 1; ; piece++ {
			round++
			b := everything(f, round)
			p.arm(piece, "", deliver)
			err := s.Write(context.Background(), b)
			cut := p.sent() >= piece
			p.arm(0, "", false)
			if err != nil {
				if !postgres.Transient(err) {
					t.Errorf("cut at piece %d: got %v, want an error that is worth a retry", piece, err)
				}
				retry(t, s, url, b)
			}
			f.moved(b)
			if !cut {
				break
			}
		}
	}
	if round < 20 {
		t.Errorf("a write went in %d pieces only", round/2)
	}
	holdsRounds(t, url, round)
}

func TestACommitMayGoWithoutAnAnswer(t *testing.T) {
	s, p, url, f := throughProxy(t)
	const rounds = 10
	for round := 1; round <= rounds; round += 2 {
		// A store that knows its partitions has only one commit in a write.
		known := everything(f, round)
		if err := s.Write(context.Background(), known); err != nil {
			t.Fatal(err)
		}
		f.moved(known)
		b := everything(f, round+1)
		p.arm(0, "commit\x00", true)
		err := s.Write(context.Background(), b)
		p.arm(0, "", false)
		if err == nil || !postgres.Transient(err) {
			t.Fatalf("got %v, want an error that is worth a retry", err)
		}
		if !retry(t, s, url, b) {
			t.Error("the retry stored what was stored")
		}
		f.moved(b)
	}
	holdsRounds(t, url, rounds)
}
