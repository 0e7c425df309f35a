package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/retry"

	"github.com/google/uuid"
)

// Options configure a Notifier. All fields but Follow, Labels and Metrics are required.
type Options struct {
	Store Store
	Log   Log
	// Planned is what is in force until Follow has returned another one.
	Planned Planned
	// Follow is asked for the plan every followEvery. Nil means that it stays the same.
	Follow Follow
	// Senders are the channels by name.
	Senders map[string]Sender
	// Labels are asked for if a route selects by label.
	Labels Labels
	// Keep is how long deliveries are kept.
	Keep    time.Duration
	Metrics Metrics
	Logger  *slog.Logger
	// Receivers is the logger of what happens to receivers. It must not leave out a line because there was the same of another receiver.
	Receivers *slog.Logger
	Now       func() time.Time
}

const (
	// leaseLasts is how long the lease lasts without being renewed, renewEvery how often it is renewed, leaseWait how often those without it ask.
	leaseLasts = 15 * time.Second
	renewEvery = 4 * time.Second
	leaseWait  = 2 * time.Second
	// pollFor is how long one step waits for alerts. Time passes in steps of it.
	pollFor = 200 * time.Millisecond
	// followEvery is how often it is asked what people have decided, followFor how long that may take.
	followEvery, followFor = 400 * time.Millisecond, 3 * time.Second
	// askEvery is how often the database is asked for deliveries that somebody wants.
	askEvery = time.Second
	// outage is how long nothing must have been decided for that to be an outage, after which there is a digest and no storm.
	outage = 10 * time.Minute
	// withoutDatabase is how long the database must be away before critical alerts are sent from memory.
	withoutDatabase = 30 * time.Second
	// maxAsked is how many deliveries that somebody has asked for are read at once.
	maxAsked = 100
	// pruneEvery is how often old deliveries are removed, maxKept how many are kept at most.
	pruneEvery = 10 * time.Minute
	maxKept    = 100_000
	pruneBatch = 5000
	// firstPause and longestPause are the limits of the pause after a session that has failed.
	firstPause, longestPause = 200 * time.Millisecond, 5 * time.Second
	// lastCommit is how long a Notifier that ends tries to store the outcomes of its last messages.
	lastCommit = 2 * time.Second
)

// Notifier notifies people of alerts. Run does the work.
type Notifier struct {
	Options

	troubles *troubles

	// mu guards what follows.
	mu sync.Mutex
	// planned is what is in force. Only the session replaces it.
	planned *Planned
	// stored is when the database last answered.
	stored time.Time
	// others means that another process had the lease when the database last answered.
	others bool
	// known are the critical alerts that stand and were notified when the database last answered. offered are those that were decided from memory
	// since, notified those of them of which everybody was notified, and unsent the messages that could not be sent.
	known, offered, notified map[string]bool
	unsent                   []notify.Delivery
	// lost means that messages were left out or refused for good, so that not everybody of those offered was notified.
	lost bool
}

// New returns a notifier.
func New(options Options) *Notifier {
	options.Metrics.fill()
	return &Notifier{
		Options: options, troubles: newTroubles(options.Receivers), planned: &options.Planned, offered: make(map[string]bool), notified: make(map[string]bool),
	}
}

// Run notifies people until ctx ends, and retries every failure. It always returns nil.
func (n *Notifier) Run(ctx context.Context) error {
	n.answered(n.others)
	var beside sync.WaitGroup
	beside.Go(func() { n.watchDatabase(ctx) })
	defer beside.Wait()
	return retry.NewBackoff(firstPause, longestPause).Repeat(ctx, n.session, func(err error, pause time.Duration) {
		n.Metrics.Sending(false)
		if errors.Is(err, ErrLeaseLost) {
			n.Logger.Info("notifications are sent by another process")
			n.troubles.forget()
			return
		}
		n.Metrics.Failed()
		n.Logger.Warn("notifications start over from what is stored", "reason", err, "after", pause)
	})
}

// answered notes that the database has answered, and whether another process has the lease.
func (n *Notifier) answered(others bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stored, n.others = n.Now(), others
}

// lead waits until this process has the lease. It returns until when the lease lasted before.
func (n *Notifier) lead(ctx context.Context, holder string) (before time.Time, err error) {
	for {
		held, before, err := n.Store.Acquire(ctx, holder, leaseLasts)
		if err != nil {
			return before, fmt.Errorf("take the lease: %w", err)
		}
		n.answered(!held)
		if held {
			return before, nil
		}
		if err := retry.Wait(ctx, leaseWait); err != nil {
			return before, err
		}
	}
}

