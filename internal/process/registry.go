package process

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// lastEntryOf returns the last registry entry of a device without a tenant, nil if it was never registered.
func (p *Partition) lastEntryOf(id iot.DeviceID) *iot.EntryInForce {
	return p.inForce.entries[iot.Identity{ID: id}]
}

// entryOf returns the registry entry in force of a device without a tenant, nil if it is not registered.
func (p *Partition) entryOf(id iot.DeviceID) *iot.EntryInForce {
	if entry := p.lastEntryOf(id); entry != nil && !entry.Forget {
		return entry
	}
	return nil
}

// areaOf returns the first level of the area to which the registry says that the device of a reading belonged at the reading's time,
// empty if the location in the reading applies. device is nil if it is not in the fleet: a record is read again from before it was
// forgotten, or it is new.
func (p *Partition) areaOf(device *fleet.Device, r *iot.Reading) iot.Area {
	var areas iot.Areas
	if device != nil {
		areas = device.Areas
	} else if entry := p.lastEntryOf(r.ID); entry != nil {
		areas = entry.Areas
	}
	if len(areas) == 0 {
		return "" // Most devices.
	}
	return areas.At(r.Time).First()
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
	if before == nil && entry.Areas != nil || before != nil && !slices.Equal(before.Areas, entry.Areas) {
		p.announceAreas(id, entry, out)
	}
	if id.Tenant != "" {
		return // Nothing else is known of its devices here.
	}
	if entry.Forget {
		p.forget(id.ID, out)
		return
	}
	device, returned := p.fleet.Register(id.ID, entry, p.clock)
	if device == nil {
		return // It is not watched before its first reading.
	}
	if returned {
		p.engine.ClearOffline(&device.RuleStates, p.clock, iot.RuleChanged, p.events(out))
	}
	p.engine.Reselect(p.rules(device, &device.Latest), &device.RuleStates, p.clock, p.events(out))
	p.moveAlerts(device, out)
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

// announceAreas announces the areas of a device to the archive.
func (p *Partition) announceAreas(id iot.Identity, entry *iot.EntryInForce, out Output) {
	out.Areas(&iot.DeviceAreas{Identity: id, Areas: entry.Areas, Position: p.position()})
}

// moveAlerts says in the open alerts of a device to which area it belongs now.
func (p *Partition) moveAlerts(device *fleet.Device, out Output) {
	for i := range device.Alerts {
		state := &device.Alerts[i]
		if state.Raised == nil || state.Raised.Area == device.Area {
			continue
		}
		raised := *state.Raised
		raised.Area = device.Area
		p.events(out).handled(state, &raised, p.clock, "", "")
	}
}

// startAreas lets areas that were to hold from a moment under a clock that ran ahead hold from the next boundary on.
func (p *Partition) startAreas(out Output) {
	start := p.areaStart()
	for _, id := range slices.SortedFunc(maps.Keys(p.inForce.entries), compareIdentities) {
		if next := p.inForce.entries[id].StartBy(start); next != nil {
			p.inForce.entries[id] = next
			p.inForce.change(wire.EntryInForce, id)
			p.announceAreas(id, next, out)
			if id.Tenant == "" {
				p.fleet.Register(id.ID, next, p.clock)
			}
		}
	}
}

func compareIdentities(a, b iot.Identity) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
}
