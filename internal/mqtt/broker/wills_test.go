package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
)

// gate is a receiver that blocks as long as it is shut, as the pipeline of a source does while the log is away.
type gate struct {
	*sink
	open chan struct{}
}

func (g *gate) Receive(ctx context.Context, m *Message) error {
	select {
	case <-g.open:
		return g.sink.Receive(ctx, m)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shut makes the receiver of the broker block. The function opens it.
func (r *rig) shut() (open func()) {
	g := &gate{r.sink, make(chan struct{})}
	var receiver Receiver = g
	r.receiver.Store(&receiver)
	return func() { close(g.open) }
}

// A last will that waits for the log does not keep its client out, and comes before everything that the client sends then.
func TestAWillThatWaitsForTheLogDoesNotKeepItsClientOut(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{4, 5} {
		for _, clean := range []bool{false, true} {
			t.Run(fmt.Sprint("version ", version, ", clean ", clean), func(t *testing.T) {
				t.Parallel()
				r := start(t, Options{})
				open := r.shut()
				press := hello{id: "press", clean: clean, will: &publication{topic: "press/status", payload: []byte("offline"), qos: 1, retain: true}}
				c, _ := r.connect(version, press)
				_ = c.Close()
				r.until("loss", func() bool { return r.Stats().Clients == 0 && r.Stats().Wills == 1 })
				began := time.Now()
				c, _ = r.connect(version, press)
				if took := time.Since(began); took > connectTimeout/2 {
					t.Errorf("connected after %v", took)
				}
				if code := c.subscribe("commands", 1); code != 1 {
					t.Errorf("got %x", code)
				}
				c.send(c.publishPacket("press/status", "online", 1, 1, packet.PublishRetain))
				time.Sleep(50 * time.Millisecond) // The message has come, and waits for the will.
				open()
				c.want(packet.Puback)
				if got := fmt.Sprint(r.payloads()); got != "[offline online]" {
					t.Errorf("got %s", got)
				}
				if m := r.retained.get("press/status"); m == nil || string(m.payload) != "online" {
					t.Errorf("retained %+v", m)
				}
				if s := r.Stats(); s.WaitingWills != 0 || s.Sessions != 1 {
					t.Errorf("got %+v", s)
				}
			})
		}
	}
}

// Last wills that wait for the log are bounded, and those that are not kept are counted: of one client the last one is, of many those that came first.
func TestWillsThatWaitForTheLogAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	open := r.shut()
	lose := func(id string, payload string) {
		wills := r.Stats().Wills
		c, _ := r.connect(5, hello{id: id, clean: true, will: &publication{topic: "w/" + id, payload: []byte(payload)}})
		_ = c.Close()
		r.until("loss", func() bool { return r.Stats().Wills == wills+1 })
	}
	lose("first", "first") // Taken, and on its way.
	r.until("will that is on its way", func() bool { return r.wills.size() == 0 })
	const flaps = 5
	for i := range flaps {
		lose("flapping", fmt.Sprint(i))
	}
	if s := r.Stats(); s.Dropped[dropWillReplaced] != flaps-1 || s.WaitingWills != 1 {
		t.Errorf("got %+v", s)
	}
	const size = 60_000
	clients := maxWills/size + 10
	for i := range clients {
		lose(fmt.Sprint(i), strings.Repeat("x", size))
	}
	s := r.Stats()
	if s.Dropped[dropWillsFull] == 0 || s.WaitingWills+int(s.Dropped[dropWillsFull]) != clients+1 || r.wills.bytes > maxWills {
		t.Errorf("got %+v", s)
	}
	r.sink.mu.Lock()
	if len(r.problems) == 0 || !strings.Contains(r.problems[len(r.problems)-1].Error(), "is lost") {
		t.Errorf("got the problems %v", r.problems)
	}
	r.sink.mu.Unlock()
	open()
	r.until("wills and ends of sessions", func() bool { return r.Stats().WaitingWills == 0 && r.Stats().Sessions == 0 })
	if got := r.payloads(); len(got) != s.WaitingWills+1 || got[0] != "first" || got[1] != fmt.Sprint(flaps-1) {
		t.Errorf("got %d wills, the first %.20q", len(got), got[:2])
	}
	if r.wills.bytes != 0 {
		t.Errorf("%d bytes are left", r.wills.bytes)
	}
}

// What the log has not taken when the broker ends is published by its next Run. A will that is not appended is counted.
func TestWillsSurviveTheEndOfARun(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	r.shut()
	c, _ := r.connect(5, hello{id: "press", will: &publication{topic: "s", payload: []byte("gone")}})
	_ = c.Close()
	r.until("loss", func() bool { return r.Stats().Wills == 1 })
	r.stop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, r.sink) }()
	<-r.sink.addresses
	r.until("will", func() bool { return fmt.Sprint(r.payloads()) == "[gone]" })
	cancel()
	<-ended
	(&Message{willOf: r.Broker}).Done(errors.New("the log has ended"))
	if got := r.Stats().Dropped[dropWillFailed]; got != 1 {
		t.Errorf("counted %d", got)
	}
}

// faulty is a receiver that fails at every second message.
type faulty struct {
	*sink
	count atomic.Int64
}

func (f *faulty) Receive(ctx context.Context, m *Message) error {
	if f.count.Add(1)%2 == 1 {
		panic("a fault")
	}
	return f.sink.Receive(ctx, m)
}

// A fault at one last will costs this one, and not those behind it.
func TestAFaultAtAWillCostsOne(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	var receiver Receiver = &faulty{sink: r.sink}
	r.receiver.Store(&receiver)
	for _, id := range []string{"a", "b"} {
		c, _ := r.connect(5, hello{id: id, clean: true, will: &publication{topic: "s", payload: []byte(id)}})
		_ = c.Close()
		r.until("loss", func() bool { return r.Stats().Sessions == 0 })
	}
	r.until("will", func() bool { return fmt.Sprint(r.payloads()) == "[b]" })
	if s := r.Stats(); s.Failures != 1 || s.Dropped[dropWillFailed] != 1 {
		t.Errorf("got %+v", s)
	}
}
