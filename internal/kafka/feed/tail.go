package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/retry"
	"iotmon/internal/statecache"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// TailOptions configure a Tail. Dial, Topics, Sink and Logger are required.
type TailOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Cache has device states to begin with; nil for none. What it does not have, or not soon, is read from the log.
	Cache kafka.StateLoader
	// CachePatience is how long the cache may take, 15 s by default.
	CachePatience time.Duration
	// History is how far back aggregates and alerts are read, 70 minutes by default: the longest range that the page shows
	// from memory.
	History time.Duration
	// Sink takes what was read, in the order of each partition. It is called from one goroutine; while it blocks, nothing
	// is read. When it returns, the slices are the tail's again.
	Sink func(view.Batch)
	// Early means that the processor of this process gives states without alerts to the view itself: once the tail has caught
	// up, it leaves them out.
	Early bool
	// Undecodable is told of each record that is passed over. It must not block; nil for nobody.
	Undecodable func(topic string)
	// Tracer makes spans for states that belong to a sampled trace; nil for none.
	Tracer trace.Tracer
	Logger *slog.Logger
}

const (
	defaultHistory = 70 * time.Minute
	maxTailPoll    = 5_000
	// maxCatchUpPoll is more than a fetch brings: the more states are handed over at once, the more of them are outdated.
	maxCatchUpPoll = 100_000
	maxTailBytes   = 4 << 20
	// tailQuiet is how long nothing may come, from a broker that answers, before the tail counts as caught up: the last
	// records up to the end may have been compacted away.
	tailQuiet = 10 * time.Second
	tailPause = time.Second

	defaultCachePatience = 15 * time.Second
)

// Tail follows the live topics for the pages: all device states, then everything new. It reads uncommitted, so that
// nothing waits for a transaction; whoever takes the batches keeps the highest position of what is said twice.
type Tail struct {
	TailOptions
	caughtUp  chan struct{}
	decoder   *wire.Decoder
	batch     view.Batch
	complaint time.Time
	passed    int
}

// NewTail returns a tail; Run does the work.
func NewTail(options TailOptions) *Tail {
	options.History = cmp.Or(options.History, defaultHistory)
	options.CachePatience = cmp.Or(options.CachePatience, defaultCachePatience)
	options.Tracer = kafka.OrNoTracer(options.Tracer)
	if options.Undecodable == nil {
		options.Undecodable = func(string) {}
	}
	return &Tail{TailOptions: options, caughtUp: make(chan struct{}), decoder: wire.NewStreamDecoder()}
}

// CaughtUp is closed once the device states that were there at the start have all been handed over.
func (t *Tail) CaughtUp() <-chan struct{} { return t.caughtUp }

// Run reads until ctx ends. It retries for ever.
func (t *Tail) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := t.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		t.Logger.Warn("live topics are read from the start again", "reason", err)
		_ = retry.Wait(ctx, tailPause) // The loop looks at ctx.
	}
	return nil
}

// follow reads from the start until ctx ends or reading fails in a way that the client does not recover from.
func (t *Tail) follow(ctx context.Context) error {
	client, err := kgo.NewClient(t.Dial.Options(
		kgo.FetchMaxBytes(maxTailBytes),
		kgo.FetchMaxPartitionBytes(maxTailBytes/4),
		kgo.KeepControlRecords(), // A marker may be the last record there is.
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	waiting, err := t.begin(ctx, client, admin)
	if err != nil {
		return err
	}
	for {
		if len(waiting) == 0 {
			t.signal()
		}
		fetches, err := poll(ctx, client, len(waiting) > 0)
		if err != nil {
			return err
		}
		if fetches.NumRecords() == 0 && len(waiting) > 0 {
			if _, err := admin.ListEndOffsets(ctx, t.Topics.States); err == nil {
				clear(waiting)
			}
		}
		t.hand(fetches, waiting)
		kafka.Recycle(fetches)
	}
}

// begin starts to consume and returns, for each partition with states to be read, where it ends now.
func (t *Tail) begin(ctx context.Context, client *kgo.Client, admin *kadm.Client) (map[int32]int64, error) {
	partitions, err := statePartitions(ctx, admin, t.Topics.States)
	if err != nil {
		return nil, err
	}
	cached := t.loadCache(ctx, partitions)
	extents, err := stateExtents(ctx, admin, t.Topics.States, partitions)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, t.Topics.Aggregates, t.Topics.Alerts)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{t.Topics.States: {}, t.Topics.Aggregates: {}, t.Topics.Alerts: {}}
	recent := kgo.NewOffset().AfterMilli(time.Now().Add(-t.History).UnixMilli())
	ends.Each(func(end kadm.ListedOffset) { from[end.Topic][end.Partition] = recent })
	waiting := make(map[int32]int64)
	for partition, extent := range extents {
		start := extent.Start
		if held := cached[partition]; held != nil && extent.Holds(held.next) {
			start = held.next
			t.Sink(view.Batch{States: held.states})
		}
		from[t.Topics.States][partition.ID] = kgo.NewOffset().At(start)
		if start < extent.End {
			waiting[partition.ID] = extent.End
		}
	}
	client.AddConsumePartitions(from)
	return waiting, nil
}

// cachedStates are the states of a partition up to an offset.
type cachedStates struct {
	next   int64
	states []iot.DeviceState
}

// loadCache returns what the cache has of the partitions.
func (t *Tail) loadCache(ctx context.Context, partitions []statecache.Partition) map[statecache.Partition]*cachedStates {
	if t.Cache == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.CachePatience)
	defer cancel()
	cached := make(map[statecache.Partition]*cachedStates)
	begun, devices := time.Now(), 0
	for _, partition := range partitions {
		held, legible := new(cachedStates), true
		next, ok, err := t.Cache.Load(ctx, partition, func(value []byte) {
			state, err := t.decoder.DeviceState(value)
			held.states, legible = append(held.states, state), legible && err == nil
		})
		if err != nil {
			t.Logger.Warn("device states are read from the log, not from the cache", "reason", err)
			break
		}
		if ok && legible {
			held.next = next
			cached[partition] = held
			devices += len(held.states)
		}
	}
	if devices > 0 {
		t.Logger.Info("device states taken from the cache", "devices", devices, "took", time.Since(begun).Round(time.Millisecond))
	}
	return cached
}

