package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Sparing returns a logger that logs each message at most once per interval, with the number of suppressed repetitions. Use
// it for errors that repeat while something is down.
func Sparing(logger *slog.Logger, interval time.Duration) *slog.Logger {
	return slog.New(&sparing{Handler: logger.Handler(), history: &history{interval: interval, messages: make(map[string]*repeats)}})
}

type sparing struct {
	slog.Handler
	*history
}

// history is shared by all loggers derived from one Sparing.
type history struct {
	interval time.Duration
	mu       sync.Mutex
	messages map[string]*repeats
}

// repeats is the state of one message. Messages are constants, so there are few.
type repeats struct {
	passed  time.Time
	leftOut int
}

// Handle implements slog.Handler.
func (s *sparing) Handle(ctx context.Context, r slog.Record) error {
	leftOut, pass := s.admit(r.Message, r.Time)
	if !pass {
		return nil
	}
	if leftOut > 0 {
		r.AddAttrs(slog.Int("left_out", leftOut))
	}
	return s.Handler.Handle(ctx, r)
}

func (h *history) admit(message string, at time.Time) (leftOut int, pass bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.messages[message]
	if m == nil {
		m = new(repeats)
		h.messages[message] = m
	}
	if !m.passed.IsZero() && at.Sub(m.passed) < h.interval {
		m.leftOut++
		return 0, false
	}
	leftOut = m.leftOut
	*m = repeats{passed: at}
	return leftOut, true
}

// WithAttrs implements slog.Handler.
func (s *sparing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sparing{s.Handler.WithAttrs(attrs), s.history}
}

// WithGroup implements slog.Handler.
func (s *sparing) WithGroup(name string) slog.Handler {
	return &sparing{s.Handler.WithGroup(name), s.history}
}
