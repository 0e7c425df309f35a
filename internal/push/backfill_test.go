package push

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// newcomer connects a client without a connection.
func (p *plant) newcomer() *client {
	c := &client{hub: p.Hub, wake: make(chan struct{}, 1)}
	p.register(c, opening{filter: newFilter(wire.Filter{})})
	return c
}

func TestClientsGetTheirBackfillInTurnAsFarAsARoundGoes(t *testing.T) {
	p := script()
	p.Hub = newScriptedHub(t, Limits{BytesPerSecond: 1})
	const states = 300
	var b view.Batch
	for n := range states {
		b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", 20))
	}
	p.Apply(b)
	p.round(false)
	clients := []*client{p.newcomer(), p.newcomer(), p.newcomer(), p.newcomer()}
	p.departs(clients[3])
	told := make(map[*client]int)
	var turns []*client
	for rounds := 0; len(p.backfills.waiting) > 0; rounds++ {
		if rounds > 100 {
			t.Fatal("somebody is never served")
		}
		p.round(false)
		for {
			c := p.nextTurn(len(p.backfills.waiting))
			if c == nil {
				break
			}
			turns = append(turns, c)
			taken, _ := p.nextBatch(c)
			bytes := 0
			for _, m := range taken.messages {
				if m.kind == wire.TypeDeviceData {
					bytes += len(m.data)
				}
			}
			told[c] += bytes / deviceBytes
			if bytes > 2*minBackfill*deviceBytes {
				t.Errorf("round %d: %d bytes at once, where there is room for %d", rounds, bytes, minBackfill*deviceBytes)
			}
		}
	}
	for i, c := range turns[:6] {
		if c != clients[i%3] {
			t.Errorf("turn %d is not that of client %d", i, i%3)
		}
	}
	for i, c := range clients[:3] {
		if c.backfill.section != noSection || c.resumeFrom == notResumable || told[c] < states/2 {
			t.Errorf("client %d has been told of some %d devices of %d, and still waits for section %v", i, told[c], states, c.backfill.section)
		}
	}
}

// departs has a client leave.
func (p *plant) departs(c *client) {
	c.reason = ClientLeft
	p.unregister(c)
}

func TestHandshakesStandAsideForARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptedHub(t, Limits{})
		h.rounds.swept = make(chan struct{})
		admitted := make(chan bool, 1)
		ask := func(ctx context.Context) { go func() { admitted <- h.admit(ctx) }() }
		waits := func(why string) {
			t.Helper()
			synctest.Wait()
			if len(admitted) > 0 {
				t.Fatalf("admitted while %s", why)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ask(ctx)
		waits("there is a round")
		cancel()
		if <-admitted || len(h.handshakes) != 0 {
			t.Error("a client that has gone is admitted, or keeps others out")
		}
		ask(t.Context())
		waits("there is a round")
		close(h.rounds.swept)
		h.rounds.swept = nil
		if !<-admitted {
			t.Error("not admitted after the round")
		}
		for range handshakesAtOnce - 1 {
			h.admit(t.Context())
		}
		ask(t.Context())
		waits("there are enough")
		h.handshakeDone()
		if !<-admitted {
			t.Error("not admitted after another")
		}
	})
}

func newScriptedHub(t *testing.T, limits Limits) *Hub {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return NewHub(HubOptions{Catalog: catalog, View: view.New(view.Options{WindowLength: windowLength}), Limits: limits})
}
