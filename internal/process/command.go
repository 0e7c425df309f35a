package process

import (
	"fmt"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// processCommand processes what a person has decided about an alert or a rule of a device. It remembers what came of it, so that the sender can be
// answered. A command that it remembers is not executed again. The error is that of a record that is no valid command.
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
	id, key, request := command.Origin(identity)
	if p.level < LevelOutcomes {
		if !p.executeWithoutMemory(identity, device, &command, out) {
			p.counts.Refused++
		}
	} else if p.inForce.outcomes.find(id) != nil {
		p.counts.Refused++
	} else {
		outcome := iot.Outcome{Refused: iot.KeyReused}
		if !p.inForce.outcomes.reused(key, request) {
			outcome = p.execute(identity, device, &command, out)
		}
		if outcome.Refused != "" {
			p.counts.Refused++
		}
		outcome.ID, outcome.Key, outcome.Request = id, key, request
		p.remember(outcome)
	}
	if device != nil {
		p.fleet.Touch(device) // Its state says by its position that the command has been processed.
	}
	return nil
}

// execute executes a command that is not remembered. The device may be nil.
func (p *Partition) execute(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) iot.Outcome {
	switch {
	case c.Action == iot.Acknowledge:
		return p.acknowledge(identity, device, c, out)
	case c.Action == iot.AddComment:
		return p.comment(identity, device, c, out)
	case c.Action == iot.Reset:
		return p.reset(identity, device, c, out)
	case device == nil && p.entryOf(identity) == nil:
		return iot.Outcome{Refused: iot.UnknownDevice}
	default:
		return p.shelve(identity, device, c, out)
	}
}

// executeWithoutMemory executes a command as long as programs may share the partitions that remember no outcomes: comments are distinguished by their ids then.
// It returns false if that changes nothing.
func (p *Partition) executeWithoutMemory(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) bool {
	if device == nil && p.entryOf(identity) == nil {
		return false
	}
	if c.Action == iot.AddComment {
		next := p.inForce.comments[identity].Upsert(c)
		if next == nil {
			return false
		}
		p.inForce.comments[identity] = next
		p.inForce.change(wire.CommentsInForce, identity)
	}
	return p.execute(identity, device, c, out).Refused == ""
}

// acknowledge acknowledges one occurrence of an alert, which is open or has cleared: the rule may have raised another one since, which nobody has
// seen. What is said with a second acknowledgement is a comment.
func (p *Partition) acknowledge(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) iot.Outcome {
	if state := openAlert(device, c.Alert); state != nil {
		raised := *state.Raised
		if raised.AckedAt.IsZero() {
			raised.Transition, raised.AckedAt, raised.AckedBy = iot.Acknowledged, p.clock, c.Actor
			p.events(out).handled(state, &raised, p.clock, c.Actor, c.Reason)
			return iot.Outcome{By: c.Actor, At: p.clock, State: raised.LifeState()}
		}
		if c.Reason != "" && p.level >= LevelOutcomes {
			p.events(out).handled(state, state.Raised, p.clock, c.Actor, c.Reason)
		}
		return iot.Outcome{Refused: iot.AlreadyAcknowledged, By: raised.AckedBy, At: raised.AckedAt, State: raised.LifeState()}
	}
	returned := p.returnedOf(identity, c.Alert)
	if returned == nil {
		if p.level >= LevelOutcomes { // The archive may have it as one that waits: an older version has not kept all.
			p.events(out).note(identity, c, iot.Waived)
		}
		return iot.Outcome{Refused: iot.AlertOver}
	}
	p.forgetReturned(returned)
	event := *returned
	event.AckedAt, event.AckedBy = p.clock, c.Actor
	p.events(out).returned(&event, c.Actor, c.Reason)
	return iot.Outcome{By: c.Actor, At: p.clock, State: event.LifeState()}
}

// reset clears a latched alert that somebody has acknowledged.
func (p *Partition) reset(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) iot.Outcome {
	state := openAlert(device, c.Alert)
	if state == nil {
		outcome := iot.Outcome{Refused: iot.AlertOver}
		if returned := p.returnedOf(identity, c.Alert); returned != nil {
			outcome.State = returned.LifeState()
		}
		return outcome
	}
	switch life := state.Raised.LifeState(); {
	case state.Raised.Latched.IsZero():
		return iot.Outcome{Refused: iot.NotLatched, State: life}
	case life != iot.LatchedAcknowledged:
		return iot.Outcome{Refused: iot.NotAcknowledged, State: life}
	}
	event := p.engine.Reset(&device.RuleStates, state, p.clock)
	event.Actor, event.Comment = c.Actor, c.Reason
	p.events(out).Alert(event)
	return iot.Outcome{State: event.LifeState()}
}

// comment adds a comment to the story of an alert. Of one that is over, only the archive knows whether there is such an alert.
func (p *Partition) comment(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) iot.Outcome {
	if state := openAlert(device, c.Alert); state != nil {
		p.events(out).handled(state, state.Raised, p.clock, c.Actor, c.Reason)
		return iot.Outcome{State: state.Raised.LifeState()}
	}
	if returned := p.returnedOf(identity, c.Alert); returned != nil {
		event := *returned
		p.events(out).returned(&event, c.Actor, c.Reason)
		return iot.Outcome{State: event.LifeState()}
	}
	if p.level >= LevelOutcomes {
		p.events(out).note(identity, c, "")
	}
	return iot.Outcome{}
}

// returnedOf returns a returned alert of a device, nil if there is none with the id.
func (p *Partition) returnedOf(device iot.Identity, id string) *iot.Alert {
	if returned := p.inForce.returned.find(id); returned != nil && returned.Identity() == device {
		return returned
	}
	return nil
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
func (p *Partition) shelve(identity iot.Identity, device *fleet.Device, c *iot.Command, out Output) iot.Outcome {
	p.inForce.change(wire.ShelvedInForce, identity)
	if p.inForce.shelved[identity].Executed(c.ID) { // Before outcomes were remembered, or longer ago than they are.
		p.counts.Refused++
		return iot.Outcome{}
	}
	next, outcome := p.inForce.shelved[identity].Apply(c, p.clock, p.position().Offset)
	if next == nil {
		return outcome
	}
	p.setShelved(identity, next)
	if device != nil {
		p.suppressOpen(device, c, out)
	}
	return outcome
}