// poll waits for records; while the tail catches up, no longer than tailQuiet.
func poll(ctx context.Context, client *kgo.Client, behind bool) (kgo.Fetches, error) {
	wait, most := ctx, maxTailPoll
	if behind {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, tailQuiet)
		defer cancel()
		most = maxCatchUpPoll
	}
	fetches := client.PollRecords(wait, most)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	return fetches, nil
}

// hand decodes what was fetched and passes it on. From waiting it removes the partitions that have been read to where they
// ended.
func (t *Tail) hand(fetches kgo.Fetches, waiting map[int32]int64) {
	batch := &t.batch
	outdated := make(outdated)
	fetches.EachTopic(func(topic kgo.FetchTopic) {
		switch {
		case topic.Topic == t.Topics.Aggregates:
			outdated.findSummaries(topic)
		case topic.Topic == t.Topics.States && len(waiting) > 0:
			outdated.findStates(topic)
		}
	})
	fetches.EachRecord(func(r *kgo.Record) {
		if r.Topic == t.Topics.States && r.Offset+1 >= waiting[r.Partition] {
			delete(waiting, r.Partition)
		}
		if r.Attrs.IsControl() || outdated[r] {
			return
		}
		if r.Value == nil {
			t.takeTombstone(batch, r)
			return
		}
		if err := t.take(batch, r); err != nil {
			t.passOver(r, err)
		}
	})
	if len(batch.States)+len(batch.Forgotten)+len(batch.Summaries)+len(batch.Alerts) > 0 {
		t.Sink(*batch)
	}
	if len(waiting) > 0 {
		*batch = view.Batch{} // What it takes to catch up is not to be kept for ever.
	}
	batch.Reset()
}

func (t *Tail) take(batch *view.Batch, r *kgo.Record) error {
	switch r.Topic {
	case t.Topics.States:
		if t.Early && t.isCaughtUp() && !wire.HasAlerts(r.Value) {
			return nil
		}
		state, err := t.decoder.DeviceState(r.Value)
		if err != nil {
			return err
		}
		batch.States = append(batch.States, state)
		if parent, sampled := kafka.SampledTrace(r.Headers); sampled {
			_, span := kafka.StartProcess(t.Tracer, parent, r)
			batch.Traced = append(batch.Traced, view.Traced{Device: state.Latest.ID, Span: span})
		}
	case t.Topics.Aggregates:
		summary, err := wire.DecodeWindowSummary(r.Value)
		if err != nil {
			return err
		}
		batch.Summaries = append(batch.Summaries, summary)
	case t.Topics.Alerts:
		alert, err := wire.DecodeAlert(r.Value)
		if err != nil {
			return err
		}
		batch.Alerts = append(batch.Alerts, alert)
	}
	return nil
}

// passOver tells of records that are not ours, once a minute: somebody else writes to the topic and may write a lot.
func (t *Tail) passOver(r *kgo.Record, err error) {
	t.Undecodable(r.Topic)
	t.passed++
	if now := time.Now(); now.Sub(t.complaint) >= time.Minute {
		t.Logger.Error("records passed over by the live view", "count", t.passed,
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		t.complaint, t.passed = now, 0
	}
}

func (t *Tail) signal() {
	if !t.isCaughtUp() {
		close(t.caughtUp)
	}
}

func (t *Tail) isCaughtUp() bool {
	select {
	case <-t.caughtUp:
		return true
	default:
		return false
	}
}

// takeTombstone passes on that a device was deleted.
func (t *Tail) takeTombstone(batch *view.Batch, r *kgo.Record) {
	if r.Topic != t.Topics.States || !kafka.IsTombstone(r) {
		return
	}
	id := iot.DeviceID(r.Key)
	position, ours := kafka.TombstonePosition(r)
	if !ours { // It holds for the states so far, and the batch does not tell which of them come later.
		position = iot.Position{Partition: r.Partition}
		batch.States = slices.DeleteFunc(batch.States, func(s iot.DeviceState) bool { return s.Latest.ID == id })
	}
	batch.Forgotten = append(batch.Forgotten, view.Forgotten{Device: id, Position: position})
}
