package control_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// A plant that nobody looks after for months has its maintenance all the same, also if two processes expand its calendars, and also if there is more of
// it than fits.
func TestCalendarsAreExpandedAheadOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inForce := control.NewInForce()
		log := controltest.NewLog(inForce)
		r := control.NewRegistry(control.RegistryOptions{Store: controltest.NewMemory(), InForce: inForce, Now: time.Now, Decided: func(objects []control.Object) {
			if _, err := log.Append(context.Background(), objects); err != nil {
				t.Error(err)
			}
		}})
		saturdays := iot.Calendar{TimeZone: "Asia/Shanghai", Weekly: []iot.WeeklyPeriod{{Day: time.Saturday, Start: 22 * 60, Minutes: 8 * 60}}}
		often := iot.Calendar{TimeZone: "UTC"}
		for i := range iot.MaxWeekly {
			often.Weekly = append(often.Weekly, iot.WeeklyPeriod{Day: time.Weekday(i % 7), Start: i * 20, Minutes: 1})
		}
		for name, calendar := range map[string]iot.Calendar{"saturdays": saturdays, "often": often} {
			rule := iot.Rule{Name: name, Severity: iot.Info, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: &iot.Schedule{Calendar: calendar}}
			if err := control.Expand(&rule, time.Now()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ChangeRules(t.Context(), []control.RuleEdit{{
				Name: name, Maintenance: true, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: rule}, nil },
			}}, control.RuleChange{Check: func([]iot.Rule) error { return nil }}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 2)
		for range 2 {
			calendars := &control.Calendars{Registry: r, Logger: slog.New(slog.DiscardHandler)}
			go func() { ended <- calendars.Run(ctx) }()
		}
		for range 150 {
			time.Sleep(24 * time.Hour)
			entries, err := r.Maintenance()
			if err != nil || len(entries) != 2 {
				t.Fatalf("got %d entries, %v", len(entries), err)
			}
			for i := range entries {
				periods := entries[i].Rule.Schedule.Periods
				if ahead := periods[len(periods)-1].Until.Sub(time.Now()); len(periods) > iot.MaxPeriods || ahead < 7*24*time.Hour {
					t.Fatalf("%s at %v: got %d periods up to %v", entries[i].Rule.Name, time.Now(), len(periods), periods[len(periods)-1].Until)
				}
				if entries[i].Version > 20 {
					t.Fatalf("%s: got version %d after %v", entries[i].Rule.Name, entries[i].Version, time.Now())
				}
			}
		}
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
