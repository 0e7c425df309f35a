package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Topics are the names of the topics that the archive is fed from.
type Topics struct{ Readings, Aggregates, Alerts string }

// Metrics are callbacks for what the archiver does. Each may be nil; they must not block. Pruned may be called concurrently
// with the others.
type Metrics struct {
	// Read is called after the log was read, with the rows that came of it and how many wait to be written.
	Read func(rows, waiting int)
	// Written is called after a batch was written, with its rows, the duration of the write, and the lag: the age of the
	// newest archived record of the readings' partition that is furthest behind.
	Written func(rows int, took, behind time.Duration)
	// Retried is called for each failed write before it is retried, Pruned after rows were removed.
	Retried func()
	Pruned  func(rows int64)
	// Lost is called with the number of records that Kafka had deleted before they were archived.
	Lost func(records int64)
	// Ready is called with whether the archiver can read the log and write the database. It is first called with true when what
	// the log held at the start has been read, because before that history lacks what waited to be written when the process died,
	// but at most longestCatchUp after the start: an archive with a long backlog, as after an outage of its database, works.
	Ready func(ready bool)
}

// Options configure an Archiver. All but Metrics, Limits, Publish, Patience and Foreign are required.
type Options struct {
	Open      Opener
	Store     Store
	Topics    Topics
	Admission *iot.Admission
	Retention Retention
	// Limits returns which limits are in force where the database does not know: it is new, or an older version has written it, or the log has
	// lost records that were not archived. Nil means that nobody else knows either.
	Limits LimitsInForce
	// Publish appends corrected summaries to the topic of the aggregates. It returns once Kafka has acknowledged them;
	// after an error some of them may have been appended. Publishing a summary twice is harmless. Nil means do not publish.
	Publish func(ctx context.Context, corrected []iot.WindowSummary) error
	// Patience is how long fewer than maxWaiting rows may wait to be written together, unless Freshen is called. Each
	// device's readings are in a page of their own of some kilobytes, which is written as a whole for one reading as for a
	// hundred. Use 0, which writes every maxDelay, if other processes read the database, because they cannot call Freshen.
	Patience time.Duration
	Metrics  Metrics
	Logger   *slog.Logger
	// Foreign logs each undecodable record that another program has written to our topics; there may be very many. Nil
	// means Logger.
	Foreign *slog.Logger
	// Now is the clock for metrics; nothing stored depends on it.
	Now func() time.Time
}

