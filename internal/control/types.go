package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

// MaxTypes is how many device types people may decide. The limits in the log have room for more, so that those who decide at the same moment
// do not fill it.
const MaxTypes = iot.MaxDecidedTypes - 56

// ErrOlder means that consumers of a version that does not know what is decided may still run.
var ErrOlder = errors.New("consumers of an older version may still run, which do not know it; once there are none, run iotmon upgrade finish")

// TypeRef returns the name of a device type.
func TypeRef(name iot.DeviceType) Ref { return Ref{Kind: Type, ID: string(name)} }

// TypeObject returns a device type as an object. The type must be in canonical form.
func TypeObject(spec *iot.TypeSpec) Object {
	return Object{Ref: TypeRef(spec.Name), Version: 1, Body: wire.AppendSettings(nil, &iot.Settings{Types: []iot.TypeSpec{*spec}})}
}

// TypeSpec returns the device type; nil if nothing has been decided. An error means that another program has written the object.
func (o *Object) TypeSpec() (*iot.TypeSpec, error) {
	if o.Version == 0 {
		return nil, nil
	}
	settings, err := wire.DecodeSettings(o.Body)
	if err == nil && (len(settings.Types) != 1 || string(settings.Types[0].Name) != o.ID) {
		err = errors.New("the body is not that of the type")
	}
	if err != nil {
		return nil, fmt.Errorf("device type %s: %w", iot.Quote(o.ID), err)
	}
	return &settings.Types[0], nil
}

// SetType sets a device type that programs know which read no limits.
func (f *InForce) SetType(spec *iot.TypeSpec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.announced[spec.Name] = *spec
	f.notify()
}

// SetLimits sets limits of a partition, which must not be changed.
func (f *InForce) SetLimits(s *iot.SettingsInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if limits := f.limits[s.Partition]; limits != nil { // Otherwise the partition was not there at Begin.
		limits[s.Since] = s
		f.notify()
	}
}

// RemoveLimits says that a partition no longer keeps limits.
func (f *InForce) RemoveLimits(since int64, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.limits[partition], since)
	f.losses++
	f.notify()
}

// newestLimits returns the limits of a partition that were put in force last; nil if none are known. The caller holds mu.
func (f *InForce) newestLimits(partition int32) *iot.Limits {
	var newest *iot.SettingsInForce
	for _, s := range f.limits[partition] {
		if newest == nil || s.Epoch > newest.Epoch || s.Epoch == newest.Epoch && s.Since > newest.Since {
			newest = s
		}
	}
	if newest == nil {
		return nil
	}
	return newest.Limits
}

// Types returns the device types that every partition admits, and all that any does, the first of each name, in the order of a catalog.
// Partitions that no processor has begun do not count. Without any, both are nil.
func (f *InForce) Types() (everywhere, anywhere []iot.TypeSpec) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	count, begun := make(map[iot.DeviceType]int), 0
	for _, id := range slices.Sorted(maps.Keys(f.limits)) {
		limits := f.newestLimits(id)
		if limits == nil {
			continue
		}
		begun++
		for _, t := range limits.All() {
			if count[t.Name]++; count[t.Name] == 1 {
				anywhere = append(anywhere, t)
			}
		}
	}
	for _, t := range anywhere {
		if count[t.Name] == begun {
			everywhere = append(everywhere, t)
		}
	}
	return everywhere, anywhere
}

// Admits reports whether every partition admits a device type, as far as that was read.
func (f *InForce) Admits(name iot.DeviceType) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.admits(name)
}

// admits is Admits. The caller holds mu.
func (f *InForce) admits(name iot.DeviceType) bool {
	for id := range f.limits {
		if limits := f.newestLimits(id); limits == nil || limits.Type(name) == nil {
			return false
		}
	}
	return f.current && len(f.limits) > 0
}

// typeVersion returns 1 if a type is in force in every partition and known to all programs, otherwise 0. The caller holds mu.
func (f *InForce) typeVersion(name string) int64 {
	if _, announced := f.announced[iot.DeviceType(name)]; announced && f.admits(iot.DeviceType(name)) {
		return 1
	}
	return 0
}

// decided returns a type that people have decided, as far as it is in force somewhere; nil if there is none with the name. The caller holds mu.
func (f *InForce) decided(name string) *iot.TypeSpec {
	if spec, any := f.allDecided()[iot.DeviceType(name)]; any {
		return &spec
	}
	return nil
}

// allDecided returns all types that people have decided, as far as they are in force somewhere. The caller holds mu.
func (f *InForce) allDecided() map[iot.DeviceType]iot.TypeSpec {
	all := maps.Clone(f.announced)
	for id := range f.limits {
		if limits := f.newestLimits(id); limits != nil {
			for _, t := range limits.Decided {
				all[t.Name] = t
			}
		}
	}
	return all
}

// decidedCount returns the number of types that people have decided.
func (f *InForce) decidedCount() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.allDecided())
}

// compareType is compare for a type. One that is there already is never replaced, so there is nothing to do about it. The caller holds mu.
func (f *InForce) compareType(o *Object) (comparison, Object) {
	switch known := f.decided(o.ID); {
	case o.Version == 0 && known != nil:
		return ahead, TypeObject(known)
	case o.Version == 0 || f.typeVersion(o.ID) > 0:
		return agreed, Object{}
	}
	return missing, Object{}
}

// typesOf returns the device types that the map of a source defines: they must be in force before it, so that no reading of them is
// rejected.
func typesOf(o *Object) []iot.DeviceType {
	if o.Kind != Map {
		return nil
	}
	entry, err := o.MapEntry()
	if err != nil {
		return nil // Those that map by it say so.
	}
	return entry.Defined()
}

// planTypes returns the changes that decide types, of which current are the objects. Of two who decide a type, the first is right: the error, an
// *iot.InvalidError, is for the second, or says that there are too many.
func (r *Registry) planTypes(current []Object, types []iot.TypeSpec, by By) ([]Change, error) {
	var changes []Change
	for i := range types {
		r.InForce.recall(&current[i])
		known, err := current[i].TypeSpec()
		switch {
		case err != nil:
			return nil, unavailable(err)
		case known == nil:
			changes = append(changes, Change{Object: TypeObject(&types[i]), Actor: by.Actor, Action: by.Action, Reason: by.Reason, Time: r.Now()})
		case !known.Equal(&types[i]):
			return nil, iot.Invalid("define", "the type %s was decided otherwise before, and stays so (%s): leave define out, or choose another name",
				iot.Quote(string(known.Name)), mapping.Described(known))
		}
	}
	if count := r.InForce.decidedCount() + len(changes); len(changes) > 0 && count > MaxTypes {
		return nil, iot.Invalid("define", "with it %d types would be decided, more than %d: put types into device_types of the configuration", count, MaxTypes)
	}
	return changes, nil
}
