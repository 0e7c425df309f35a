package control

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync"

	"iotmon/internal/iot"
)

// InForce has the entries and rules that the processors have put in force, as far as they were read from the log. It may be used
// concurrently.
type InForce struct {
	mu sync.RWMutex
	// current means that everything has been read. losses counts how often something that was in force may be no more.
	current bool
	losses  int
	devices map[iot.Identity]deviceInForce
	sharing iot.EntrySharing
	// rules has the rules of each partition by name.
	rules map[int32]map[string]ruleInForce
	// ruleChanges is another number after each change of rules.
	ruleChanges int64
	// maps are the maps of sources, mapsCurrent whether all have been read. They are in a topic of their own, which does not have to be
	// there for anything else.
	maps        map[string]Object
	mapsCurrent bool
	// announced are the types in the same topic. limits are those of each partition, by the offset since which they hold.
	announced map[iot.DeviceType]iot.TypeSpec
	limits    map[int32]map[int64]*iot.SettingsInForce
	handling  handling
	// outages are those of silent parents. changes is another number after each change of devices.
	outages map[partitionParent]*iot.OutageInForce
	changes int64
	// references are the medians of peers.
	references map[partitionPeers]*iot.ReferenceInForce
	// machines are the points of machines.
	machines map[partitionMachine]*iot.PointsInForce
	// changed is closed by the next change.
	changed chan struct{}
}

type deviceInForce struct {
	// entry is replaced, and never changed, since Device returns it.
	entry    *iot.DeviceEntry
	position iot.Position
}

type ruleInForce struct {
	object   Object
	position iot.Position
}

// NewInForce returns an InForce in which nothing has been read.
func NewInForce() *InForce {
	return &InForce{
		devices: make(map[iot.Identity]deviceInForce), rules: make(map[int32]map[string]ruleInForce), maps: make(map[string]Object),
		announced: make(map[iot.DeviceType]iot.TypeSpec), limits: make(map[int32]map[int64]*iot.SettingsInForce),
		outages: make(map[partitionParent]*iot.OutageInForce), references: make(map[partitionPeers]*iot.ReferenceInForce),
		machines: make(map[partitionMachine]*iot.PointsInForce), handling: newHandling(), changed: make(chan struct{}),
	}
}

// Begin forgets everything: the log is read from its start. There are the given number of partitions.
func (f *InForce) Begin(partitions int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = false
	f.losses++
	f.ruleChanges++
	clear(f.devices)
	clear(f.rules)
	clear(f.limits)
	clear(f.handling.shelved)
	clear(f.handling.returned)
	clear(f.handling.outcomes)
	clear(f.handling.requests)
	clear(f.outages)
	clear(f.references)
	clear(f.machines)
	f.changes++
	for id := range partitions {
		f.rules[id], f.limits[id] = make(map[string]ruleInForce), make(map[int64]*iot.SettingsInForce)
	}
	f.notify()
}

// CaughtUp says that everything has been read that was in the log at Begin.
func (f *InForce) CaughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = true
	f.notify()
}

// SetDevice sets the entry of a device, unless one of a higher position in the same partition is known.
func (f *InForce) SetDevice(device iot.Identity, e *iot.EntryInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.devices[device]; ok && known.position.Partition == e.Partition && known.position.Compare(e.Position) > 0 {
		return
	}
	entry := e.DeviceEntry
	f.sharing.Share(&entry)
	f.devices[device] = deviceInForce{&entry, e.Position}
	f.changes++
	f.notify()
}

// RemoveDevice says that nothing is in force about a device in a partition any more.
func (f *InForce) RemoveDevice(device iot.Identity, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.devices[device].position.Partition == partition {
		delete(f.devices, device)
		f.changes++
		f.losses++
		f.notify()
	}
}

// SetRule sets a rule of a partition, unless one of a higher position is known.
func (f *InForce) SetRule(r *iot.RuleInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := f.rules[r.Partition]
	if rules == nil {
		return // A partition that was not there at Begin.
	}
	if known, ok := rules[r.Rule.Name]; ok && known.position.Compare(r.Position) > 0 {
		return
	}
	rules[r.Rule.Name] = ruleInForce{RuleObject(&r.RuleEntry), r.Position}
	f.ruleChanges++
	f.notify()
}

// RemoveRule says that a partition does not have a rule any more.
func (f *InForce) RemoveRule(name string, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.rules[partition], name)
	f.losses++
	f.ruleChanges++
	f.notify()
}

// notify wakes who waits for a change. The caller holds mu.
func (f *InForce) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Current reports whether everything has been read.
func (f *InForce) Current() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.current
}

// lossCount returns how often something that was in force may be no more.
func (f *InForce) lossCount() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.losses
}

// Device returns the registry entry of a device, which must not be changed; nil if there is none, or if the device is forgotten.
func (f *InForce) Device(device iot.Identity) *iot.DeviceEntry {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if known, ok := f.devices[device]; ok && !known.entry.Forget {
		return known.entry
	}
	return nil
}

// recall replaces an object by what is in force if that has a higher version: the database is an older one that was restored or, of a rule,
// the configuration has brought it.
func (f *InForce) recall(o *Object) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch o.Kind {
	case Map:
		if known := f.maps[o.ID]; known.Version > o.Version {
			*o = known
		}
		return
	case Type:
		if known := f.decided(o.ID); o.Version == 0 && known != nil {
			*o = TypeObject(known)
		}
		return
	case Rule:
		for _, rules := range f.rules {
			if known := rules[o.ID].object; known.Version > o.Version {
				*o = known
			}
		}
		return
	}
	if known := f.devices[o.Identity()].entry; known != nil && known.Version > o.Version {
		*o = DeviceObject(o.Identity(), known)
	}
}