const (
	// A batch ends after maxBatch rows or maxDelay, whichever comes first. A write costs a page for each device, whatever
	// the number of its readings, so an archive that falls behind catches up with larger batches.
	maxBatch = 100_000
	maxDelay = 500 * time.Millisecond

	// firstBatch is the maximum of rows until the session has caught up. After a flood 100,000 rows take many seconds to be written, for which the
	// archive would not be ready; and they would delay the rest of a start.
	firstBatch = 10_000
	// longestCatchUp is how long a session waits to have read what the log held at its start.
	longestCatchUp = 2 * time.Second
	// maxWaiting is how many rows may wait for Patience: about one megabyte of memory.
	maxWaiting = 12_500
	// lateDelay replaces a longer Patience while late readings arrive, so that corrections are soon visible.
	lateDelay = time.Second
	// recomputeInterval is how often remaining marked windows are recomputed, besides after each write of late readings;
	// pruneInterval is how often old rows are removed.
	recomputeInterval = 5 * time.Second
	pruneInterval     = time.Minute
	// pruneSeldom is the shortest interval between prunings as a multiple of Patience: pruning writes as many pages as a
	// batch.
	pruneSeldom = 7
	// firstPause and longestPause are the limits of the pause before a retry.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Archiver copies records from a Log to a Store. It resumes at the offsets in the store, which move in the same transaction
// as the rows, so each record is archived exactly once. While the store is down it waits, and Kafka keeps the records.
type Archiver struct {
	Options
	// marked receives a value when late marks have been written.
	marked chan struct{}
	// lateSeen is when a late mark was read last; only the session uses it.
	lateSeen time.Time

	// mu guards what follows.
	mu sync.Mutex
	// waiters are closed when all records read so far are written. interrupt ends the current poll; nil if there is none.
	waiters   []chan struct{}
	interrupt context.CancelFunc
	// written is when a batch was written last.
	written time.Time
	// intake is that of the session; nil before the first.
	intake *intake
	// caughtUp means that what the log held when the session began has been read, or that longestCatchUp has passed.
	caughtUp bool
}

// New returns an archiver; Run does the work.
func New(options Options) *Archiver {
	if options.Metrics.Read == nil {
		options.Metrics.Read = func(int, int) {}
	}
	if options.Metrics.Written == nil {
		options.Metrics.Written = func(int, time.Duration, time.Duration) {}
	}
	if options.Metrics.Retried == nil {
		options.Metrics.Retried = func() {}
	}
	if options.Metrics.Pruned == nil {
		options.Metrics.Pruned = func(int64) {}
	}
	if options.Metrics.Lost == nil {
		options.Metrics.Lost = func(int64) {}
	}
	if options.Metrics.Ready == nil {
		options.Metrics.Ready = func(bool) {}
	}
	if options.Foreign == nil {
		options.Foreign = options.Logger
	}
	return &Archiver{Options: options, marked: make(chan struct{}, 1)}
}

// Run archives until ctx ends and retries every failure. Records that it has not written by then are archived at the next
// start. With Patience it tries once at the end to write the waiting rows. It always returns nil.
func (a *Archiver) Run(ctx context.Context) error {
	// Both run concurrently with the writes: after a long stop there may be millions of old rows, after a replay tens of
	// thousands of windows to recompute.
	var beside sync.WaitGroup
	beside.Go(func() { a.recompute(ctx) })
	beside.Go(func() { a.prune(ctx) })
	defer beside.Wait()
	return retry.NewBackoff(firstPause, longestPause).Repeat(ctx, a.session, func(err error, pause time.Duration) {
		a.Metrics.Ready(false)
		a.Logger.Warn("archiver starts over from the database's offsets", "reason", err, "after", pause)
	})
}

// session opens the log and archives until something fails. It reports whether anything was written.
func (a *Archiver) session(ctx context.Context) (progress bool, err error) {
	intake := newIntake(a.Topics, a.Admission, a.Logger, a.Foreign)
	a.setIntake(intake)
	log, err := a.Open(func(ctx context.Context, given []Extent) (map[Source]int64, error) {
		return a.resume(ctx, intake, given)
	}, intake.release)
	if err != nil {
		return false, fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	defer func() {
		if ctx.Err() != nil && a.Patience > 0 {
			a.flushLast(intake)
		}
	}()
	a.noteCaughtUp(false)
	started := time.Now()
	for ctx.Err() == nil {
		before := intake.size()
		if err := a.collect(ctx, log, intake); err != nil {
			return progress, err
		}
		read := intake.size() - before
		if !a.hasCaughtUp() {
			a.noteCaughtUp(intake.caughtUp() || intake.begun() && time.Since(started) > longestCatchUp)
		}
		wrote, err := a.flush(ctx, intake)
		if err != nil {
			return progress, err
		}
		a.Metrics.Read(read, intake.size())
		progress = progress || wrote
		if a.hasCaughtUp() {
			a.Metrics.Ready(true)
		}
	}
	return progress, ctx.Err()
}

// flush writes the pending batch if it is due or if Freshen waits for it, and reports whether it did.
func (a *Archiver) flush(ctx context.Context, intake *intake) (wrote bool, err error) {
	waiters, patience := a.popWaiters(), a.Patience
	defer func() {
		for _, done := range waiters {
			close(done)
		}
	}()
	if len(waiters) > 0 {
		patience = 0
	} else if a.noteMarks(intake) {
		patience = min(patience, lateDelay)
	}
	batch := intake.batch(a.Now(), patience)
	if batch != nil {
		if err := a.write(ctx, batch); err != nil {
			return false, err
		}
	}
	if patience == 0 || batch != nil {
		a.noteWritten()
	}
	return batch != nil, nil
}

// noteMarks remembers in lateSeen when late marks came last, and reports whether that was within the last few seconds: then neither
// they nor their readings wait for Patience.
func (a *Archiver) noteMarks(intake *intake) bool {
	now := a.Now()
	if intake.late() {
		a.lateSeen = now
	}
	return now.Sub(a.lateSeen) < 5*lateDelay
}

// collect polls until the batch is full, maxDelay has passed, or everything has been read that the log held when the session began.
func (a *Archiver) collect(ctx context.Context, log Log, intake *intake) error {
	deadline, cancel := context.WithTimeout(ctx, maxDelay)
	defer cancel()
	defer a.interruptible(cancel)()
	for intake.size() < a.fullBatch() && deadline.Err() == nil {
		if !a.hasCaughtUp() && intake.caughtUp() {
			return nil
		}
		records, err := log.Poll(deadline)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		for i := range records {
			intake.add(&records[i])
		}
	}
	return nil
}

// fullBatch returns with how many rows a batch ends before maxDelay has passed.
func (a *Archiver) fullBatch() int {
	if a.hasCaughtUp() {
		return maxBatch
	}
	return firstBatch
}

// write writes the batch and retries until it succeeds. It returns an error only for ErrOffsetsMoved or when ctx has ended.
func (a *Archiver) write(ctx context.Context, batch *Batch) error {
	pauses := retry.NewBackoff(firstPause, longestPause)
	for failed := false; ; failed = true {
		started := a.Now()
		err := a.Store.Write(ctx, batch)
		switch {
		case err == nil:
			if failed {
				a.Logger.Info("batches are written to the archive again")
			}
			a.wrote(batch, started)
			return nil
		case errors.Is(err, ErrOffsetsMoved) || ctx.Err() != nil:
			return fmt.Errorf("write to the archive: %w", err)
		case !failed:
			a.Logger.Error("cannot write a batch to the archive; retrying until it succeeds", "error", err)
		}
		a.Metrics.Ready(false)
		a.Metrics.Retried()
		_ = pauses.Wait(ctx) // Once ctx has ended, the next try fails and says so.
	}
}

// wrote reports a stored batch to the metrics. If windows were marked lately, it wakes the goroutine that recomputes them.
func (a *Archiver) wrote(batch *Batch, started time.Time) {
	now := a.Now()
	// The readings of a marked window may come some batches after the mark.
	if slices.ContainsFunc(batch.Summaries, isLate) || now.Sub(a.lateSeen) < 5*lateDelay {
		select {
		case a.marked <- struct{}{}:
		default:
		}
	}
	var behind time.Duration
	for _, move := range batch.Moves {
		if move.Source.Topic == a.Topics.Readings && !move.Appended.IsZero() {
			behind = max(behind, now.Sub(move.Appended)-a.Patience)
		}
	}
	a.Metrics.Written(len(batch.Readings)+len(batch.Summaries)+len(batch.Areas)+len(batch.Alerts), now.Sub(started), behind)
}

// resume reads the offsets from the database and adapts them to the offsets that the log still holds.
func (a *Archiver) resume(ctx context.Context, intake *intake, given []Extent) (map[Source]int64, error) {
	stored := make(map[string]map[Source]Offset)
	for _, extent := range given {
		if stored[extent.Topic] != nil {
			continue
		}
		offsets, err := a.Store.Offsets(ctx, extent.Topic)
		if err != nil {
			return nil, fmt.Errorf("read the archive's offsets: %w", err)
		}
		stored[extent.Topic] = offsets
	}
	next := make(map[Source]Offset, len(given))
	for _, extent := range given {
		next[extent.Source] = a.next(extent, stored[extent.Topic][extent.Source])
	}
	if err := a.followMissed(ctx, given, stored[a.Topics.Readings], next); err != nil {
		return nil, err
	}
	from := make(map[Source]int64, len(given))
	for _, extent := range given {
		source := extent.Source
		if err := intake.begin(source, stored[extent.Topic][source], next[source], extent.Stable); err != nil {
			return nil, err
		}
		from[source] = next[source].Next
	}
	if intake.caughtUp() {
		a.interruptCollect() // There may be nothing to poll.
	}
	return from, nil
}

// next returns where to go on in a source of which the database has the offset stored.
func (a *Archiver) next(extent Extent, stored Offset) Offset {
	next := Offset{Epoch: stored.Epoch, Next: stored.Next, Log: cmp.Or(extent.Log, stored.Log), Limits: stored.Limits}
	another := stored.Log != "" && extent.Log != "" && stored.Log != extent.Log
	switch {
	case another || stored.Next > extent.End:
		next.Epoch, next.Next = stored.Epoch+1, extent.Start
		a.Logger.Error("the log was recreated; the archive continues with its present records",
			"topic", extent.Topic, "partition", extent.Partition, "archived", stored.Next, "log_end", extent.End)
	case stored.Next < extent.Start:
		next.Next = extent.Start
		if stored.Next > 0 {
			a.Logger.Error("the log deleted records before they were archived; the archive continues with the oldest record",
				"topic", extent.Topic, "partition", extent.Partition, "archived", stored.Next, "log_start", extent.Start,
				"lost", extent.Start-stored.Next)
			a.Metrics.Lost(extent.Start - stored.Next)
		}
	}
	return next
}
