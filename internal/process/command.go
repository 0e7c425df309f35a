package process

import (
	"fmt"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// processCommand processes what a person has decided about an alert or a rule of a device. A command that comes too late is counted and
// changes nothing; the states that follow show its sender what is true. The error is that of a record that is no
// valid command.
func (p *Partition) processCommand(rec *Record, out Output) error {
	identity, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	command, err := wire.DecodeCommand(rec.Value)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	device := p.fleet.Device(identity)
	if device == nil && p.entryOf(identity) == nil {
		p.counts.Refused++ // Nothing is known of the device here.
		return nil
	}
	var executed bool
	switch command.Action {
	case iot.Acknowledge:
		executed = p.acknowledge(device, &command, out)
	case iot.Reset:
		executed = p.reset(device, &command, out)
	case iot.AddComment:
		executed = p.comment(identity, device, &command, out)
	default:
		executed = p.shelve(identity, device, &command, out)
	}
	if !executed {
		p.counts.Refused++
	}
	if device != nil {
		p.fleet.Touch(device) // Its state says by its position that the command has been processed.
	}
	return nil
}

// acknowledge acknowledges one occurrence of an alert, which is open or has cleared. It returns false if there is no such alert, or if it
// has been acknowledged before: the rule may have raised another one since, which nobody has seen.
func (p *Partition) acknowledge(device *fleet.Device, c *iot.Command, out Output) bool {
	if state := openAlert(device, c.Alert); state != nil {
		raised := *state.Raised
		if !raised.AckedAt.IsZero() {
			return false
		}
		raised.Transition, raised.AckedAt, raised.AckedBy = iot.Acknowledged, p.clock, c.Actor
		p.events(out).handled(state, &raised, p.clock, c.Actor, c.Reason)
		return true
	}
	returned := p.inForce.returned.find(c.Alert)
	if returned == nil || device == nil || returned.Identity() != device.Latest.Identity() {
		return false
	}
	p.inForce.returned.remove(returned)
	p.inForce.changeReturned(returned.ID)
	event := *returned
	event.AckedAt, event.AckedBy = p.clock, c.Actor
	p.events(out).returned(&event, c.Actor, c.Reason)
	return true
}

// reset clears a latched alert. It returns false if there is none, or nobody has acknowledged it.
func (p *Partition) reset(device *fleet.Device, c *iot.Command, out Output) bool {
	state := openAlert(device, c.Alert)
	if state == nil {
		return false
	}
	event := p.engine.Reset(&device.RuleStates, state, p.clock)
	if event == nil {
		return false
	}
	event.Actor, event.Comment = c.Actor, c.Reason
	p.events(out).Alert(event)
	return true
}

// comment adds a comment, or replaces the one with the same id.
func (p *Partition) comment(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) bool {
	next := p.inForce.comments[identity].Upsert(c)
	if next == nil {
		return false
	}
	p.inForce.comments[identity] = next
	p.inForce.change(wire.CommentsInForce, identity)
	if state := openAlert(device, c.Alert); state != nil {
		p.events(out).handled(state, state.Raised, p.clock, c.Actor, c.Reason)
	} else if returned := p.inForce.returned.find(c.Alert); returned != nil && returned.Identity() == identity {
		event := *returned
		p.events(out).returned(&event, c.Actor, c.Reason)
	}
	return true
}

// openAlert returns the state of an open alert of a device, nil if there is none. The device may be nil.
func openAlert(device *fleet.Device, id string) *iot.AlertState {
	if device == nil {
		return nil
	}
	for i := range device.Alerts {
		if state := &device.Alerts[i]; state.Raised != nil && state.Raised.ID == id {
			return state
		}
	}
	return nil
}

// shelve changes what of a device is shelved or out of service. A refused command has what is true published again.
func (p *Partition) shelve(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) bool {
	p.inForce.change(wire.ShelvedInForce, identity)
	next := p.inForce.shelved[identity].Apply(c, p.clock, p.position().Offset)
	if next == nil {
		return false
	}
	p.setShelved(identity, next)
	if device != nil {
		p.suppressOpen(device, c.Actor, c.Reason, out)
	}
	return true
}
