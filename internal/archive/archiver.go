package archive

import (
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

// Metrics is told what the archiver does. Each function may be nil; they must not block. Pruned may be called while
// another is.
type Metrics struct {
	// Written is told the rows of a written batch, how long the write took, and how old the newest record was then of the
	// readings' partition that is furthest behind.
	Written func(rows int, took, behind time.Duration)
	// Retried is told of each failed write that will be tried again, Pruned of rows removed.
	Retried func()
	Pruned  func(rows int64)
	// Lost is told how many records had left the log before they were archived.
	Lost func(records int64)
	// Ready is told whether the archive takes what the log holds, also when it holds nothing new.
	Ready func(ready bool)
}

// Options configure an Archiver. All but Metrics, Publish, Patience and Foreign are required.
type Options struct {
	Open      Opener
	Store     Store
	Topics    Topics
	Admission *iot.Admission
	Retention Retention
	// Publish appends corrected summaries to the topic of the aggregates, for those who show them. It returns once the log has
	// acknowledged them; after an error some of them may be there. What it gets twice does no harm. Nil publishes nothing.
	Publish func(ctx context.Context, corrected []iot.WindowSummary) error
	// Patience is how long a few rows may wait, for more to be written together, while nobody asks for them by Freshen. Each
	// device has its place in the database, and a place is written as a page of some kilobytes, for one reading as for a hundred.
	// With 0 they are written as they come, as they must be where those who ask are in other processes.
	Patience time.Duration
	Metrics  Metrics
	Logger   *slog.Logger
	// Foreign is told of each record that another program has written to a topic of our own; there may be very many. Nil means
	// Logger.
	Foreign *slog.Logger
	// Now is the clock for metrics; nothing stored depends on it.
	Now func() time.Time
}

const (
	// maxBatch and maxDelay bound a batch: whichever comes first. Each device has its place in the database, which costs the
	// same for ten readings as for one: an archive that falls behind catches up by larger batches.
	maxBatch = 100_000
	maxDelay = 500 * time.Millisecond
	// maxWaiting is how many rows wait for Patience: about two megabytes of memory.
	maxWaiting = 5_000
	// lateDelay is how long late readings wait for more: people look at what is to be corrected.
	lateDelay = time.Second
	// recomputeInterval is how often windows that are left over are recomputed, beside when late readings have just been written;
	// pruneInterval is how often old rows are removed.
	recomputeInterval = 5 * time.Second
	pruneInterval     = time.Minute
	// pruneSeldom is how many times Patience it is until then at least: what is removed lies in as many places.
	pruneSeldom = 7
	// firstPause and longestPause bound the pause before a failed write is tried again.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Archiver feeds a Store from a Log. The offsets in the store decide where it resumes, and move in the transaction of the
// rows: whatever is killed, each record is taken in once. While the store is down it waits, and the log keeps the records.
type Archiver struct {
	Options
	// marked is told when late marks have been written.
	marked chan struct{}
	// lateSeen is when a late mark was read last; only the session uses it.
	lateSeen time.Time

	// mu guards what follows.
	mu sync.Mutex
	// asked are closed when what has been read is written, interrupt ends the reading; nil while nothing is read.
	waiters   []chan struct{}
	interrupt context.CancelFunc
	// written is when a batch was written last.
	written time.Time
}

// New returns an archiver; Run does the work.
func New(options Options) *Archiver {
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

// Run archives until ctx ends; what it has not written by then stays in the log for the next start. With Patience it tries once
// to write what waits. It retries for ever.
func (a *Archiver) Run(ctx context.Context) error {
	// Both go on beside the writing: after a long stop there may be millions of old rows, after a replay tens of thousands of
	// windows to recompute.
	var beside sync.WaitGroup
	beside.Go(func() { a.recompute(ctx) })
	beside.Go(func() { a.prune(ctx) })
	defer beside.Wait()
	pauses := retry.NewBackoff(firstPause, longestPause)
	for ctx.Err() == nil {
		progress, err := a.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if progress {
			pauses.Reset()
		}
		a.Metrics.Ready(false)
		pause := pauses.Next()
		a.Logger.Warn("archiver starts over from the database's offsets", "reason", err, "after", pause)
		_ = retry.Wait(ctx, pause) // The loop looks at ctx.
	}
	return nil
}

// session opens the log and archives until something fails. It reports whether anything was written.
func (a *Archiver) session(ctx context.Context) (progress bool, err error) {
	intake := newIntake(a.Topics, a.Admission, a.Foreign)
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
	for ctx.Err() == nil {
		if err := a.collect(ctx, log, intake); err != nil {
			return progress, err
		}
		wrote, err := a.flush(ctx, intake)
		if err != nil {
			return progress, err
		}
		progress = progress || wrote
		if intake.hasSources() {
			a.Metrics.Ready(true)
		}
	}
	return progress, ctx.Err()
}

// flush writes what has been taken in, if it is time to or somebody asks, and reports whether it did.
func (a *Archiver) flush(ctx context.Context, intake *intake) (wrote bool, err error) {
	waiters, patience := a.popWaiters(), a.Patience
	defer func() {
		for _, done := range waiters {
			close(done)
		}
	}()
	if len(waiters) > 0 {
		patience = 0
	} else if a.recentlyMarked(intake) {
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

// recentlyMarked reports whether late marks have just come: neither they nor the readings that they wait for wait for more.
func (a *Archiver) recentlyMarked(intake *intake) bool {
	now := a.Now()
	if intake.late() {
		a.lateSeen = now
	}
	return now.Sub(a.lateSeen) < 5*lateDelay
}

// collect polls until the batch is full or its time is up.
func (a *Archiver) collect(ctx context.Context, log Log, intake *intake) error {
	deadline, cancel := context.WithTimeout(ctx, maxDelay)
	defer cancel()
	defer a.interruptible(cancel)()
	for intake.size() < maxBatch && deadline.Err() == nil {
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

// write stores the batch, however often that takes. Only ErrOffsetsMoved and the end of ctx end it otherwise.
func (a *Archiver) write(ctx context.Context, batch *Batch) error {
	pauses := retry.NewBackoff(firstPause, longestPause)
	for failed := false; ; failed = true {
		started := a.Now()
		err := a.Store.Write(ctx, batch)
		switch {
		case err == nil:
			if failed {
				a.Logger.Info("the archive takes batches again")
			}
			a.wrote(batch, started)
			return nil
		case errors.Is(err, ErrOffsetsMoved) || ctx.Err() != nil:
			return fmt.Errorf("write to the archive: %w", err)
		case !failed:
			a.Logger.Error("the archive does not take a batch; it is tried again until it does", "error", err)
		}
		a.Metrics.Ready(false)
		a.Metrics.Retried()
		_ = pauses.Wait(ctx) // Once ctx has ended, the next try fails and says so.
	}
}

func (a *Archiver) wrote(batch *Batch, started time.Time) {
	now := a.Now()
	// The readings that a mark waits for may come some batches after it.
	if slices.ContainsFunc(batch.Summaries, isLate) || now.Sub(a.lateSeen) < 5*lateDelay {
		select {
		case a.marked <- struct{}{}:
		default:
		}
	}
	var behind time.Duration
	for _, move := range batch.Moves {
		if move.Source.Topic == a.Topics.Readings && !move.Appended.IsZero() {
			behind = max(behind, now.Sub(move.Appended))
		}
	}
	a.Metrics.Written(len(batch.Readings)+len(batch.Summaries)+len(batch.Alerts), now.Sub(started), behind)
}

// resume reads the database's offsets and fits them to what the log still holds.
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
	from := make(map[Source]int64, len(given))
	for _, extent := range given {
		offset := stored[extent.Topic][extent.Source]
		next := offset
		switch {
		case offset.Next > extent.End:
			next = Offset{Epoch: offset.Epoch + 1, Next: extent.Start}
			a.Logger.Error("the log began anew; the archive goes on with what it holds now",
				"topic", extent.Topic, "partition", extent.Partition, "archived", offset.Next, "log_end", extent.End)
		case offset.Next < extent.Start:
			next.Next = extent.Start
			if offset.Next > 0 {
				a.Logger.Error("records are gone from the log before they were archived; the archive goes on with the oldest there is",
					"topic", extent.Topic, "partition", extent.Partition, "archived", offset.Next, "log_start", extent.Start,
					"lost", extent.Start-offset.Next)
				a.Metrics.Lost(extent.Start - offset.Next)
			}
		}
		intake.begin(extent.Source, offset, next)
		from[extent.Source] = next.Next
	}
	return from, nil
}