// session notifies people until something fails or ctx ends. It reports whether it had caught up.
func (n *Notifier) session(ctx context.Context) (caughtUp bool, err error) {
	holder := uuid.NewString()
	before, err := n.lead(ctx, holder)
	if err != nil {
		return false, err
	}
	s := &session{Notifier: n, holder: holder, changes: Changes{Offsets: make(map[int32]Offset)}}
	defer n.release(ctx, holder)
	if err := s.load(ctx, before); err != nil {
		return false, err
	}
	defer s.reader.Close()
	s.queue = newQueue(n.Senders, n.Metrics, n.troubles, n.Now)
	s.queue.add(s.saved.Waiting)
	s.saved = nil
	defer s.finish(ctx)
	n.Metrics.Sending(true)
	n.Logger.Info("notifications are sent by this process")
	for ctx.Err() == nil {
		if err := s.step(ctx); err != nil {
			return s.caughtUp(), err
		}
	}
	return s.caughtUp(), nil
}

// release gives the lease back, even if ctx has ended.
func (n *Notifier) release(ctx context.Context, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
	defer cancel()
	_ = n.Store.Release(ctx, holder) // If it fails, the lease ends by itself.
}

// session is the time for which a Notifier has the lease.
type session struct {
	*Notifier
	holder  string
	planner *notify.Planner
	reader  Reader
	queue   *queue
	// saved is what was stored, until the session begins.
	saved *Saved
	// unread holds the end of each partition that has not been read up to there.
	unread map[int32]int64
	// stopped is since when nothing was decided, if that was an outage.
	stopped time.Time
	changes Changes
	// knownSet means that Notifier.known has been set since the session caught up.
	knownSet bool
	// publish means that another plan is in force than is published.
	publish bool
	// notFollowing means that it is not known at the moment what people have decided.
	notFollowing bool
	// renewed, asked, followed and pruned are when that was done last.
	renewed, asked, followed, pruned time.Time
}

func (s *session) caughtUp() bool { return len(s.unread) == 0 }

// load restores what is stored and opens the log where it was read last. If that is not known, or no longer in the log, it begins at the end with
// what stands.
func (s *session) load(ctx context.Context, before time.Time) error {
	var err error
	if s.saved, err = s.Store.Load(ctx); err != nil {
		return fmt.Errorf("read what is stored: %w", err)
	}
	now := s.Now()
	s.mu.Lock()
	notified := maps.Clone(s.notified)
	s.mu.Unlock()
	s.planner = notify.NewPlanner(s.planned.Plan, notified)
	if err := s.planner.Load(s.saved.Groups, s.saved.Alerts); err != nil {
		return err
	}
	s.askForPlan(ctx, now)
	if err := s.replan(ctx, now); err != nil {
		return err
	}
	if s.reader, err = s.Log.Open(ctx); err != nil {
		return fmt.Errorf("open the log of alerts: %w", err)
	}
	if err := s.begin(ctx, before, now); err != nil {
		s.reader.Close()
		return err
	}
	return nil
}

// begin begins to read.
func (s *session) begin(ctx context.Context, before, now time.Time) error {
	from, lost := make(map[int32]int64), false
	s.unread = make(map[int32]int64)
	for id, extent := range s.reader.Extents() {
		stored, known := s.saved.Offsets[id]
		if !known || stored.Log != s.reader.ID() || stored.Next < extent.Start || stored.Next > extent.End {
			from[id], lost = extent.End, true
			s.changes.Offsets[id] = Offset{Log: s.reader.ID(), Next: extent.End}
			continue
		}
		if from[id] = stored.Next; stored.Next < extent.End {
			s.unread[id] = extent.End
		}
	}
	if !before.IsZero() && now.Sub(before) > outage {
		s.stopped = before
	}
	if lost {
		open, err := s.Log.OpenAlerts(ctx)
		if err != nil {
			return fmt.Errorf("read which alerts stand: %w", err)
		}
		if s.stopped.IsZero() {
			s.stopped = now
		}
		if err := s.apply(ctx, open, now); err != nil {
			return err
		}
		s.planner.Reconcile(open, now)
		s.Logger.Info("notifications begin with the alerts that stand", "alerts", len(open))
	}
	s.reader.Start(from)
	return nil
}

// apply applies events of alerts.
func (s *session) apply(ctx context.Context, alerts []iot.Alert, now time.Time) error {
	var labels map[iot.Identity]map[string]string
	if len(alerts) > 0 {
		var devices []iot.Identity
		for i := range alerts {
			devices = append(devices, alerts[i].Identity())
		}
		var err error
		if labels, err = s.labelsOf(ctx, devices); err != nil {
			return err
		}
	}
	for i := range alerts {
		s.planner.Apply(&alerts[i], labels[alerts[i].Identity()], labels != nil, now)
	}
	return nil
}

