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
	// Cache has device states to start from; nil for none. States that it does not have are read from the log.
	Cache kafka.StateLoader
	// CacheTimeout is how long loading the states from the cache may last, 15 s by default. States that are not loaded by then are
	// read from the log.
	CacheTimeout time.Duration
	// History is how far back aggregates and alerts are read, 70 minutes by default: a little more than the longest range that the
	// page shows from memory.
	History time.Duration
	// Sink is called with the decoded records, those of each partition in order. It is called from one goroutine; while it blocks,
	// nothing is read. It must not keep the slices after it has returned.
	Sink func(view.Batch)
	// LocalProcessor means that a processor in this process gives states to the live view directly; see processor.Options.LocalView.
	// The tail leaves states out once it has caught up.
	LocalProcessor bool
	// AlertsTimeout is how long, after all states have been read, the tail waits for the recent alerts before it counts as caught up, 30 s by
	// default. Those that are read later are of the past all the same.
	AlertsTimeout time.Duration
	// Undecodable is called for each record that cannot be decoded and is skipped. It must not block; nil ignores the calls.
	Undecodable func(topic string)
	// Tracer makes spans for states that belong to a sampled trace; nil for none.
	Tracer trace.Tracer
	Logger *slog.Logger
}

const (
	defaultHistory = 70 * time.Minute
	maxTailPoll    = 5_000
	// maxCatchUpPoll is more than one fetch returns. While the tail catches up, the more states a poll has, the more of them are
	// outdated and need not be decoded.
	maxCatchUpPoll = 100_000
	maxTailBytes   = 4 << 20
	// tailQuiet is how long the tail waits without a record, from a broker that answers, before it counts as caught up: the last
	// records before the end may have been compacted away.
	tailQuiet = 10 * time.Second
	// firstTailPause and longestTailPause limit the pause before the tail starts again after an error.
	firstTailPause   = time.Second
	longestTailPause = 10 * time.Second

	defaultCacheTimeout  = 15 * time.Second
	defaultAlertsTimeout = 30 * time.Second
)

// Tail reads device states, aggregates and alerts for the live view: first all device states and the recent history, then every new
// record. It reads uncommitted, so no record waits for its transaction to end. So Sink may get the same state or summary twice, and
// must keep the one with the higher position.
//
// Alert events that were in the log when the tail started are no news: Sink gets them as the past of its batches, and of an alert that was
// open then only the last event. What the tail has missed after it had caught up, because it had to start again, is news.
type Tail struct {
	TailOptions
	caughtUp chan struct{}
	decoder  *wire.Decoder
	batch    view.Batch
	past     *pastAlerts
	skipped  kafka.Skipped
}

// NewTail returns a tail; Run does the work.
func NewTail(options TailOptions) *Tail {
	options.History = cmp.Or(options.History, defaultHistory)
	options.CacheTimeout = cmp.Or(options.CacheTimeout, defaultCacheTimeout)
	options.AlertsTimeout = cmp.Or(options.AlertsTimeout, defaultAlertsTimeout)
	options.Tracer = kafka.OrNoTracer(options.Tracer)
	if options.Undecodable == nil {
		options.Undecodable = func(string) {}
	}
	return &Tail{TailOptions: options, caughtUp: make(chan struct{}), decoder: wire.NewStreamDecoder(), past: newPastAlerts()}
}

// CaughtUp returns a channel that is closed once Sink has got all device states and recent alerts that were in the log when the tail
// started. The alerts are not waited for longer than AlertsTimeout.
func (t *Tail) CaughtUp() <-chan struct{} { return t.caughtUp }

// Run reads until ctx ends. After an error it logs the reason, pauses, and reads the device states and the recent history anew.
func (t *Tail) Run(ctx context.Context) error {
	return retry.NewBackoff(firstTailPause, longestTailPause).Repeat(ctx, t.follow, func(err error, _ time.Duration) {
		t.Logger.Warn("the live view reads its topics from the start again", "reason", err)
	})
}

