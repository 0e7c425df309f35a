package process

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// entryOf returns the registry entry in force of a device without a tenant, nil if it is not registered.
func (p *Partition) entryOf(id iot.DeviceID) *iot.EntryInForce {
	if entry := p.inForce.entries[iot.Identity{ID: id}]; entry != nil && !entry.Forget {
		return entry
	}
	return nil
}

// processDevice processes a registry entry, or a request to forget a device. It returns an error if the record is not a valid one.
func (p *Partition) processDevice(rec *Record, out Output) error {
	if rec.Value == nil {
		p.forget(iot.DeviceID(rec.Key), out)
		return nil
	}
	device, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil {
		return fmt.Errorf("registry entry: %w", err)
	}
	entry, err := wire.DecodeDeviceEntry(rec.Value)
	if err != nil {
		return fmt.Errorf("registry entry: %w", err)
	}
	next := p.inForce.entries[device].Follow(&entry, p.areaStart())
	if next == nil { // Who has appended the entry may not know what is in force: topic partition-state may have been created anew.
		p.inForce.change(wire.EntryInForce, device)
		return nil
	}
	p.register(device, next, out)
	return nil
}

// register puts an entry in force. Of a device that has sent readings, alerts that no rule keeps are cleared at once: a device that is
// retired may never send another one.
func (p *Partition) register(id iot.Identity, entry *iot.EntryInForce, out Output) {
	before := p.inForce.entries[id]
	p.inForce.entries[id] = entry
	p.inForce.change(wire.EntryInForce, id)
	if id.Tenant != "" {
		return // Nothing else is known of its devices here.
	}
	if entry.Forget {
		p.forget(id.ID, out)
		return
	}
	device := p.fleet.Register(id.ID, entry, p.clock)
	if device == nil {
		return // It is not watched before its first reading.
	}
	p.engine.Reselect(p.rules(device, &device.Latest), &device.RuleStates, p.clock, p.events(out))
	if before != nil && before.Retired && device.Status == iot.Offline {
		p.raiseOffline(device, p.clock, out)
	}
	p.fleet.Touch(device)
}

// areaStart returns the event time from which an area that is in force now holds: the first window boundary that no reading admitted so
// far has reached. The readings of an open window keep their area, also when the window is rebuilt or recomputed.
func (p *Partition) areaStart() time.Time {
	return p.earliestStart(p.clock, p.windows.Lengths().Newest())
}

// startAreas lets areas that were to hold from a moment under a clock that ran ahead hold from the next boundary on.
func (p *Partition) startAreas() {
	start := p.areaStart()
	for _, id := range slices.SortedFunc(maps.Keys(p.inForce.entries), compareIdentities) {
		if next := p.inForce.entries[id].StartBy(start); next != nil {
			p.inForce.entries[id] = next
			p.inForce.change(wire.EntryInForce, id)
			if id.Tenant == "" && !next.Forget {
				p.fleet.Register(id.ID, next, p.clock)
			}
		}
	}
}

func compareIdentities(a, b iot.Identity) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
}
