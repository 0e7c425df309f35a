package push

import (
	"sync"
	"time"

	"iotmon/internal/view"
)

// shared holds the parts of the hub that several goroutines use, and the one lock that guards them. It is one lock because a change, the
// numbers of the feed and what a viewer has seen must agree at every moment. shared itself applies what the log brings; rounds and
// dispatcher, which embed it, do the rest.
type shared struct {
	// options has its defaults filled in, and does not change.
	options *HubOptions

	// mu guards what follows. The methods of these parts are called with mu held.
	mu        sync.Mutex
	feed      *feed
	viewers   *viewers
	sessions  *sessions
	backfills *backfills
	composer  *composer
	traces    traces
}

// newShared returns the parts without viewers and changes. A viewer that starts to wait for a backfill signals wake.
func newShared(o *HubOptions, wake chan<- struct{}) *shared {
	// Numbers that start at the clock never run backwards over a restart: no hub numbers a million messages a second.
	first := uint64(o.Now().UnixMicro())
	s := &shared{
		options:   o,
		feed:      newFeed(first, o.Limits.Alerts, o.Limits.AlertGrace),
		viewers:   newViewers(o.Limits.Connections),
		sessions:  newSessions(first, o.Limits.Connections),
		backfills: &backfills{wake: wake},
		traces:    make(traces),
	}
	s.composer = newComposer(o, s.feed, s.viewers, s.traces)
	return s
}

// apply applies a batch to the view, and adds to the feed what the batch changed, which it returns.
func (s *shared) apply(batch view.Batch) view.Changes {
	s.mu.Lock()
	// Under one lock: a viewer whose snapshot has an alert must not be sent the same event again as a change.
	changed := s.options.View.Apply(batch)
	for _, r := range changed.Removed {
		s.composer.fragments.forget(r.Number)
		s.traces.forget(r.Number)
	}
	conflatedDevices, conflatedWindows := s.feed.add(changed)
	for _, traced := range batch.Traced {
		if number, known := s.options.View.Number(traced.Device.ID); known && traced.Device.Tenant == s.options.View.Tenant() {
			s.traces.add(number, traced.Span, time.Now())
		} else {
			endTrace(traced.Span, "forgotten")
		}
	}
	s.mu.Unlock()
	reportCount(s.options.Metrics.Conflated, "device", conflatedDevices)
	reportCount(s.options.Metrics.Conflated, "window", conflatedWindows)
	return changed
}

// discardAlerts drops the alert events that have not been numbered yet: no viewer is sent them as changes.
func (s *shared) discardAlerts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed.pending.alerts = nil
}
