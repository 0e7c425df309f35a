package process

import (
	"slices"
	"strings"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// byDesign is what suppresses alerts without a person who has decided about the alert or its device.
type byDesign struct {
	// maintenance has the rules of the kind Maintenance in force that are not over, in the order of their names.
	maintenance []*iot.Rule
	// due is when the alerts that are open have to be judged again; zero for never.
	due time.Time
}

// compileByDesign collects the rules of the kind Maintenance in force, but those that are over.
func (p *Partition) compileByDesign() {
	p.byDesign = byDesign{}
	for _, rule := range p.inForce.rules {
		if !rule.Deleted && rule.Rule.Kind == iot.Maintenance && !rule.Rule.Schedule.Over(p.clock) {
			p.byDesign.maintenance = append(p.byDesign.maintenance, &rule.Rule)
		}
	}
	slices.SortFunc(p.byDesign.maintenance, func(a, b *iot.Rule) int { return strings.Compare(a.Name, b.Name) })
	p.judgeByDesignNext()
}

// judgeByDesignNext has all open alerts judged as soon as the log's clock goes on: the present record may have had an event of some of them.
func (p *Partition) judgeByDesignNext() {
	if len(p.byDesign.maintenance)+len(p.inForce.outages) > 0 || p.alerts.any() {
		p.byDesign.due = p.clock.Add(time.Nanosecond)
	}
}

// judgeBy has all open alerts judged when the log's clock has come to a time.
func (d *byDesign) judgeBy(t time.Time) {
	if !t.IsZero() && (d.due.IsZero() || t.Before(d.due)) {
		d.due = t
	}
}

// suppress makes an alert suppressed, or not, as it is by the log's clock: by a shelving first, which a person has decided about it, then by
// the rule for maintenance whose period ends last, and then by the parent of its device.
func (p *Partition) suppress(a *iot.Alert) {
	id, before := a.Identity(), a.Handling
	a.Suppress(p.inForce.shelved[id].Suppression(a.Rule, p.clock))
	if a.Suppressed != "" {
		return
	}
	var entry *iot.DeviceEntry
	if known := p.entryOf(id); known != nil {
		entry = &known.DeviceEntry
	}
	for _, rule := range p.byDesign.maintenance {
		if during, holds := rule.Schedule.Holds(p.clock); holds && during.Until.After(a.SuppressedUntil) && alert.Selects(rule, entry, a) {
			a.SuppressByDesign(rule, during)
		}
	}
	if a.Suppressed == "" && p.silencedUntil(entry, a).After(p.clock) {
		a.SuppressByParent(entry.Parent, &before, p.clock)
	}
}

// judgeByDesign judges all open alerts when something that may suppress them begins or ends. Those that this record has had an event of wait, as in
// endShelvings.
func (p *Partition) judgeByDesign(out Output) {
	p.byDesign.due = time.Time{}
	for _, rule := range p.byDesign.maintenance {
		p.byDesign.judgeBy(rule.Schedule.Next(p.clock))
	}
	p.endOutages()
	var devices []*fleet.Device
	p.fleet.Each(func(device *fleet.Device) {
		if len(device.Alerts) > 0 {
			devices = append(devices, device)
		}
	})
	slices.SortFunc(devices, func(a, b *fleet.Device) int { return a.Latest.Identity().Compare(b.Latest.Identity()) })
	for _, device := range devices {
		if p.hadEvent(device.Latest.Identity()) {
			p.judgeByDesignNext()
			continue
		}
		p.suppressOpen(device, nil, out)
	}
}

// forgetEvents makes hadEvent be about the next record.
func (p *Partition) forgetEvents() {
	p.eventOf = p.eventOf[:0]
	if p.eventsKnown > 0 {
		clear(p.eventOfDevice)
		p.eventsKnown = 0
	}
}

// hadEvent reports whether the current record has made an alert event of a device.
func (p *Partition) hadEvent(device iot.Identity) bool {
	// It may have made thousands, as a tick that shows that a plant is silent.
	for ; p.eventsKnown < len(p.eventOf); p.eventsKnown++ {
		if p.eventOfDevice == nil {
			p.eventOfDevice = make(map[iot.Identity]bool)
		}
		p.eventOfDevice[p.eventOf[p.eventsKnown]] = true
	}
	return p.eventOfDevice[device]
}
