package push

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/wire"
)

// supply is a supplier with one viewer: next returns the batches one by one, and false after the last if slow is set.
type supply struct {
	mu       sync.Mutex
	batches  []frameBatch
	slow     bool
	received [][]byte
	left     chan Reason
}

func (s *supply) next(*viewer) (frameBatch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 {
		return frameBatch{}, !s.slow
	}
	b := s.batches[0]
	s.batches = s.batches[1:]
	return b, true
}

func (s *supply) receive(_ *viewer, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, data)
	s.batches = append(s.batches, batchOf(1, len(data)))
}

func (s *supply) leave(_ *viewer, reason Reason) { s.left <- reason }

// batchOf returns a batch of messages with so many bytes each.
func batchOf(messages, bytes int) frameBatch {
	var b frameBatch
	for range messages {
		b.add(plainFrame, newMessage(wire.Envelope{Type: "test"}, make([]byte, frameHead+bytes)))
	}
	return b
}

// served starts a connection with a supplier, and returns its client.
func supplied(t *testing.T, s *supply, o HubOptions) *websocket.Conn {
	t.Helper()
	s.left = make(chan Reason, 1)
	o = o.withDefaults()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrading := &upgrading{ResponseWriter: w}
		conn, err := (&websocket.Upgrader{}).Upgrade(upgrading, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c := newConnection(&o, s, conn, upgrading.link)
		go c.read()
		go c.write()
		c.serve()
	}))
	t.Cleanup(server.Close)
	client, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	t.Cleanup(func() { client.Close() })
	return client
}

func TestConnectionSendsWhatThereIsAndAfterEachMessageOfTheClient(t *testing.T) {
	s := &supply{batches: []frameBatch{batchOf(2, 100)}}
	sent := make(chan int, 10)
	client := supplied(t, s, HubOptions{Metrics: Metrics{Sent: func(_ string, bytes int) { sent <- bytes }}})
	for range 2 {
		if _, data, err := client.ReadMessage(); err != nil || len(data) != 100 {
			t.Fatalf("got %d bytes, %v, want 100", len(data), err)
		}
	}
	if err := client.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := client.ReadMessage(); err != nil || len(data) != 5 {
		t.Fatalf("got %d bytes, %v, want the 5 of the answer", len(data), err)
	}
	if got := [3]int{<-sent, <-sent, <-sent}; got != [3]int{100, 100, 5} {
		t.Errorf("reported as sent: got %v, want 100, 100, 5", got)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if reason := <-s.left; reason != ConnectionLost {
		t.Errorf("ended: got %q, want %q", reason, ConnectionLost)
	}
	if !bytes.Equal(bytes.Join(s.received, nil), []byte("hello")) {
		t.Errorf("received %q, want hello", s.received)
	}
}

func TestConnectionThatIsTooSlowForAlertsEnds(t *testing.T) {
	s := &supply{slow: true}
	client := supplied(t, s, HubOptions{})
	_, _, err := client.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
		t.Errorf("got %v, want close code %d", err, websocket.CloseTryAgainLater)
	}
	if reason := <-s.left; reason != TooSlowAlerts {
		t.Errorf("ended: got %q, want %q", reason, TooSlowAlerts)
	}
}

// A ping is written after what is left of earlier messages, so the link is ready again before the connection's own goroutine has reported
// those messages. What serve then writes in part is reported together with them.
func TestMessagesThatAPingHasWrittenAreReported(t *testing.T) {
	l, far := linked(t)
	const size = 4 << 20
	s := &supply{batches: []frameBatch{batchOf(3, size), batchOf(2, size)}}
	reported := 0
	o := HubOptions{Metrics: Metrics{Sent: func(_ string, bytes int) { reported += bytes }}}.withDefaults()
	c := newConnection(&o, s, nil, l)
	if c.serve() != handedOver {
		t.Fatal("the link accepts everything at once")
	}
	if c.serve() != behind {
		t.Error("served again before the rest was written")
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.CopyN(io.Discard, far, int64(3*(frameHead+size)+len("ping"))) })
	_ = l.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := l.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	if c.serve() != handedOver {
		t.Fatal("the link accepts everything at once")
	}
	reading.Go(func() { _, _ = io.Copy(io.Discard, far) })
	c.deliver()
	l.Close()
	reading.Wait()
	if want := 5 * size; reported != want {
		t.Errorf("got %d bytes of messages reported, want %d", reported, want)
	}
}

func TestConnectionWithoutDirectWritesIsServedByItsOwnGoroutine(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	o := HubOptions{}.withDefaults()
	c := newConnection(&o, &supply{}, nil, newLink(near))
	if got := c.serve(); got != handedOver || len(c.wake) != 1 {
		t.Errorf("got %v and %d signals, want %v and 1", got, len(c.wake), handedOver)
	}
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if got := c.serve(); got != behind {
		t.Errorf("while another goroutine writes: got %v, want %v", got, behind)
	}
}

func TestMessageQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q messageQuota
		count := func(wait time.Duration, messages int) (accepted int) {
			time.Sleep(wait)
			for range messages {
				if q.spend(time.Now()) {
					accepted++
				}
			}
			return accepted
		}
		if got := count(0, 100); got != 20 {
			t.Errorf("at once: got %d accepted, want 20", got)
		}
		if got := count(time.Second, 100); got != 5 {
			t.Errorf("after a second: got %d accepted, want 5", got)
		}
		if got := count(time.Hour, 100); got != 20 {
			t.Errorf("after an hour: got %d accepted, want 20", got)
		}
	})
}
