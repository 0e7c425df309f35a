package process

import (
	"slices"
	"strings"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// maintenance is what suppresses alerts by design.
type maintenance struct {
	// rules are those of the kind Maintenance in force, in the order of their names.
	rules []*iot.Rule
	// due is when the alerts that are open have to be judged again; zero for never.
	due time.Time
}

// compileMaintenance collects the rules of the kind Maintenance in force.
func (p *Partition) compileMaintenance() {
	p.maintenance = maintenance{}
	for _, rule := range p.inForce.rules {
		if !rule.Deleted && rule.Rule.Kind == iot.Maintenance {
			p.maintenance.rules = append(p.maintenance.rules, &rule.Rule)
		}
	}
	slices.SortFunc(p.maintenance.rules, func(a, b *iot.Rule) int { return strings.Compare(a.Name, b.Name) })
	p.judgeMaintenanceNext()
}

// judgeMaintenanceNext has all open alerts judged as soon as the log's clock goes on: the present record may have had an event of some of them.
func (p *Partition) judgeMaintenanceNext() {
	if len(p.maintenance.rules) > 0 || p.alerts.anyByDesign() {
		p.maintenance.due = p.clock.Add(time.Nanosecond)
	}
}

// suppress makes an alert suppressed, or not, as it is by the log's clock: by a shelving first, which a person has decided about it, and then by
// the rule for maintenance whose period ends last.
func (p *Partition) suppress(a *iot.Alert) {
	id := a.Identity()
	a.Suppress(p.inForce.shelved[id].Suppression(a.Rule, p.clock))
	if a.Suppressed != "" || len(p.maintenance.rules) == 0 {
		return
	}
	var entry *iot.DeviceEntry
	if known := p.entryOf(id); known != nil {
		entry = &known.DeviceEntry
	}
	for _, rule := range p.maintenance.rules {
		if during, holds := rule.Schedule.Holds(p.clock); holds && during.Until.After(a.SuppressedUntil) && alert.Selects(rule, entry, a) {
			a.SuppressByDesign(rule.Name, during)
		}
	}
}

// judgeMaintenance judges all open alerts when a period begins or ends. Those that this record has had an event of wait, as in endShelvings.
func (p *Partition) judgeMaintenance(out Output) {
	next := time.Time{}
	for _, rule := range p.maintenance.rules {
		if boundary := rule.Schedule.Next(p.clock); !boundary.IsZero() && (next.IsZero() || boundary.Before(next)) {
			next = boundary
		}
	}
	p.maintenance.due = next
	var devices []*fleet.Device
	p.fleet.Each(func(device *fleet.Device) {
		if len(device.Alerts) > 0 {
			devices = append(devices, device)
		}
	})
	slices.SortFunc(devices, func(a, b *fleet.Device) int { return a.Latest.Identity().Compare(b.Latest.Identity()) })
	for _, device := range devices {
		if slices.Contains(p.eventOf, device.Latest.Identity()) {
			p.judgeMaintenanceNext()
			continue
		}
		p.suppressOpen(device, "", "", out)
	}
}
