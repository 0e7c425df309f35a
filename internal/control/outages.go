package control

import (
	"iotmon/internal/iot"
)

// partitionParent is the parent of devices in a partition.
type partitionParent struct {
	partition int32
	parent    iot.Identity
}

// SetOutage sets the outage of a parent that a partition has in force, unless one of a higher position is known.
func (f *InForce) SetOutage(parent iot.Identity, o *iot.OutageInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := partitionParent{o.Partition, parent}
	if known := f.outages[at]; known == nil || known.Position.Compare(o.Position) <= 0 {
		f.outages[at] = o
	}
}

// RemoveOutage says that a partition does not have an outage of a parent any more.
func (f *InForce) RemoveOutage(parent iot.Identity, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.outages, partitionParent{partition, parent})
}

// outage returns the outage of a parent that a partition has in force; nil if there is none.
func (f *InForce) outage(at partitionParent) *iot.OutageInForce {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.outages[at]
}

// parents returns the parents of devices, with the partitions of the devices, and a number that is another one after each change of an entry. They
// are nil if the number is still the given one. A device above which there are more than iot.MaxParents others is no parent: there may be no end
// of them, and devices that are above one another would silence one another.
func (f *InForce) parents(known int64) (parents map[partitionParent]bool, changes int64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.changes == known {
		return nil, known
	}
	parents = make(map[partitionParent]bool)
	for id, device := range f.devices {
		parent := iot.Identity{Tenant: id.Tenant, ID: device.entry.Parent}
		if at := (partitionParent{device.position.Partition, parent}); parent.ID != "" && !parents[at] && f.above(parent) <= iot.MaxParents {
			parents[at] = true
		}
	}
	return parents, f.changes
}

// above returns how many devices are above a device, at most iot.MaxParents + 1. The caller holds mu.
func (f *InForce) above(device iot.Identity) (count int) {
	for count <= iot.MaxParents {
		entry := f.devices[device].entry
		if entry == nil || entry.Parent == "" {
			break
		}
		device.ID = entry.Parent
		count++
	}
	return count
}

// checkParents refuses, by setting the errors of the outcomes, those that would put a device above itself or too far below. Entries that are decided and not yet in
// force may have the same effect together; then the devices silence nobody, see parents.
func (f *InForce) checkParents(outcomes []Outcome) (refused []Refusal) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	next := make(map[iot.Identity]iot.DeviceID)
	for i := range outcomes {
		if o := &outcomes[i]; o.Before.Parent != o.After.Parent {
			next[o.Device] = o.After.Parent
		}
	}
	for i := range outcomes {
		if o := &outcomes[i]; o.After.Parent != "" && o.Before.Parent != o.After.Parent {
			if err := f.checkParent(o.Device, next); err != nil {
				refused = append(refused, Refusal{o.Device, err})
			}
		}
	}
	return refused
}

// checkParent returns an *iot.InvalidError if the device would be above itself, or below more than iot.MaxParents others. next has the parents that
// change. The caller holds mu.
func (f *InForce) checkParent(device iot.Identity, next map[iot.Identity]iot.DeviceID) error {
	at := device
	for range iot.MaxParents + 1 {
		parent, changes := next[at]
		if entry := f.devices[at].entry; !changes && entry != nil {
			parent = entry.Parent
		}
		switch {
		case parent == "":
			return nil
		case parent == device.ID:
			return iot.Invalid("parent", "is the device itself, or below it (got %s)", iot.Quote(string(next[device])))
		}
		at.ID = parent
	}
	return iot.Invalid("parent", "has too many others above it: at most %d devices may be above one (got %s)", iot.MaxParents, iot.Quote(string(next[device])))
}