// Devices calls visit for each device with an entry, in no order, until visit returns false. visit must not block or call InForce,
// and must not change the entry, which it may keep.
func (f *InForce) Devices(visit func(iot.Identity, *iot.DeviceEntry) bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for device, known := range f.devices {
		if !known.entry.Forget && !visit(device, known.entry) {
			return
		}
	}
}

// Version returns the version of an object that is in force, the highest if the partitions differ; 0 if there is none, and false if
// that is not known yet.
func (f *InForce) Version(ref Ref) (int64, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch ref.Kind {
	case Device:
		return f.deviceVersion(ref), f.current
	case Map:
		return f.maps[ref.ID].Version, f.mapsCurrent
	case Type:
		return f.typeVersion(ref.ID), f.current && f.mapsCurrent
	}
	highest := int64(0)
	for _, rules := range f.rules {
		highest = max(highest, rules[ref.ID].object.Version)
	}
	return highest, f.current
}

// Wait waits until an object has the version, or a higher one, in force in every partition where it belongs. It returns false if
// ctx ends before.
func (f *InForce) Wait(ctx context.Context, ref Ref, version int64) bool {
	return f.wait(ctx, func() bool { return f.lowest(ref) >= version })
}

// wait waits until something holds, which it asks with mu held. It returns false if ctx ends before.
func (f *InForce) wait(ctx context.Context, holds func() bool) bool {
	for {
		f.mu.RLock()
		changed, reached := f.changed, holds()
		f.mu.RUnlock()
		if reached {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// lowest returns the lowest version of an object that a partition has. The caller holds mu.
func (f *InForce) lowest(ref Ref) int64 {
	switch ref.Kind {
	case Device:
		return f.deviceVersion(ref)
	case Map:
		return f.maps[ref.ID].Version
	case Type:
		return f.typeVersion(ref.ID)
	}
	lowest := int64(math.MaxInt64)
	for _, rules := range f.rules {
		lowest = min(lowest, rules[ref.ID].object.Version)
	}
	return lowest
}

// deviceVersion returns the version of a device's entry; 0 if there is none. The caller holds mu.
func (f *InForce) deviceVersion(ref Ref) int64 {
	if known, ok := f.devices[ref.Identity()]; ok {
		return known.entry.Version
	}
	return 0
}

// comparison is how what was decided about an object compares with what is in force.
type comparison int

const (
	// agreed means that there is nothing to do.
	agreed comparison = iota
	// missing means that what was decided is to be appended.
	missing
	// ahead means that something is in force that the database does not know: it has lost later decisions.
	ahead
	// conflicting means that another decision of the same version is in force.
	conflicting
)

// compare returns how an object compares with what is in force. For ahead, it also returns what is in force.
func (f *InForce) compare(o *Object) (comparison, Object) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch o.Kind {
	case Map:
		if !f.mapsCurrent {
			return missing, Object{}
		}
		return compare(o, f.maps[o.ID])
	case Type:
		return f.compareType(o)
	case Device:
		known, ok := f.devices[o.Identity()]
		switch {
		case !ok && o.Deleted && o.Confirmed, !ok && o.Version == 0:
			return agreed, Object{}
		case !ok:
			return missing, Object{}
		}
		return compare(o, DeviceObject(o.Identity(), known.entry))
	}
	result, highest := agreed, Object{}
	for _, rules := range f.rules {
		here, known := compare(o, rules[o.ID].object)
		if here == conflicting && sameDecision(o, &known) {
			here = agreed
		}
		if here == ahead && known.Version > highest.Version {
			highest = known
		}
		result = max(result, here)
	}
	return result, highest
}

// sameDecision reports whether two versions of a rule with the same number differ in nothing but who has decided it: a processor, or a web service, of a
// version that does not know Rule.DecidedBy has stored one of them without it. To decide again what is in force already would never end.
func sameDecision(a, b *Object) bool {
	one, err := a.RuleEntry()
	other, err2 := b.RuleEntry()
	return err == nil && err2 == nil && (one.Rule.DecidedBy == "" || other.Rule.DecidedBy == "") &&
		one.Deleted == other.Deleted && one.Provisioned == other.Provisioned && sameRule(&one, &other)
}

func compare(o *Object, known Object) (comparison, Object) {
	switch {
	case known.Version < o.Version:
		return missing, known
	case known.Version > o.Version:
		return ahead, known
	case !bytes.Equal(known.Body, o.Body):
		return conflicting, known
	}
	return agreed, known
}

// agreesByVersion reports whether there is nothing to do about an object, as far as its version says. It does not need the body.
func (f *InForce) agreesByVersion(o *Object) bool {
	if o.Kind != Device {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	known, ok := f.devices[o.Identity()]
	if !ok {
		return o.Deleted && o.Confirmed || o.Version == 0
	}
	return known.entry.Version == o.Version && (o.Confirmed || !o.Deleted)
}

// unknown returns the names of devices, maps and types about which something is in force and that are not known, in order.
func (f *InForce) unknown(known map[Ref]struct{}) []Ref {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var refs []Ref
	for device := range f.devices {
		ref := DeviceRef(device)
		if _, ok := known[ref]; !ok {
			refs = append(refs, ref)
		}
	}
	for source := range f.maps {
		if _, ok := known[MapRef(source)]; !ok && f.mapsCurrent {
			refs = append(refs, MapRef(source))
		}
	}
	for name := range f.allDecided() {
		if _, ok := known[TypeRef(name)]; !ok && f.mapsCurrent {
			refs = append(refs, TypeRef(name))
		}
	}
	slices.SortFunc(refs, Ref.Compare)
	return refs
}
