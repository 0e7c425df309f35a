package forward

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

// Options configure a Forwarder. All but MaxRate, NewestFirst and Changed are required.
type Options struct {
	Log         Log
	Centre      Centre
	DeadLetters DeadLetters
	// Admission decides which reports about devices are valid.
	Admission *iot.Admission
	// MaxRate is how many readings are sent in a second at most; 0 for no limit.
	MaxRate int
	// HistoricalAfter is how long a reading may have waited in the log and still be sent as a live one.
	HistoricalAfter time.Duration
	// NewestFirst sends the latest reading of each device ahead while there is a backlog.
	NewestFirst bool
	// Changed is called when the centre answers again, with "", or does not answer any more, with the reason. It must not block.
	Changed func(problem string)
	Now     func() time.Time
	// Logger gets a line for each rejected batch and each problem: it should drop repeated ones.
	Logger *slog.Logger
}

const (
	// maxBatch and maxBatchBytes bound one call to the centre. A centre takes 50,000 readings and 8 MiB by default, but over a slow line
	// a smaller batch is acknowledged sooner.
	maxBatch      = 5000
	maxBatchBytes = 1 << 20
	// sendTimeout is how long one call may take. After it the next call has half as many readings.
	sendTimeout = 30 * time.Second
	// pollPatience is how often an idle forwarder looks whether it should stop or store its position.
	pollPatience = time.Second
	// storeInterval is how often positions are stored while readings are forwarded, lagInterval how often the lag is looked up.
	storeInterval = time.Second
	lagInterval   = 5 * time.Second
	// firstPause and lastPause are the shortest and longest pause after a failure. A centre may ask for up to maxPause.
	firstPause, lastPause = 200 * time.Millisecond, 15 * time.Second
	maxPause              = 5 * time.Minute
	// stopTimeout is how long the last positions may take to be stored.
	stopTimeout = 2 * time.Second
)

// Forwarder forwards the records of a log. Run does the work; State may be called concurrently.
type Forwarder struct {
	o      Options
	status status
	// next are the positions that were reached, of this or earlier runs of session; nil before the first.
	next map[int32]Position
	// unstored is whether next is ahead of what is stored, stored when it was last stored.
	unstored bool
	stored   time.Time
	// size is how many entries the next call has at most.
	size    int
	pacer   pacer
	decoder *wire.Decoder
	// backoff pauses between failed calls.
	backoff *retry.Backoff
	newest  newest
	batch   batch
}

// New returns a Forwarder.
func New(o Options) *Forwarder {
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	return &Forwarder{
		o: o, size: maxBatch, pacer: pacer{rate: o.MaxRate}, decoder: wire.NewDecoder(), backoff: retry.NewBackoff(firstPause, lastPause),
	}
}

// State returns how forwarding is doing.
func (f *Forwarder) State() State { return f.status.get(f.o.Now()) }

// Run forwards until ctx ends. It goes on for ever after errors of the log and of the centre alike.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.o.Centre.Close()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.watchLag(ctx)
	}()
	defer func() { <-watched }()
	pauses := retry.NewBackoff(firstPause, lastPause)
	err := pauses.Repeat(ctx, f.session, func(err error, pause time.Duration) {
		f.o.Logger.Warn("forwarding: the log cannot be read; trying again", "reason", err, "pause", pause)
	})
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := f.store(stopping); err != nil {
		f.o.Logger.Warn("forwarding: the last position was not stored; some readings will be sent twice and count once", "reason", err)
	}
	return err
}

// session reads the log from the positions on and forwards what it reads, until ctx ends or the log returns an error. Progress is
// whether anything was forwarded.
func (f *Forwarder) session(ctx context.Context) (progress bool, err error) {
	if err := f.resume(ctx); err != nil {
		return false, err
	}
	from := make(map[int32]int64, len(f.next))
	for id, position := range f.next {
		from[id] = position.Next
	}
	reader, err := f.o.Log.Read(from)
	if err != nil {
		return false, err
	}
	defer reader.Close()
	for {
		records, err := reader.Poll(ctx, f.most(), pollPatience)
		if err != nil {
			return progress, err
		}
		if len(records) > 0 {
			progress = true
			f.status.reads(records)
			if err := f.forward(ctx, records); err != nil {
				return true, err
			}
		}
		f.status.setOldest(time.Time{})
		if err := f.storeRegularly(ctx); err != nil {
			return progress, err
		}
	}
}

