package control_test

import (
	"errors"
	"fmt"
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
