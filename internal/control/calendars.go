package control

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"iotmon/internal/iot"
)

const (
	// expandedAhead is for how long a calendar is expanded into periods, renewedAhead how much of that is left when it is expanded again.
	expandedAhead = 8 * 7 * 24 * time.Hour
	renewedAhead  = expandedAhead / 2
	// ActionCalendar is the action in the audit when a calendar is expanded.
	ActionCalendar = "calendar"
	// calendarsEvery is how often it is looked whether calendars have to be expanded.
	calendarsEvery = 12 * time.Hour
)

// Expand makes the periods of a rule with a calendar, from now on for eight weeks. Without a calendar it changes nothing. The error is an
// *iot.InvalidError.
func Expand(rule *iot.Rule, now time.Time) error {
	if rule.Schedule == nil || len(rule.Schedule.Calendar.Weekly) == 0 {
		return nil
	}
	calendar := rule.Schedule.Calendar
	place, err := time.LoadLocation(calendar.TimeZone)
	if err != nil || calendar.TimeZone == "Local" {
		return iot.Invalid("time_zone", "unknown: a name such as Europe/Berlin or Asia/Shanghai is needed (got %s)", iot.Quote(calendar.TimeZone))
	}
	rule.Schedule = &iot.Schedule{Calendar: calendar, Periods: calendar.In(place, now, now.Add(expandedAhead))}
	return nil
}

// End ends the period of a rule that holds. A calendar goes on with its next one. ended is false if none holds.
func End(rule *iot.Rule, now time.Time) (ended bool) {
	if rule.Schedule == nil {
		return false
	}
	if _, ended = rule.Schedule.Holds(now); !ended {
		return false
	}
	schedule := *rule.Schedule
	schedule.Periods = slices.Clone(schedule.Periods)
	for i := range schedule.Periods {
		if p := &schedule.Periods[i]; !p.From.After(now) && p.Until.After(now) {
			p.Until = iot.CutTime(now)
		}
	}
	schedule.Periods = slices.DeleteFunc(schedule.Periods, func(p iot.Period) bool { return !p.Until.After(p.From) })
	rule.Schedule = &schedule
	return true
}

// KeepEnded has a calendar that was expanded again not begin anew a period that people have ended: before is the schedule until now.
func KeepEnded(rule *iot.Rule, before *iot.Schedule, now time.Time) {
	if before == nil || len(before.Calendar.Weekly) == 0 || !reflect.DeepEqual(before.Calendar, rule.Schedule.Calendar) {
		return
	}
	if _, holds := before.Holds(now); !holds {
		schedule := *rule.Schedule
		schedule.Periods = slices.DeleteFunc(slices.Clone(schedule.Periods), func(p iot.Period) bool { return !p.From.After(now) && p.Until.After(now) })
		rule.Schedule = &schedule
	}
}

// Calendars expands the calendars of maintenance again before their periods end. Any number of processes may run it.
type Calendars struct {
	Registry *Registry
	Logger   *slog.Logger
}

// Run expands calendars until ctx ends. A failure delays it.
func (c *Calendars) Run(ctx context.Context) error {
	pause := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = calendarsEvery
		if err := c.expand(ctx); err != nil && ctx.Err() == nil {
			pause = longestPause
			if !errors.Is(err, ErrNotRead) {
				c.Logger.Warn("calendars of maintenance cannot be expanded at the moment; it is tried again", "error", err)
			}
		}
	}
}

// expand expands each calendar whose periods end soon.
func (c *Calendars) expand(ctx context.Context) error {
	entries, err := c.Registry.Maintenance()
	if err != nil {
		return err
	}
	now := c.Registry.Now()
	var failures []error
	for i := range entries {
		rule := &entries[i].Rule
		if !endsSoon(rule.Schedule, now) {
			continue
		}
		edit := RuleEdit{Name: rule.Name, Maintenance: true, If: Condition{Versions: []int64{entries[i].Version}}}
		edit.To = func(current iot.RuleEntry) (iot.RuleEntry, error) {
			before := current.Rule.Schedule
			err := Expand(&current.Rule, now)
			if err == nil {
				KeepEnded(&current.Rule, before, now)
			}
			return current, err
		}
		_, err := c.Registry.ChangeRules(ctx, []RuleEdit{edit}, RuleChange{
			By: By{Actor: loopActor, Action: ActionCalendar}, Check: func([]iot.Rule) error { return nil },
		})
		if changed := (*VersionError)(nil); errors.As(err, &changed) {
			continue // Another process has just done it.
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// endsSoon reports whether a calendar has to be expanded again: half of its periods, or of the time that they are for, has passed.
func endsSoon(s *iot.Schedule, now time.Time) bool {
	if len(s.Calendar.Weekly) == 0 {
		return false
	}
	left := slices.IndexFunc(s.Periods, func(p iot.Period) bool { return p.Until.After(now) })
	return left < 0 || len(s.Periods)-left <= iot.MaxPeriods/2 && s.Periods[len(s.Periods)-1].Until.Sub(now) <= renewedAhead
}
