package statecache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

// Metrics are functions that the filler calls. Each may be nil; none may block.
type Metrics struct {
	// Written is called with the number of states after each write to the cache.
	Written func(states int)
	// Retried is called after each failure, before the next attempt.
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
	// Records are collected until there are maxBatch of them or maxDelay has passed. Of several states of a device only the newest
	// is written.
	maxBatch = 20_000
	maxDelay = 250 * time.Millisecond
	// checkInterval is how often an empty batch is written for a partition without new records. So the filler notices that the
	// cache has lost the partition.
	checkInterval = 10 * time.Second
	// firstPause and longestPause bound the pauses before a failed call is tried again; they double from the first on.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// Filler copies the newest device states from a Log into a Cache. The cache also holds the offset up to which it is complete,
// and both are written together. So the filler notices when the cache was emptied or restored from a backup, and fills it from
// the start or from that offset.
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

// Run fills the cache until ctx ends, which is success. After a failure it opens the log again, for ever.
func (f *Filler) Run(ctx context.Context) error {
	return retry.NewBackoff(firstPause, longestPause).Repeat(ctx, f.attempt, func(err error, _ time.Duration) {
		f.Metrics.Retried()
		f.Logger.Warn("the cache of device states could not be filled; trying again", "reason", err)
	})
}

// errMoved ends an attempt: the cache is not complete up to the offset that the attempt assumes.
var errMoved = errors.New("the cache has changed: it was emptied, or another filler writes to it")

// attempt opens the log and fills the cache until something fails. It reports whether any state was written.
func (f *Filler) attempt(ctx context.Context) (progress bool, err error) {
	a := &attempt{Filler: f, decoder: wire.NewDecoder(), pending: make(map[Partition]*pending)}
	log, err := f.Open(a.resume, a.released)
	if err != nil {
		return false, fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	for ctx.Err() == nil {
		if err := a.collect(ctx, log); err != nil {
			return progress, err
		}
		for _, batch := range a.batches(time.Now()) {
			if err := a.write(ctx, batch); err != nil {
				return progress, err
			}
			progress = progress || len(batch.States) > 0
		}
	}
	return progress, ctx.Err()
}

// attempt copies from one Log, until something fails.
type attempt struct {
	*Filler
	decoder *wire.Decoder

	mu sync.Mutex
	// pending holds the partitions that this filler reads. The goroutines of the log add and remove them.
	pending map[Partition]*pending
}

// pending is what was read of a partition and is not yet written to the cache.
type pending struct {
	batch Batch
	// index holds the place of each device in batch.States.
	index map[string]int
	// checked is when a batch of this partition was last written.
	checked time.Time
}

// resume is the attempt's Resume: it continues from the offset up to which the cache is complete. A partition that is not
// cached, or whose offset the log does not hold, is filled anew from the start of the log.
func (a *attempt) resume(ctx context.Context, given []Partition, extents func(context.Context) (map[Partition]Extent, error)) (map[Partition]int64, error) {
	complete := make(map[Partition]int64, len(given))
	for _, p := range given {
		next, cached, err := a.Cache.Next(ctx, p)
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
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range given {
		next, cached := complete[p]
		first := !cached || !holds[p].Holds(next)
		if first {
			next = holds[p].Start
		}
		from[p] = next
		a.pending[p] = &pending{
			batch: Batch{Partition: p, From: next, Next: next, First: first},
			index: make(map[string]int),
		}
	}
	return from, nil
}

// released drops what is pending of a partition that another filler reads from now on.
func (a *attempt) released(p Partition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pending, p)
}

// collect reads records until there are maxBatch of them or maxDelay has passed.
func (a *attempt) collect(ctx context.Context, log Log) error {
	deadline, cancel := context.WithTimeout(ctx, maxDelay)
	defer cancel()
	for collected := 0; collected < maxBatch && deadline.Err() == nil; {
		records, err := log.Poll(deadline)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		collected += len(records)
		a.mu.Lock()
		for i := range records {
			a.add(&records[i])
		}
		a.mu.Unlock()
	}
	return nil
}

// add adds a record to the pending batch of its partition, in place of an earlier record of the same device. The caller holds
// mu.
func (a *attempt) add(r *Record) {
	p := a.pending[r.Partition]
	if p == nil || r.Offset < p.batch.Next {
		return
	}
	p.batch.Next = r.Offset + 1
	if len(r.Key) == 0 || r.Key[0] == 0 {
		return // Not a device: a restore or a compaction has marked a place of the log.
	}
	state := State{Deleted: r.Deleted}
	if r.Value != nil {
		decoded, err := a.decoder.DeviceState(r.Value)
		if err != nil || decoded.Latest.Identity().String() != string(r.Key) {
			return // Not written by iotmon. Web instances ignore it, too, and log it.
		}
		state.State, state.Value = &decoded, append([]byte(nil), r.Value...)
	}
	at, known := p.index[string(r.Key)]
	if !known {
		at = len(p.batch.States)
		p.batch.States = append(p.batch.States, State{})
		p.index[string(r.Key)] = at
		state.Key = string(r.Key)
	} else {
		before := &p.batch.States[at]
		if position := state.position(); position.Offset > 0 && position.Compare(before.position()) < 0 {
			return // Older, although later in the log: written by a processor that had lost its partition.
		}
		state.Key = before.Key
	}
	p.batch.States[at] = state
}

// batches returns the batches to write now and begins new ones: of every partition with new records, and of those for which
// nothing was written during checkInterval.
func (a *attempt) batches(now time.Time) []*Batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	var batches []*Batch
	for _, p := range a.pending {
		if p.batch.Next == p.batch.From && !p.batch.First && now.Sub(p.checked) < checkInterval {
			continue
		}
		batch := p.batch
		batches = append(batches, &batch)
		p.batch = Batch{Partition: batch.Partition, From: batch.Next, Next: batch.Next}
		clear(p.index)
		p.checked = now
	}
	return batches
}

// write writes a batch to the cache. While the cache cannot be reached it tries again; new records wait in Kafka meanwhile. It
// returns errMoved if the cache is not complete up to the beginning of the batch.
func (a *attempt) write(ctx context.Context, batch *Batch) error {
	for pauses := retry.NewBackoff(firstPause, longestPause); ; {
		applied, err := a.Cache.Apply(ctx, batch)
		switch {
		case err == nil && applied:
			a.Metrics.Written(len(batch.States))
			return nil
		case err == nil:
			return errMoved
		case ctx.Err() != nil:
			return ctx.Err()
		}
		a.Metrics.Retried()
		a.Logger.Warn("device states cannot be written to the cache; trying again", "reason", err)
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}
