package sources

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/kafka"
	"iotmon/internal/retry"
)

const (
	// quiet is how long a Follower waits without a record, from a broker that answers, before it counts as caught up: the last
	// records before the end may have been compacted away.
	quiet = 3 * time.Second
	// firstPause and longestPause are the limits of the pause before a Follower starts again after an error.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
)

// FollowerOptions configure a Follower. All fields are required.
type FollowerOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	Now    func() time.Time
	Logger *slog.Logger
}

// Follower reads the states that all programs publish. It implements api.Sources.
type Follower struct {
	FollowerOptions
	skipped kafka.Skipped

	mu sync.Mutex
	// What follows is guarded by mu.
	caughtUp bool
	states   map[string]followed
	// details holds the JSON of each source's detail, detailBytes its total length.
	details     map[string][]byte
	detailBytes int
}

// followed is a state, and when it was renewed.
type followed struct {
	state   api.SourceState
	renewed time.Time
}

var _ api.Sources = (*Follower)(nil)

// NewFollower returns a Follower; Run does the work.
func NewFollower(options FollowerOptions) *Follower {
	return &Follower{FollowerOptions: options, states: make(map[string]followed), details: make(map[string][]byte)}
}

var errNotRead = errors.New("the states of the sources have not been read from Kafka yet")

// States implements api.Sources.
func (f *Follower) States() ([]api.SourceState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.caughtUp {
		return nil, errNotRead
	}
	now := f.Now()
	states := make([]api.SourceState, 0, len(f.states))
	for _, name := range slices.Sorted(maps.Keys(f.states)) {
		of := f.states[name]
		age := now.Sub(of.renewed)
		if age >= forgetAfter {
			continue // Somebody has removed it from the configuration.
		}
		if age >= staleAfter {
			of.state.State, of.state.Since = api.UnknownSource, of.renewed.UTC()
		}
		states = append(states, of.state)
	}
	return states, nil
}

// Detail implements api.Sources.
func (f *Follower) Detail(name string) (api.SourceDetail, bool) {
	f.mu.Lock()
	_, known := f.states[name]
	text := f.details[name]
	f.mu.Unlock()
	var detail api.SourceDetail
	if text != nil {
		if err := json.Unmarshal(text, &detail); err != nil {
			f.Logger.Error("what a source has received cannot be decoded", "source", name, "error", err)
		}
	}
	return detail, known
}

// Run reads until ctx ends. After an error, such as a topic that was created anew, it logs the reason, pauses, and reads everything
// again.
func (f *Follower) Run(ctx context.Context) error {
	return retry.NewBackoff(firstPause, longestPause).Repeat(ctx, f.follow, func(err error, _ time.Duration) {
		f.Logger.Warn("the states of the sources are read again from the start", "reason", err)
	})
}

// follow reads until ctx ends, or an error that the client does not recover from. It reports whether it had caught up.
func (f *Follower) follow(ctx context.Context) (caughtUp bool, err error) {
	client, err := kgo.NewClient(f.Dial.Options(
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // Old records may leave the topic while it is read.
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return false, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	extents, err := kafka.ListExtents(ctx, admin, f.Topics.Sources)
	if err != nil {
		return false, err
	}
	from, unread := make(map[int32]kgo.Offset), make(map[int32]int64)
	for id, extent := range extents {
		from[id] = kgo.NewOffset().At(extent.Start)
		if extent.Start < extent.End {
			unread[id] = extent.End
		}
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.Topics.Sources: from})
	for {
		if !caughtUp && len(unread) == 0 {
			caughtUp = true
			f.catchUp()
		}
		patience := time.Duration(0)
		if !caughtUp {
			patience = quiet
		}
		fetches, err := kafka.Poll(ctx, client, 0, patience)
		if err != nil {
			return caughtUp, err
		}
		if fetches.NumRecords() == 0 && !caughtUp {
			if _, err := admin.ListEndOffsets(ctx, f.Topics.Sources); err == nil { // The broker answers; see quiet.
				clear(unread)
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
			if err := f.apply(r, caughtUp); err != nil {
				f.skipped.Add(f.Logger, "the topic with the states of sources holds records that cannot be decoded", r, err)
			}
		})
		kafka.Recycle(fetches)
	}
}

// catchUp notes that every state has been read.
func (f *Follower) catchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caughtUp = true
}

// apply applies one record. What has just been appended is renewed now, by this program's clock; of an older record only its timestamp says
// when it was. The error means that no Publisher has written it.
func (f *Follower) apply(r *kgo.Record, live bool) error {
	name, detail := split(r.Key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if detail {
		return f.keep(name, r.Value)
	}
	if r.Value == nil {
		delete(f.states, name)
		return f.keep(name, nil)
	}
	var state api.SourceState
	if err := json.Unmarshal(r.Value, &state); err != nil {
		return err
	}
	if state.Name != name {
		return errors.New("the state is of another source than the key")
	}
	now := f.Now()
	renewed := now
	if !live && r.Timestamp.Before(now) {
		renewed = r.Timestamp
	}
	if _, known := f.states[name]; !known && len(f.states) >= maxSources {
		f.forget(now)
		if len(f.states) >= maxSources {
			return errors.New("there are too many sources")
		}
	}
	f.states[name] = followed{state, renewed}
	return nil
}

// keep keeps a copy of the detail of a source; nil removes it. If there is no room for it the source is shown without one.
func (f *Follower) keep(name string, text []byte) error {
	f.detailBytes -= len(f.details[name])
	delete(f.details, name)
	if text == nil {
		return nil
	}
	if len(f.details) >= maxSources || f.detailBytes+len(text) > maxFollowed {
		return errors.New("the sources have received more than is kept of them")
	}
	f.details[name] = slices.Clone(text)
	f.detailBytes += len(text)
	return nil
}

// forget forgets the sources that are no longer listed.
func (f *Follower) forget(now time.Time) {
	for name, of := range f.states {
		if now.Sub(of.renewed) >= forgetAfter {
			delete(f.states, name)
			_ = f.keep(name, nil) // Removing cannot fail.
		}
	}
}
