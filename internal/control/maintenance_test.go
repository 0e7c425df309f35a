package control_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// A plant that plans maintenance every day for years can go on: what is over does not count as planned.
func TestMaintenanceThatIsOverLeavesRoom(t *testing.T) {
	inForce := control.NewInForce()
	log := controltest.NewLog(inForce)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := control.NewRegistry(control.RegistryOptions{Store: controltest.NewMemory(), InForce: inForce, Now: func() time.Time { return now }, Decided: func(objects []control.Object) {
		if _, err := log.Append(t.Context(), objects); err != nil {
			t.Error(err)
		}
	}})
	plan := func(from, to int) error {
		var edits []control.RuleEdit
		for i := from; i < to; i++ {
			rule := iot.Rule{Severity: iot.Info, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: &iot.Schedule{
				Periods: []iot.Period{{From: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}},
			}}
			edits = append(edits, control.RuleEdit{
				Name: fmt.Sprint("overhaul ", i), Maintenance: true, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: rule}, nil },
			})
		}
		_, err := r.ChangeRules(t.Context(), edits, control.RuleChange{Check: func([]iot.Rule) error { return nil }})
		return err
	}
	var invalid *iot.InvalidError
	for i := 0; i < iot.MaxMaintenanceKept; i += iot.MaxMaintenance {
		if err := plan(i, i+iot.MaxMaintenance); err != nil {
			t.Fatal(err)
		}
		if err := plan(-1, 0); !errors.As(err, &invalid) {
			t.Fatalf("one more than may be planned: got %v", err)
		}
		now = now.Add(24 * time.Hour)
	}
	if err := plan(-1, 0); !errors.As(err, &invalid) {
		t.Errorf("one more than are kept: got %v", err)
	}
}

// overhaul has somebody plan maintenance, with another reason.
func overhaul(t tester, c *process, actor, reason string) {
	t.Helper()
	rule := iot.Rule{Severity: iot.Info, Text: reason, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: &iot.Schedule{
		Periods: []iot.Period{{From: c.now, Until: c.now.Add(24 * time.Hour)}},
	}}
	edit := control.RuleEdit{Name: "overhaul", Maintenance: true, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: rule}, nil }}
	_, err := c.registry.ChangeRules(t.Context(), []control.RuleEdit{edit}, control.RuleChange{
		By: control.By{Actor: actor, Action: "put"}, Check: func([]iot.Rule) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The record of maintenance says who has decided it last. Who decides the same as is decided already, and the calendar, decide nothing.
func TestMaintenanceSaysWhoHasDecidedIt(t *testing.T) {
	p, c := lone(t)
	ref := control.RuleRef("overhaul")
	begun := p.now
	for i, step := range []struct {
		actor, reason, want string
		version             int64
	}{{"u-1", "belt", "u-1", 1}, {"u-2", "belt", "u-1", 1}, {"u-2", "motor", "u-2", 2}} {
		p.now = begun
		overhaul(t, c, step.actor, step.reason)
		p.calmDown(t, 8)
		for id := range p.state {
			o := p.state[id][ref]
			if entry, err := o.RuleEntry(); err != nil || entry.Rule.DecidedBy != step.want || entry.Version != step.version {
				t.Errorf("%d, partition %d: got %+v, %v, want it decided by %s, version %d", i, id, entry, err, step.want, step.version)
			}
		}
	}
	edit := control.RuleEdit{Name: "overhaul", Maintenance: true, To: func(current iot.RuleEntry) (iot.RuleEntry, error) {
		current.Rule.Schedule = &iot.Schedule{Periods: slices.Clone(current.Rule.Schedule.Periods)}
		current.Rule.Schedule.Periods[0].Until = current.Rule.Schedule.Periods[0].Until.Add(time.Hour)
		return current, nil
	}}
	out, err := c.registry.ChangeRules(t.Context(), []control.RuleEdit{edit}, control.RuleChange{
		By: control.By{Actor: "iotmon", Action: control.ActionCalendar}, Check: func([]iot.Rule) error { return nil },
	})
	if err != nil || !out[0].Changed() || out[0].After.Rule.DecidedBy != "u-2" {
		t.Errorf("the calendar: got %+v, %v, want that it is still the decision of u-2", out, err)
	}
}

// While consumers of an older version run, some partitions do not know who has decided. That is no other decision, to be decided again and again; and what
// an older web service has decided is known there.
func TestAnOlderConsumerForgetsWhoHasDecided(t *testing.T) {
	p, c := lone(t)
	overhaul(t, c, "u-1", "belt")
	p.calmDown(t, 8)
	ref := control.RuleRef("overhaul")
	o := p.state[0][ref]
	entry, err := o.RuleEntry()
	if err != nil || entry.Rule.DecidedBy == "" {
		t.Fatalf("got %+v, %v", entry, err)
	}
	entry.Rule.DecidedBy = ""
	p.state[0][ref] = control.RuleObject(&entry)
	c.readState()
	decided := p.decided(ref)
	appended := p.appended
	p.calmDown(t, 20)
	if got := p.decided(ref); got.Version != 1 || p.appended != appended || !c.inForce.Agrees(&decided) {
		t.Errorf("got version %d, %d records more, want that all agree", got.Version, p.appended-appended)
	}
	// Two people who have decided different things of one version, as after a database was restored, are a contradiction all the same.
	entry.Rule.DecidedBy = "u-2"
	p.state[0][ref] = control.RuleObject(&entry)
	c.readState()
	if c.inForce.Agrees(&decided) {
		t.Error("the decisions of two people agree")
	}
}