// most returns how many records are read at once: with a limit of the rate, about what may be sent in half a second.
func (f *Forwarder) most() int {
	if f.o.MaxRate > 0 {
		return min(max(f.o.MaxRate/2, 1), maxBatch)
	}
	return maxBatch
}

// resume sets the positions from which to go on, and notes what the log has lost since they were stored.
func (f *Forwarder) resume(ctx context.Context) error {
	partitions, err := f.o.Log.Partitions(ctx)
	if err != nil {
		return err
	}
	next := make(map[int32]Position, len(partitions))
	lost := make(map[int32]Loss)
	for _, p := range partitions {
		position := resumed(p, f.next)
		if position.Next < p.Start {
			f.o.Logger.Error("readings were deleted from the log before they could be forwarded", "partition", p.ID,
				"records", p.Start-position.Next, "first_offset", position.Next, "last_offset", p.Start-1)
			position.Lost.add(position.Next, p.Start)
			position.Next = p.Start
		}
		if position.Lost.Records > 0 {
			lost[p.ID] = position.Lost
		}
		next[p.ID] = position
	}
	f.next, f.unstored = next, true
	f.status.resumed(next, lost)
	f.setLag(partitions)
	// A log without a stored position would be deleted without asking whether it has been forwarded.
	return f.store(ctx)
}

// resumed returns the position of a partition: the one reached by this process, else the stored one. A log that was created anew, or
// that ends before the position, is forwarded from its beginning.
func resumed(p Partition, reached map[int32]Position) Position {
	position, known := reached[p.ID]
	if !known && p.Position != nil {
		position, known = *p.Position, true
	}
	if !known || position.Log != p.Log || position.Next > p.End {
		return Position{Next: p.Start, Log: p.Log}
	}
	return position
}

func (f *Forwarder) storeRegularly(ctx context.Context) error {
	if f.o.Now().Sub(f.stored) < storeInterval {
		return nil
	}
	return f.store(ctx)
}

// store stores the positions if they have moved.
func (f *Forwarder) store(ctx context.Context) error {
	if !f.unstored {
		return nil
	}
	if err := f.o.Log.Store(ctx, maps.Clone(f.next)); err != nil {
		return fmt.Errorf("store the position of forwarding: %w", err)
	}
	f.unstored, f.stored = false, f.o.Now()
	return nil
}

// advance moves the positions behind records.
func (f *Forwarder) advance(records []Record) {
	for i := range records {
		position := f.next[records[i].Partition]
		position.Next = records[i].Offset + 1
		f.next[records[i].Partition] = position
	}
	f.unstored = f.unstored || len(records) > 0
}

// watchLag looks up the lag regularly: while the centre does not answer, nothing is read that would show it.
func (f *Forwarder) watchLag(ctx context.Context) {
	for retry.Wait(ctx, lagInterval) == nil {
		looking, cancel := context.WithTimeout(ctx, lagInterval)
		if partitions, err := f.o.Log.Partitions(looking); err == nil {
			f.setLag(partitions)
			if deleted, more := f.status.delete(partitions); more {
				f.o.Logger.Error("the log deletes readings that could not be forwarded: the outage is longer than its retention", "records", deleted)
			}
		}
		cancel()
	}
}

// setLag computes the lag from the stored positions.
func (f *Forwarder) setLag(partitions []Partition) {
	lag := int64(0)
	for _, p := range partitions {
		next := p.Start
		if p.Position != nil && p.Position.Log == p.Log {
			next = max(next, p.Position.Next)
		}
		lag += max(p.End-next, 0)
	}
	f.status.change(func(s *State) { s.Lag = lag })
}
