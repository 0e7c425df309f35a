package push

import "context"

// handshakesAtOnce bounds the handshakes in progress.
const handshakesAtOnce = 8

// handshakes makes handshakes wait for one another, and for a round that serves many viewers. When thousands of clients connect at once,
// their handshakes would otherwise compete for the processor with the writing to viewers that are connected. It may be used
// concurrently.
type handshakes struct {
	// inProgress holds one item for each handshake in progress.
	inProgress chan struct{}
	// sweeping returns a channel that is closed when the round in progress has served its viewers; nil if there is no round, or a short
	// one.
	sweeping func() <-chan struct{}
}

func newHandshakes(sweeping func() <-chan struct{}) *handshakes {
	return &handshakes{inProgress: make(chan struct{}, handshakesAtOnce), sweeping: sweeping}
}

// admit waits until a handshake may begin. It reports false when ctx ends before that; otherwise done must follow.
func (h *handshakes) admit(ctx context.Context) bool {
	select {
	case h.inProgress <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	swept := h.sweeping()
	if swept == nil {
		return true
	}
	select {
	case <-swept:
		return true
	case <-ctx.Done():
		h.done()
		return false
	}
}

// done ends a handshake that was admitted.
func (h *handshakes) done() { <-h.inProgress }