// step reads what there is, decides, stores and sends.
func (s *session) step(ctx context.Context) error {
	polling, cancel := context.WithTimeout(ctx, pollFor)
	defer cancel()
	batch, err := s.reader.Poll(polling)
	if err != nil {
		return fmt.Errorf("read the alerts: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	now := s.Now()
	if err := s.apply(ctx, batch.Alerts, now); err != nil {
		return err
	}
	for id, next := range batch.Next {
		s.changes.Offsets[id] = Offset{Log: s.reader.ID(), Next: next}
		if end, unread := s.unread[id]; unread && next >= end {
			delete(s.unread, id)
		}
	}
	if s.askForPlan(ctx, now) {
		if err := s.replan(ctx, now); err != nil {
			return err
		}
	}
	decided := false
	if s.caughtUp() {
		decided = s.decide(now)
	}
	s.changes.Outcomes = append(s.changes.Outcomes, s.queue.outcomes()...)
	if err := s.commit(ctx, now, decided); err != nil {
		return err
	}
	if err := s.publishPlan(ctx); err != nil {
		return err
	}
	if err := s.readAsked(ctx, now); err != nil {
		return err
	}
	s.prune(ctx, now)
	if s.caughtUp() {
		s.queue.dispatch(ctx)
	}
	s.report()
	return nil
}

// decide decides what is due. It reports whether there was anything.
func (s *session) decide(now time.Time) bool {
	deliveries, merged := s.planner.Decide(now, s.stopped, s.queue.waiting())
	s.stopped = time.Time{}
	s.changes.Deliveries = append(s.changes.Deliveries, deliveries...)
	for _, id := range merged {
		s.changes.Outcomes = append(s.changes.Outcomes, s.queue.merge(id, now))
	}
	return len(deliveries)+len(merged) > 0
}

// commit stores what has changed, or renews the lease.
func (s *session) commit(ctx context.Context, now time.Time, decided bool) (err error) {
	if s.changes.Groups, s.changes.Alerts, err = s.planner.Changes(); err != nil {
		return fmt.Errorf("encode what is to be stored: %w", err)
	}
	if s.changes.empty() && !s.publish && now.Sub(s.renewed) < renewEvery && !now.Before(s.renewed) {
		return nil
	}
	if err := s.Store.Commit(ctx, s.holder, leaseLasts, &s.changes); err != nil {
		return fmt.Errorf("store what is decided: %w", err)
	}
	s.renewed = now
	s.answered(false)
	s.queue.add(s.changes.Deliveries)
	s.changes = Changes{Offsets: make(map[int32]Offset)}
	if decided || !s.knownSet {
		s.knownSet = s.caughtUp()
		notified := s.planner.NotifiedCritical()
		s.mu.Lock()
		s.known = notified
		if s.caughtUp() {
			s.forget()
		}
		s.mu.Unlock()
	}
	return nil
}

// readAsked reads the deliveries that somebody has asked for.
func (s *session) readAsked(ctx context.Context, now time.Time) error {
	if now.Sub(s.asked) < askEvery && !now.Before(s.asked) {
		return nil
	}
	s.asked = now
	deliveries, err := s.Store.Asked(ctx, maxAsked)
	if err != nil {
		return fmt.Errorf("read what is asked for: %w", err)
	}
	s.queue.add(deliveries)
	return nil
}

// prune removes old deliveries.
func (s *session) prune(ctx context.Context, now time.Time) {
	if now.Sub(s.pruned) < pruneEvery && !now.Before(s.pruned) {
		return
	}
	s.pruned = now
	if _, err := s.Store.Prune(ctx, now.Add(-s.Keep), maxKept, pruneBatch); err != nil {
		s.Logger.Warn("old deliveries are not removed at the moment", "reason", err)
	}
}

func (s *session) report() {
	s.Metrics.Open(s.planner.Open())
	counts := s.planner.Counts()
	s.Metrics.Unrouted(counts.Unrouted)
	s.Metrics.Untracked(counts.Untracked)
	s.queue.report()
}

// finish waits for the messages that are being sent, and stores what has become of them.
func (s *session) finish(ctx context.Context) {
	s.queue.close()
	outcomes := append(s.changes.Outcomes, s.queue.outcomes()...)
	if len(outcomes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
	defer cancel()
	_ = s.Store.Commit(ctx, s.holder, leaseLasts, &Changes{Outcomes: outcomes}) // If it fails, they are sent again under the same ids.
}
