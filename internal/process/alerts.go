package process

import (
	"iotmon/internal/alert"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// rules returns the rules that watch the device that has sent r.
func (p *Partition) rules(device *fleet.Device, r *iot.Reading) *alert.Set {
	if plain := p.Alerts.Plain(r.Type); plain != nil {
		return plain
	}
	selection, _ := device.Rules.(*alert.Selection)
	if selection == nil {
		selection = new(alert.Selection)
		device.Rules = selection
	}
	return p.Alerts.Select(selection, "", nil, r)
}

// alertEvents publishes what the alert engine decides.
type alertEvents struct {
	p   *Partition
	out Output
}

// events returns the receiver of alert events that publishes to out. It is valid until the next call.
func (p *Partition) events(out Output) *alertEvents {
	p.toAlerts = alertEvents{p, out}
	return &p.toAlerts
}

// Alert publishes an alert event with the current position.
func (e *alertEvents) Alert(a *iot.Alert) {
	a.Position = e.p.position()
	e.p.counts.alert(a)
	e.p.alerts.apply(a)
	e.out.Alert(a)
}

// Suspended counts a rule that is no longer evaluated on a device.
func (e *alertEvents) Suspended(device iot.DeviceID, rule, reason string) {
	e.p.counts.Suspended++
	e.p.counts.Suspension = Suspension{Device: device, Rule: rule, Reason: reason}
}
