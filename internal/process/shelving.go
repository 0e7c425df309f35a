package process

import (
	"maps"
	"slices"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// setShelved puts in force what of a device is shelved.
func (p *Partition) setShelved(device iot.Identity, s *iot.ShelvedInForce) {
	p.inForce.shelved[device] = s
	p.inForce.change(wire.ShelvedInForce, device)
	p.scheduleShelving(s)
}

// scheduleShelving moves shelvingEnds forward to the earliest planned end of what is shelved of a device.
func (p *Partition) scheduleShelving(s *iot.ShelvedInForce) {
	if ends := s.Ends(); !ends.IsZero() && (p.shelvingEnds.IsZero() || ends.Before(p.shelvingEnds)) {
		p.shelvingEnds = ends
	}
}

// endShelvings ends the shelvings whose planned end has come by the log's clock. A device that this record has had an alert event of
// waits for the next record: readers order the events of an alert by position, so one record makes at most one.
func (p *Partition) endShelvings(out Output) {
	p.shelvingEnds = time.Time{}
	for _, id := range slices.SortedFunc(maps.Keys(p.inForce.shelved), iot.Identity.Compare) {
		s := p.inForce.shelved[id]
		if ends := s.Ends(); ends.IsZero() || ends.After(p.clock) || p.hadEvent(id) {
			p.scheduleShelving(s)
			continue
		}
		p.setShelved(id, s.End(p.clock, p.position().Offset))
		if device := p.fleet.Device(id); device != nil {
			p.suppressOpen(device, nil, out)
		}
	}
}

// endOneShot ends a one-shot shelving of the rule of an alert that has cleared. No open alert of a rule and a device is left then, so there is
// nothing to publish of any.
func (p *Partition) endOneShot(cleared *iot.Alert) {
	if next := p.inForce.shelved[cleared.Identity()].EndOneShot(cleared.Rule, p.position().Offset); next != nil {
		p.setShelved(cleared.Identity(), next)
	}
}

// suppressOpen makes the open alerts of a device suppressed, or not, and publishes those that change. c is the command that has changed the shelvings
// of the device: each alert that it is about has it in its story. It is nil if there is none: then the planned end of what has suppressed an alert is
// the time of its event.
func (p *Partition) suppressOpen(device *fleet.Device, c *iot.Command, out Output) {
	for i := range device.Alerts {
		state := &device.Alerts[i]
		if state.Raised == nil {
			continue
		}
		p.judged = *state.Raised
		p.suppress(&p.judged)
		about := c != nil && (c.Rule == "" || c.Rule == p.judged.Rule)
		if p.judged.Handling == state.Raised.Handling && !about {
			continue
		}
		raised := p.judged
		at, actor, comment := p.clock, "", ""
		if c != nil {
			actor, comment = c.Actor, c.Reason
		} else if until := state.Raised.SuppressedUntil; !until.IsZero() && until.Before(at) {
			at = until
		}
		p.events(out).handled(state, &raised, at, actor, comment)
		p.fleet.Touch(device)
	}
}

// removeHandling removes all that people have decided about the alerts of a device that is forgotten, and what waits for them.
func (p *Partition) removeHandling(device iot.Identity, out Output) {
	if s := p.inForce.shelved[device]; s != nil && len(s.Shelvings) > 0 { // The revision stays: a command may arrive again.
		p.setShelved(device, &iot.ShelvedInForce{Revision: p.position().Offset, Commands: s.Commands})
	}
	if p.inForce.comments[device] != nil {
		delete(p.inForce.comments, device)
		p.inForce.change(wire.CommentsInForce, device)
	}
	for _, alert := range p.inForce.returned.of(device) {
		p.waive(alert, iot.WaivedForgotten, out)
	}
}
