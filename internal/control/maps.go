package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// MapRef returns the name of the map of a source.
func MapRef(source string) Ref { return Ref{Kind: Map, ID: source} }

// MapObject returns a map as an object. The entry must be valid.
func MapObject(e *mapping.Entry) Object {
	return Object{Ref: MapRef(e.Source), Version: e.Version, Deleted: e.Deleted, Body: mapping.AppendEntry(nil, e)}
}

// MapEntry returns the map of a source; one without a version if nothing has been decided. An error means that another program has
// written the object.
func (o *Object) MapEntry() (mapping.Entry, error) {
	if o.Version == 0 {
		return mapping.Entry{Source: o.ID}, nil
	}
	entry, err := mapping.DecodeEntry(o.Body)
	if err == nil && (entry.Version != o.Version || entry.Source != o.ID) {
		err = fmt.Errorf("is version %d of %q, its row version %d", entry.Version, entry.Source, o.Version)
	}
	if err != nil {
		return mapping.Entry{}, fmt.Errorf("map of the source %s: %w", o.ID, err)
	}
	return entry, nil
}

// BeginMaps forgets the maps: they are read from the start.
func (f *InForce) BeginMaps() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mapsCurrent = false
	clear(f.maps)
	clear(f.announced)
	f.notify()
}

// MapsCaughtUp says that all maps have been read that there were at BeginMaps.
func (f *InForce) MapsCaughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mapsCurrent = true
	f.losses++ // So that the maps, too, are compared with what was decided.
	f.notify()
}

// SetMap sets the map of a source, unless one of a higher version is known.
func (f *InForce) SetMap(e *mapping.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.maps[e.Source].Version <= e.Version {
		f.maps[e.Source] = MapObject(e)
		f.notify()
	}
}

// RefuseMap does nothing: what is in force is what the sources go on by.
func (f *InForce) RefuseMap(string, error) {}

// mapsKnown reports whether all maps have been read.
func (f *InForce) mapsKnown() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mapsCurrent
}

// VersionError means that the map of a source, or a rule, is not the one that a condition requires.
type VersionError struct {
	// Version is the version that is stored, 0 if there is none.
	Version int64
}

// Error names the version.
func (e *VersionError) Error() string { return fmt.Sprintf("it has version %d", e.Version) }

// Map returns the map of a source that was decided last; one without a version if there never was one. If the database has lost it, it is
// the one that the sources map by. The error is ErrUnavailable.
func (r *Registry) Map(ctx context.Context, source string) (mapping.Entry, error) {
	found, err := r.Store.Objects(ctx, []Ref{MapRef(source)})
	if err != nil {
		return mapping.Entry{}, unavailable(err)
	}
	r.InForce.recall(&found[0])
	entry, err := found[0].MapEntry()
	if err != nil {
		return entry, unavailable(err)
	}
	return entry, nil
}

// MapEdit changes the map of a source.
type MapEdit struct {
	Source string
	If     Condition
	// Types are the device types that the new map needs and that are not in force. They are decided with it, and come into force before it.
	Types []iot.TypeSpec
	// To returns the new map for the current one, which has no version if nothing has been decided. The version that it returns is ignored.
	// Its error refuses the change. It may be called several times.
	To func(current mapping.Entry) (mapping.Entry, error)
}

// ChangeMap makes an edit, and returns the map of now: the one of before if nothing changes. The error is that of edit.To, ErrUnavailable,
// ErrOlder, ErrNoVersion, a *VersionError, or an *iot.InvalidError.
func (r *Registry) ChangeMap(ctx context.Context, edit MapEdit, by By) (mapping.Entry, error) {
	if !r.InForce.mapsKnown() {
		return mapping.Entry{}, unavailable(ErrNotRead)
	}
	if len(edit.Types) > 0 {
		if err := r.typesAllowed(ctx); err != nil {
			return mapping.Entry{}, err
		}
	}
	refs := []Ref{MapRef(edit.Source)}
	for i := range edit.Types {
		refs = append(refs, TypeRef(edit.Types[i].Name))
	}
	var after mapping.Entry
	var made []Change
	var refused error
	err := r.Store.Change(ctx, refs, func(current []Object) ([]Change, error) {
		made = nil
		after, refused = r.nextMap(&current[0], edit.If, edit.To)
		if refused == nil && after.Version > current[0].Version {
			made, refused = r.planTypes(current[1:], edit.Types, by)
			made = append(made, Change{Object: MapObject(&after), Actor: by.Actor, Action: by.Action, Reason: by.Reason, Time: r.Now()})
		}
		return made, refused
	})
	switch {
	case refused != nil:
		return mapping.Entry{}, refused
	case err != nil:
		return mapping.Entry{}, unavailable(err)
	case len(made) > 0:
		decided := make([]Object, len(made))
		for i := range made {
			decided[i] = made[i].Object
		}
		r.Decided(decided)
	}
	return after, nil
}

// typesAllowed returns why no type can be decided at the moment; nil if one can. The error is ErrOlder or ErrUnavailable.
func (r *Registry) typesAllowed(ctx context.Context) error {
	if !r.InForce.Current() {
		return unavailable(ErrNotRead)
	}
	if r.TypesAllowed == nil {
		return nil
	}
	if err := r.TypesAllowed(ctx); err != nil && !errors.Is(err, ErrOlder) {
		return unavailable(err)
	} else {
		return err
	}
}

// nextMap returns the map that follows the current one; the current one if nothing changes.
func (r *Registry) nextMap(current *Object, condition Condition, to func(mapping.Entry) (mapping.Entry, error)) (mapping.Entry, error) {
	r.InForce.recall(current)
	before, err := current.MapEntry()
	if err != nil {
		return before, unavailable(err)
	}
	after, err := to(before)
	same := false
	if err == nil {
		after.Source, after.Version = before.Source, before.Version
		same = reflect.DeepEqual(before, after)
	}
	switch {
	case !condition.holds(current) && !(same && condition.ofVersion()):
		return before, &VersionError{current.Version}
	case err != nil || same:
		return before, err
	case before.Version >= iot.MaxVersion:
		return before, ErrNoVersion
	}
	after.Version = before.Version + 1
	return after, after.Check()
}
