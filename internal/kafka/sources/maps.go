package sources

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/mapping"
)

// Maps receives the maps of sources that people have decided. Its methods are called one after another and must not block.
type Maps interface {
	// BeginMaps is called before all maps are read, and again after each error; MapsCaughtUp after it.
	BeginMaps()
	// SetMap sets a map, which must not be changed. It may be an older one than one that was set before.
	SetMap(*mapping.Entry)
	MapsCaughtUp()
}

// MapFollowerOptions configure a MapFollower. All fields are required.
type MapFollowerOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	Maps   []Maps
	Logger *slog.Logger
}

// MapFollower reads the maps of all sources: first everything, then every change.
type MapFollower struct{ MapFollowerOptions }

// NewMapFollower returns a MapFollower; Run does the work.
func NewMapFollower(options MapFollowerOptions) *MapFollower { return &MapFollower{options} }

// Run reads until ctx ends, as kafka.Follower does.
func (f *MapFollower) Run(ctx context.Context) error {
	follower := kafka.Follower{
		Dial: f.Dial, Topic: f.Topics.Maps, Contents: "the topic with the maps of sources", Logger: f.Logger, Apply: f.apply,
		Begin: func(int) {
			for _, m := range f.Maps {
				m.BeginMaps()
			}
		},
		CaughtUp: func() {
			for _, m := range f.Maps {
				m.MapsCaughtUp()
			}
		},
	}
	return follower.Run(ctx)
}

// apply applies one record.
func (f *MapFollower) apply(r *kgo.Record) error {
	if r.Value == nil {
		return errors.New("a record without a map")
	}
	entry, err := mapping.DecodeEntry(r.Value)
	if err != nil {
		return err
	}
	if entry.Source != string(r.Key) {
		return iot.Invalid("source", "another one than the key")
	}
	for _, m := range f.Maps {
		m.SetMap(&entry)
	}
	return nil
}