// follow reads the device states, the recent history and then every new record. It returns when ctx ends, or with an error that the
// client does not recover from. It reports whether it had caught up.
func (t *Tail) follow(ctx context.Context) (caughtUp bool, err error) {
	client, err := kgo.NewClient(t.Dial.Options(
		kgo.FetchMaxBytes(maxTailBytes),
		kgo.FetchMaxPartitionBytes(maxTailBytes/4),
		kgo.KeepControlRecords(), // The last record of a partition may be a marker.
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return false, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	unread, err := t.start(ctx, client, admin)
	if err != nil {
		return false, err
	}
	var statesRead time.Time
	for {
		if !caughtUp && len(unread) == 0 {
			statesRead = cmp.Or(statesRead, time.Now())
			if caughtUp = t.alertsRead(time.Since(statesRead)); caughtUp {
				t.setCaughtUp()
			}
		}
		most, patience := maxTailPoll, time.Duration(0)
		if !caughtUp {
			most, patience = maxCatchUpPoll, tailQuiet
		}
		fetches, err := kafka.Poll(ctx, client, most, patience)
		if err != nil {
			return caughtUp, err
		}
		if fetches.NumRecords() == 0 && !caughtUp {
			if _, err := admin.ListEndOffsets(ctx, t.Topics.States); err == nil { // The broker answers; see tailQuiet.
				clear(unread)
				t.past.endAll(&t.batch)
			}
		}
		t.deliver(fetches, unread)
		kafka.Recycle(fetches)
	}
}

// alertsRead reports whether the recent alerts have been read, or have been waited for long enough since all states have been read.
func (t *Tail) alertsRead(waited time.Duration) bool {
	if t.past.read() {
		return true
	}
	late := waited >= t.AlertsTimeout
	if late {
		t.Logger.Warn("the live view does not wait any longer for the recent alerts", "waited", waited.Round(time.Millisecond), "partitions", len(t.past.ends))
	}
	return late
}

// start sets the offsets to read from, and gives the cached states to Sink. It returns the end of each partition of the device
// states that has records to read up to there.
func (t *Tail) start(ctx context.Context, client *kgo.Client, admin *kadm.Client) (map[int32]int64, error) {
	partitions, err := statePartitions(ctx, admin, t.Topics.States)
	if err != nil {
		return nil, err
	}
	cached := t.loadCache(ctx, partitions)
	extents, err := stateExtents(ctx, admin, t.Topics.States, partitions)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, t.Topics.Aggregates)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{t.Topics.States: {}, t.Topics.Aggregates: {}, t.Topics.Alerts: {}}
	since := time.Now().Add(-t.History)
	recent := kgo.NewOffset().AfterMilli(since.UnixMilli())
	ends.Each(func(end kadm.ListedOffset) { from[end.Topic][end.Partition] = recent })
	if t.past, err = t.startAlerts(ctx, admin, since, from[t.Topics.Alerts]); err != nil {
		return nil, err
	}
	unread := make(map[int32]int64)
	for partition, extent := range extents {
		start := extent.Start
		if held := cached[partition]; held != nil && extent.Holds(held.next) {
			start = held.next
			t.Sink(view.Batch{States: held.states})
		}
		from[t.Topics.States][partition.ID] = kgo.NewOffset().At(start)
		if start < extent.End {
			unread[partition.ID] = extent.End
		}
	}
	client.AddConsumePartitions(from)
	return unread, nil
}

// cachedStates are the states of a partition, complete up to the offset next, that record excluded.
type cachedStates struct {
	next   int64
	states []iot.DeviceState
}

// loadCache returns the states of the partitions that the cache has and that can be decoded.
func (t *Tail) loadCache(ctx context.Context, partitions []statecache.Partition) map[statecache.Partition]*cachedStates {
	if t.Cache == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.CacheTimeout)
	defer cancel()
	cached := make(map[statecache.Partition]*cachedStates)
	started, devices := time.Now(), 0
	for _, partition := range partitions {
		held, decodable := new(cachedStates), true
		next, ok, err := t.Cache.Load(ctx, partition, func(value []byte) {
			state, err := t.decoder.DeviceState(value)
			held.states, decodable = append(held.states, state), decodable && err == nil
		})
		if err != nil {
			t.Logger.Warn("device states are read from the log, not from the cache", "reason", err)
			break
		}
		if ok && decodable {
			held.next = next
			cached[partition] = held
			devices += len(held.states)
		}
	}
	if devices > 0 {
		t.Logger.Info("device states loaded from the cache", "devices", devices, "took", time.Since(started).Round(time.Millisecond))
	}
	return cached
}

