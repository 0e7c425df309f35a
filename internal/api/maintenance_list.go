package api

import (
	"context"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

type listMaintenanceInput struct {
	Device  iot.DeviceID `query:"device" doc:"Only what selects this device." example:"device_001" maxLength:"128"`
	Details bool         `query:"details" doc:"Also what it does and whose decision it was: devices_selected, alerts_suppressed, time and actor."`
}

// listedMaintenance is maintenance in a list, with what is true of it now.
type listedMaintenance struct {
	MaintenanceShown
	Running    *MaintenancePeriod `json:"running,omitempty" doc:"The period that holds now."`
	Next       *MaintenancePeriod `json:"next,omitempty" doc:"The next period."`
	Selected   *int               `json:"devices_selected,omitempty" doc:"How many known devices it selects, without those that are retired."`
	Suppressed *int               `json:"alerts_suppressed,omitempty" doc:"How many open alerts it suppresses."`
	Time       *time.Time         `json:"time,omitempty" doc:"When it was decided, by the clock of the service that has stored it."`
	Actor      string             `json:"actor,omitempty" doc:"Who has decided it: an opaque id."`
}

func toListedMaintenance(e *iot.RuleEntry, now time.Time) listedMaintenance {
	listed := listedMaintenance{MaintenanceShown: toMaintenanceShown(e)}
	if e.Rule.Schedule == nil {
		return listed
	}
	if running, holds := e.Rule.Schedule.Holds(now); holds {
		listed.Running = (*MaintenancePeriod)(&running)
	}
	for _, period := range e.Rule.Schedule.Periods {
		if period.From.After(now) {
			listed.Next = (*MaintenancePeriod)(&period)
			break
		}
	}
	return listed
}

func (s *server) listMaintenance(ctx context.Context, in *listMaintenanceInput) (*answer[list[listedMaintenance]], error) {
	entries, err := s.o.Rules.Maintenance()
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	if id := in.Device.Canonical(); id != "" {
		device := s.maintained(id)
		entries = slices.DeleteFunc(entries, func(e iot.RuleEntry) bool { return !selectsDevice(&e.Rule, &device) })
	}
	out := list[listedMaintenance]{Items: make([]listedMaintenance, len(entries))}
	for i := range entries {
		out.Items[i] = toListedMaintenance(&entries[i], s.o.Now())
	}
	if in.Details && len(entries) > 0 {
		if err := s.addDetails(ctx, entries, out.Items); err != nil {
			return nil, err
		}
	}
	return &answer[list[listedMaintenance]]{out}, nil
}

// maintained returns a device as it is known. One that has never sent has no type.
func (s *server) maintained(id iot.DeviceID) listed {
	if state, ok := s.o.Fleet.Device(id); ok {
		return s.listed(&state)
	}
	return listed{id: id, entry: s.entry(id)}
}

// selectsDevice reports whether a rule selects a device, as the processor decides it.
func selectsDevice(rule *iot.Rule, d *listed) bool {
	of := iot.Alert{DeviceID: d.id}
	if d.state != nil {
		of.DeviceType, of.Location, of.Tenant = d.state.Latest.Type, d.state.Latest.Location, d.state.Latest.Tenant
	}
	return alert.Selects(rule, d.entry, &of)
}

// addDetails adds to each entry what it does, and who has decided it. The error is a problem.
func (s *server) addDetails(ctx context.Context, entries []iot.RuleEntry, items []listedMaintenance) error {
	devices, suppressed, err := s.selectedDevices(ctx, entries)
	if err != nil {
		return err
	}
	for i := range items {
		item := &items[i]
		count := suppressed[item.Name]
		item.Selected, item.Suppressed = &devices[i], &count
		decided, err := s.lastDecision(ctx, item.Name)
		if err != nil {
			return s.decisionProblem(ctx, err)
		}
		if decided != nil {
			item.Time, item.Actor = &decided.Time, decided.Actor
		}
	}
	return nil
}

// selectedDevices counts the devices that each rule selects, and by its name the open alerts that it suppresses. The error is a problem.
func (s *server) selectedDevices(ctx context.Context, entries []iot.RuleEntry) (devices []int, suppressed map[string]int, err error) {
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	devices, suppressed = make([]int, len(entries)), make(map[string]int)
	s.eachMatching(&DeviceFilter{NeverSent: true}, func(d *listed) {
		if d.state != nil {
			for _, a := range d.state.OpenAlerts() {
				if a.Suppressed == iot.ByDesign {
					suppressed[a.SuppressedBy]++
				}
			}
		}
		if d.entry != nil && d.entry.Retired {
			return
		}
		for i := range entries {
			if selectsDevice(&entries[i].Rule, d) {
				devices[i]++
			}
		}
	})
	return devices, suppressed, nil
}

// lastDecision returns the last decision of a person about maintenance; nil if that is not known any more.
func (s *server) lastDecision(ctx context.Context, name string) (*control.Audit, error) {
	const looked = 10 // A calendar is expanded every few weeks.
	all, err := s.o.Rules.Audit(ctx, control.AuditQuery{Of: control.RuleRef(name), Limit: looked})
	for i := range all {
		if all[i].Action != control.ActionCalendar {
			return &all[i], err
		}
	}
	return nil, err
}
