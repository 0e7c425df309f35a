package push

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestHandshakesWaitForARoundAndForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		swept := make(chan struct{})
		round := (<-chan struct{})(swept)
		h := newHandshakes(func() <-chan struct{} { return round })
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
		if <-admitted || len(h.inProgress) != 0 {
			t.Error("a client that has gone is admitted, or keeps others out")
		}
		ask(t.Context())
		waits("there is a round")
		close(swept)
		if !<-admitted {
			t.Error("not admitted after the round")
		}
		round = nil
		for range handshakesAtOnce - 1 {
			h.admit(t.Context())
		}
		ask(t.Context())
		waits("there are enough")
		h.done()
		if !<-admitted {
			t.Error("not admitted after another")
		}
	})
}
