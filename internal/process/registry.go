package process

import (
	"fmt"
	"slices"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// lastEntryOf returns the last registry entry of a device, nil if it was never registered.
func (p *Partition) lastEntryOf(device iot.Identity) *iot.EntryInForce {
	return p.inForce.entries[device]
}

// entryOf returns the registry entry in force of a device, nil if it is not registered.
func (p *Partition) entryOf(device iot.Identity) *iot.EntryInForce {
	if entry := p.lastEntryOf(device); entry != nil && !entry.Forget {
		return entry
	}
	return nil
}

// processDevice processes a registry entry, or a request to forget a device. It returns an error if the record is not a valid one.
func (p *Partition) processDevice(rec *Record, out Output) error {
	device, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil {
		return fmt.Errorf("registry entry: %w", err)
	}
	if rec.Value == nil {
		p.forget(device, out)
		return nil
	}
	entry, err := wire.DecodeDeviceEntry(rec.Value)
	if err != nil {
		return fmt.Errorf("registry entry: %w", err)
	}
	before := p.inForce.entries[device]
	p.inForce.sharing.Share(&entry)
	if err := iot.CheckNextVersion("version", entry.Version, before.LastVersion()); err != nil {
		return fmt.Errorf("registry entry: %w", err)
	}
	next := before.Follow(&entry, p.areaStart(), p.openStart())
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
	p.delayMove(id, entry)
	if before == nil && entry.Areas != nil || before != nil && !slices.Equal(before.Areas, entry.Areas) {
		p.announceAreas(id, entry, out)
	}
	if entry.Forget {
		p.forget(id, out)
		return
	}
	device, returned := p.fleet.Register(id, entry, p.clock)
	if device == nil {
		return // It is not watched before its first reading.
	}
	if returned {
		p.engine.ClearOffline(&device.RuleStates, p.clock, iot.RuleChanged, p.events(out))
	}
	p.engine.Reselect(p.rules(device, &device.Latest), &device.RuleStates, p.clock, p.events(out))
	p.judgeSilence(device, p.clock, out)
	p.moveAlerts(device, out)
	if before != nil && before.Retired && device.Status == iot.Offline {
		p.raiseOffline(device, p.clock, out)
	}
	p.fleet.Touch(device)
}

// moveAlerts says in the open alerts of a device to which area it belongs now, and what suppresses them there. If the record has had an event of the
// device already, the latter has to wait for the next one.
func (p *Partition) moveAlerts(device *fleet.Device, out Output) {
	had := p.hadEvent(device.Latest.Identity())
	for i := range device.Alerts {
		state := &device.Alerts[i]
		if state.Raised == nil {
			continue
		}
		raised := *state.Raised
		raised.Area = device.Area
		if had {
			p.judgeByDesignNext()
		} else {
			p.suppress(&raised)
		}
		if raised.Area != state.Raised.Area || raised.Handling != state.Raised.Handling {
			p.events(out).handled(state, &raised, p.clock, "", "")
		}
	}
}