// deliver decodes the fetched records and gives them to Sink. It removes the partitions from unread that have been read to their
// end.
func (t *Tail) deliver(fetches kgo.Fetches, unread map[int32]int64) {
	batch := &t.batch
	outdated := make(outdated)
	fetches.EachTopic(func(topic kgo.FetchTopic) {
		switch {
		case topic.Topic == t.Topics.Aggregates:
			outdated.findSummaries(topic)
		case topic.Topic == t.Topics.States && len(unread) > 0:
			outdated.findStates(topic)
		}
	})
	fetches.EachRecord(func(r *kgo.Record) {
		if r.Topic == t.Topics.States && r.Offset+1 >= unread[r.Partition] {
			delete(unread, r.Partition)
		}
		if r.Topic == t.Topics.Alerts {
			defer t.past.passed(batch, r)
		}
		if r.Attrs.IsControl() || outdated[r] {
			return
		}
		if r.Value == nil {
			t.addTombstone(batch, r)
			return
		}
		if err := t.add(batch, r); err != nil {
			t.Undecodable(r.Topic)
			t.skipped.Add(t.Logger, "the live view skipped records that it cannot decode", r, err)
		}
	})
	if len(batch.States)+len(batch.Forgotten)+len(batch.Summaries)+len(batch.Past)+len(batch.Alerts) > 0 {
		t.Sink(*batch)
	}
	if len(unread) > 0 {
		*batch = view.Batch{} // Batches are larger while the tail catches up: their memory is not kept for later ones.
	}
	batch.Reset()
}

// add decodes a record with a value and appends it to the batch.
func (t *Tail) add(batch *view.Batch, r *kgo.Record) error {
	switch r.Topic {
	case t.Topics.States:
		if t.LocalProcessor && t.isCaughtUp() {
			return nil
		}
		state, err := t.decoder.DeviceState(r.Value)
		if err != nil {
			return err
		}
		batch.States = append(batch.States, state)
		if parent, sampled := kafka.SampledTrace(r.Headers); sampled {
			_, span := kafka.StartProcess(t.Tracer, parent, r)
			batch.Traced = append(batch.Traced, view.Traced{Device: state.Latest.Identity(), Span: span})
		}
	case t.Topics.Aggregates:
		if wire.IsDeviceAreas(r.Value) {
			return nil // For the archive.
		}
		summary, err := wire.DecodeWindowSummary(r.Value)
		if err != nil {
			return err
		}
		batch.Summaries = append(batch.Summaries, summary)
	case t.Topics.Alerts:
		alert, err := t.decoder.Alert(r.Value)
		if err != nil {
			return err
		}
		if t.past.has(r) {
			t.past.add(batch, r.Partition, alert)
		} else {
			batch.Alerts = append(batch.Alerts, alert)
		}
	}
	return nil
}

func (t *Tail) setCaughtUp() {
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

// addTombstone appends to the batch that a device is forgotten.
func (t *Tail) addTombstone(batch *view.Batch, r *kgo.Record) {
	if r.Topic != t.Topics.States || !kafka.IsTombstone(r) {
		return
	}
	device, err := wire.DecodeDeviceKey(r.Key)
	if err != nil {
		return // No processor writes a state under such a key.
	}
	position, ours := kafka.TombstonePosition(r)
	if !ours { // It deletes the states before it. In the batch they could not be distinguished from later ones, so they are removed.
		position = iot.Position{Partition: r.Partition}
		batch.States = slices.DeleteFunc(batch.States, func(s iot.DeviceState) bool { return s.Latest.Identity() == device })
	}
	batch.Forgotten = append(batch.Forgotten, view.Forgotten{Identity: device, Position: position})
}
