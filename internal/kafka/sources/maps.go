package sources

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

// Maps receives the maps of sources that people have decided. Its methods are called one after another and must not block.
type Maps interface {
	// BeginMaps is called before all maps are read, and again after each error; MapsCaughtUp after it.
	BeginMaps()
	// SetMap sets a map, which must not be changed. It may be an older one than one that was set before.
	SetMap(*mapping.Entry)
	// RefuseMap says that what was decided last about the map of a source cannot be decoded, and why.
	RefuseMap(source string, reason error)
	// SetType sets a device type that people have decided. The types of a map come before it.
	SetType(*iot.TypeSpec)
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

// apply applies one record. The error means that none of our programs has written it, or a newer one.
func (f *MapFollower) apply(r *kgo.Record) error {
	if wire.IsTypeKey(r.Key) {
		spec, err := wire.DecodeType(r.Key, r.Value)
		if err != nil {
			return err
		}
		for _, m := range f.Maps {
			m.SetType(&spec)
		}
		return nil
	}
	entry, err := decodeMap(r)
	for _, m := range f.Maps {
		if err != nil {
			m.RefuseMap(string(r.Key), err)
			continue
		}
		m.SetMap(&entry)
	}
	return err
}

func decodeMap(r *kgo.Record) (mapping.Entry, error) {
	if r.Value == nil {
		return mapping.Entry{}, errors.New("a record without a map")
	}
	entry, err := mapping.DecodeEntry(r.Value)
	if err == nil && entry.Source != string(r.Key) {
		err = iot.Invalid("source", "another one than the key")
	}
	return entry, err
}
