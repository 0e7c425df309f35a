package deliver

import (
	"log/slog"
	"sync"
	"time"

	"iotmon/internal/notify"
)

// betweenTroubles is the least time between two lines that say that a target begins to fail, so that one that fails now and then does not fill the log.
const betweenTroubles = 10 * time.Minute

// troubles writes a line to the log when a target begins to fail, and one when it is back. It outlives the sessions, and is safe for concurrent use.
type troubles struct {
	logger *slog.Logger

	mu sync.Mutex
	of map[notify.Target]*trouble
}

// trouble is what is known of a target that has failed.
type trouble struct {
	// since is when it has begun to fail; zero if it works.
	since time.Time
	// said is when the log last had that it begins to fail, open whether it has not had yet that it is back.
	said time.Time
	open bool
	// tries is how often it was tried in vain since.
	tries int
}

func newTroubles(logger *slog.Logger) *troubles {
	return &troubles{logger: logger, of: make(map[notify.Target]*trouble)}
}

// failed notes a try in vain. waiting is how many messages wait for the target.
func (t *troubles) failed(target notify.Target, why error, waiting int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of[target]
	if f == nil {
		f = new(trouble)
		t.of[target] = f
	}
	if f.since.IsZero() || f.since.After(now) {
		f.since, f.tries = now, 0
	}
	f.tries++
	if f.open || now.Sub(f.said).Abs() < betweenTroubles {
		return
	}
	f.said, f.open = now, true
	t.logger.With(named(target)...).Warn("a receiver does not take notifications", "reason", why, "waiting", waiting)
}

// taken notes that a target has taken a message. waiting is how many more wait for it.
func (t *troubles) taken(target notify.Target, waiting int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of[target]
	if f == nil || f.since.IsZero() {
		return
	}
	if f.open {
		t.logger.With(named(target)...).Info("a receiver takes notifications again",
			"after", now.Sub(f.since).Round(time.Second), "tries", f.tries, "waited", waiting+1)
	}
	f.since, f.open = time.Time{}, false
}

// forget forgets everything, because another process sends.
func (t *troubles) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.of)
}

// named returns the attributes that name a target.
func named(target notify.Target) []any {
	if target.Recipient == "" {
		return []any{"channel", target.Channel}
	}
	return []any{"channel", target.Channel, "recipient", target.Recipient}
}
