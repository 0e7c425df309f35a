package process

import (
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// rules returns the rules that watch the device that has sent r.
func (p *Partition) rules(device *fleet.Device, r *iot.Reading) *alert.Set {
	var entry *iot.DeviceEntry
	if device.Entry != nil {
		entry = &device.Entry.DeviceEntry
	} else if plain := p.engine.Plain(r.Type); plain != nil && r.Tenant == "" {
		return plain
	}
	selection, _ := device.Rules.(*alert.Selection)
	if selection == nil {
		selection = new(alert.Selection)
		device.Rules = selection
	}
	return p.engine.Select(selection, entry, r)
}

// raiseOffline raises the offline alert of a device that is offline since the given moment, unless the device is retired.
func (p *Partition) raiseOffline(device *fleet.Device, since time.Time, out Output) {
	if !device.Retired() {
		p.engine.RaiseOffline(&device.RuleStates, &device.Latest, since, p.events(out))
	}
}

// alertEvents publishes what the alert engine decides.
type alertEvents struct {
	p   *Partition
	out Output
	// forgets means that the device is being forgotten.
	forgets bool
}

// events returns the receiver of alert events that publishes to out. It is valid until the next call.
func (p *Partition) events(out Output) *alertEvents {
	p.toAlerts = alertEvents{p: p, out: out}
	return &p.toAlerts
}

// Alert publishes an alert event with the current position. A raised one is suppressed if its rule is shelved. One that clears without
// being acknowledged can still be.
func (e *alertEvents) Alert(a *iot.Alert) {
	p := e.p
	a.Position = p.position()
	if a.Transition == iot.Raised || a.Historical || a.Rule == iot.RuleClock { // The others are copies of what was raised.
		if entry := p.entryOf(a.Identity()); entry != nil {
			a.Area = entry.Area
		}
	}
	returned := false
	switch {
	case a.Historical || a.Rule == iot.RuleClock:
	case a.Transition == iot.Raised:
		p.suppress(a)
	case a.Transition == iot.Cleared && a.AckedAt.IsZero() && e.forgets:
		a.Reason = iot.WaivedForgotten
	case a.Transition == iot.Cleared && a.AckedAt.IsZero():
		returned = true
	case a.Transition == iot.Updated:
		p.judgeAgain(a)
	}
	if a.Transition == iot.Cleared && !a.Historical {
		p.endOneShot(a)
	}
	p.counts.alert(a)
	p.alerts.apply(a)
	out := e.out
	e.publish(a)
	if returned {
		p.keepReturned(a, out)
	}
}

func (e *alertEvents) publish(a *iot.Alert) {
	e.p.eventOf = append(e.p.eventOf, a.Identity())
	e.out.Alert(a)
}

// handled publishes an event of an open alert that does not come from a reading: acknowledged if somebody has acknowledged the alert,
// otherwise updated. raised replaces the event in the state; it must not be changed afterwards, because the live view reads it too.
func (e *alertEvents) handled(state *iot.AlertState, raised *iot.Alert, at time.Time, actor, comment string) {
	state.Raised = raised
	event := *raised
	if event.Transition == iot.Raised {
		event.Transition = iot.Updated
	}
	event.Time, event.Actor, event.Comment, event.Position = at, actor, comment, e.p.position()
	e.p.alerts.apply(raised)
	e.publish(&event)
}

// note publishes what a command says of an alert that the partition does not know any more: its comment, and the reason why nobody has to
// acknowledge it, if that is not empty.
func (e *alertEvents) note(device iot.Identity, c *iot.Command, reason iot.ClearReason) {
	e.publish(&iot.Alert{
		ID: c.Alert, Tenant: device.Tenant, DeviceID: device.ID, Transition: iot.Noted, Onset: e.p.clock, Time: e.p.clock, Reason: reason,
		Handling: iot.Handling{Actor: c.Actor, Comment: c.Reason}, Position: e.p.position(),
	})
}

// returned publishes an event of an alert that has cleared: it stays cleared.
func (e *alertEvents) returned(event *iot.Alert, actor, comment string) {
	event.Actor, event.Comment, event.Position = actor, comment, e.p.position()
	e.publish(event)
}

// Failed counts a reading that a rule could not judge.
func (e *alertEvents) Failed(iot.Identity, string, string) { e.p.counts.Failures++ }
