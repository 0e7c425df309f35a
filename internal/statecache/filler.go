package statecache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

// Metrics is told what the filler does. Each function may be nil; they must not block.
type Metrics struct {
	// Written is told how many states the cache has taken, Retried of each failure that will be tried again.
	Written func(states int)
	Retried func()
}

// Options configure a Filler. All but Metrics are required.
type Options struct {
	Open    Opener
	Cache   Cache
	Metrics Metrics
	Logger  *slog.Logger
}

const (
	// maxBatch and maxDelay bound what is collected before it is written: of a device that speaks often only the newest
	// state is.
	maxBatch = 20_000
	maxDelay = 250 * time.Millisecond
	// checkInterval is how often a partition is looked after that has nothing new: the cache may have lost it.
	checkInterval = 10 * time.Second
	// firstPause and longestPause bound the pause before a failed call is tried again.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Filler keeps a Cache filled from a Log. How far it has come is in the cache itself, and moves with the states: so a cache
// that was emptied or restored from a backup is seen, and filled from the start or from where it stands.
type Filler struct{ Options }

// NewFiller returns a filler; Run does the work.
func NewFiller(options Options) *Filler {
	if options.Metrics.Written == nil {
		options.Metrics.Written = func(int) {}
	}
	if options.Metrics.Retried == nil {
		options.Metrics.Retried = func() {}
	}
	return &Filler{options}
}

// Run fills until ctx ends. It retries for ever.
func (f *Filler) Run(ctx context.Context) error {
	pauses := retry.NewBackoff(firstPause, longestPause)
	for ctx.Err() == nil {
		progress, err := f.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if progress {
			pauses.Reset()
		}
		f.Metrics.Retried()
		f.Logger.Warn("the cache of device states is filled again from where it stands", "reason", err)
		_ = pauses.Wait(ctx) // The loop looks at ctx.
	}
	return nil
}

// errMoved ends a session whose idea of the cache is not, or no longer, true.
var errMoved = errors.New("the cache does not stand where it was left: it was emptied, or another filler writes")

// session opens the log and fills until something fails. It reports whether anything was written.
func (f *Filler) session(ctx context.Context) (progress bool, err error) {
	s := &session{Filler: f, decoder: wire.NewDecoder(), stands: make(map[Partition]*standing)}
	log, err := f.Open(s.resume, s.released)
	if err != nil {
		return false, fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	for ctx.Err() == nil {
		if err := s.collect(ctx, log); err != nil {
			return progress, err
		}
		for _, batch := range s.batches(time.Now()) {
			if err := s.write(ctx, batch); err != nil {
				return progress, err
			}
			progress = progress || len(batch.States) > 0
		}
	}
	return progress, ctx.Err()
}

// session is one reading of the log.
type session struct {
	*Filler
	decoder *wire.Decoder

	mu sync.Mutex
	// stands holds the partitions that are read. The log's goroutines add and remove them.
	stands map[Partition]*standing
}

// standing is how far the cache has come with a partition, and what goes there next.
type standing struct {
	batch Batch
	// index finds a device in the batch.
	index map[string]int
	// checked is when the cache was last written to.
	checked time.Time
}

// resume asks the cache how far it has come. What it cannot have from this log is begun anew.
func (s *session) resume(ctx context.Context, given []Partition, extents func(context.Context) (map[Partition]Extent, error)) (map[Partition]int64, error) {
	complete := make(map[Partition]int64, len(given))
	for _, p := range given {
		next, cached, err := s.Cache.Next(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("ask the cache: %w", err)
		}
		if cached {
			complete[p] = next
		}
	}
	holds, err := extents(ctx)
	if err != nil {
		return nil, err
	}
	from := make(map[Partition]int64, len(given))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range given {
		next, cached := complete[p]
		first := !cached || !holds[p].Holds(next)
		if first {
			next = holds[p].Start
		}
		from[p] = next
		s.stands[p] = &standing{
			batch: Batch{Partition: p, From: next, Next: next, First: first},
			index: make(map[string]int),
		}
	}
	return from, nil
}

func (s *session) released(p Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stands, p)
}

// collect polls until there is enough to write or its time is up.
func (s *session) collect(ctx context.Context, log Log) error {
	deadline, cancel := context.WithTimeout(ctx, maxDelay)
	defer cancel()
	for collected := 0; collected < maxBatch && deadline.Err() == nil; {
		records, err := log.Poll(deadline)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		collected += len(records)
		s.mu.Lock()
		for i := range records {
			s.take(&records[i])
		}
		s.mu.Unlock()
	}
	return nil
}

// take notes what a record says, in the place of what an earlier one did.
func (s *session) take(r *Record) {
	stand := s.stands[r.Partition]
	if stand == nil || r.Offset < stand.batch.Next {
		return
	}
	stand.batch.Next = r.Offset + 1
	if len(r.Key) == 0 || r.Key[0] == 0 {
		return // A mark of a restore or of a compaction.
	}
	state := State{Deleted: r.Deleted}
	if r.Value != nil {
		decoded, err := s.decoder.DeviceState(r.Value)
		if err != nil || string(decoded.Latest.ID) != string(r.Key) {
			return // Not ours. Web instances pass it over too, and tell.
		}
		state.State, state.Value = &decoded, append([]byte(nil), r.Value...)
	}
	at, known := stand.index[string(r.Key)]
	if !known {
		at = len(stand.batch.States)
		stand.batch.States = append(stand.batch.States, State{})
		stand.index[string(r.Key)] = at
		state.Device = iot.DeviceID(r.Key)
	} else {
		before := &stand.batch.States[at]
		if position := state.position(); position.Offset > 0 && position.Compare(before.position()) < 0 {
			return // Written by a processor that had lost its partition.
		}
		state.Device = before.Device
	}
	stand.batch.States[at] = state
}

// batches returns what is to be written now: every partition with something new, and those that nobody has looked after for
// a while.
func (s *session) batches(now time.Time) []*Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batches []*Batch
	for _, stand := range s.stands {
		if stand.batch.Next == stand.batch.From && !stand.batch.First && now.Sub(stand.checked) < checkInterval {
			continue
		}
		batch := stand.batch
		batches = append(batches, &batch)
		stand.batch = Batch{Partition: batch.Partition, From: batch.Next, Next: batch.Next}
		clear(stand.index)
		stand.checked = now
	}
	return batches
}

// write gives a batch to the cache, and tries until it is there. Kafka keeps what comes in the meantime.
func (s *session) write(ctx context.Context, batch *Batch) error {
	for pauses := retry.NewBackoff(firstPause, longestPause); ; {
		applied, err := s.Cache.Apply(ctx, batch)
		switch {
		case err == nil && applied:
			s.Metrics.Written(len(batch.States))
			return nil
		case err == nil:
			return errMoved
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.Metrics.Retried()
		s.Logger.Warn("device states cannot be cached", "reason", err)
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}
