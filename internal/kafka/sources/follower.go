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

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/kafka"
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

	mu sync.Mutex
	// What follows is guarded by mu.

	// caughtUp means that every state has been read once, live that what comes now has just been appended.
	caughtUp, live bool
	states         map[string]followed
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

// Run reads until ctx ends, as kafka.Follower does.
func (f *Follower) Run(ctx context.Context) error {
	follower := kafka.Follower{
		Dial: f.Dial, Topic: f.Topics.Sources, Contents: "the topic with the states of sources", Logger: f.Logger, Apply: f.apply,
		Begin: func(int) { f.begin() }, CaughtUp: f.catchUp,
	}
	return follower.Run(ctx)
}

// begin notes that the states of some time are read, not those of this moment. What was read before is shown meanwhile.
func (f *Follower) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = false
}

// catchUp notes that every state has been read.
func (f *Follower) catchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caughtUp, f.live = true, true
}

// apply applies one record. What has just been appended is renewed now, by this program's clock; of an older record only its timestamp says
// when it was. The error means that no Publisher has written it.
func (f *Follower) apply(r *kgo.Record) error {
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
	if !f.live && r.Timestamp.Before(now) {
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
