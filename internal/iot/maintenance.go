package iot

import (
	"cmp"
	"slices"
	"time"
)

// Schedule is when a rule of the kind Maintenance suppresses alerts.
type Schedule struct {
	// Periods are in order and do not touch one another. Of a Calendar they are what it says of the next weeks: nothing that processes readings
	// knows a time zone.
	Periods []Period
	// Calendar says from what Periods are made, again and again; without entries people have given them.
	Calendar Calendar
}

// Period is the time from From up to Until, exclusive.
type Period struct{ From, Until time.Time }

// Calendar is what repeats each week by the clocks of a place.
type Calendar struct {
	// TimeZone is a name of the IANA database.
	TimeZone string
	Weekly   []WeeklyPeriod
}

// WeeklyPeriod begins on a day of the week at Start, in minutes since midnight, and lasts for Minutes.
type WeeklyPeriod struct {
	Day            time.Weekday
	Start, Minutes int
}

const (
	// MaxPeriods is the maximum length of Schedule.Periods.
	MaxPeriods = 200
	// MaxWeekly is the maximum length of Calendar.Weekly.
	MaxWeekly = 70
	// MaxMaintenance is the maximum number of rules of the kind Maintenance that people may have planned; those that are over do not count.
	MaxMaintenance = 100
	// MaxMaintenanceKept is the maximum number of rules of the kind Maintenance in all.
	MaxMaintenanceKept = 1000
)

const minutesOfDay, minutesOfWeek = 24 * 60, 7 * 24 * 60

// Holds returns the period that t is in; false if there is none.
func (s *Schedule) Holds(t time.Time) (Period, bool) {
	i, _ := slices.BinarySearchFunc(s.Periods, t, func(p Period, t time.Time) int {
		if p.Until.After(t) {
			return 1
		}
		return -1
	})
	if i < len(s.Periods) && !s.Periods[i].From.After(t) {
		return s.Periods[i], true
	}
	return Period{}, false
}

// Next returns when the next period begins, or the present one ends, after t; zero if never.
func (s *Schedule) Next(t time.Time) time.Time {
	for _, p := range s.Periods {
		for _, boundary := range []time.Time{p.From, p.Until} {
			if boundary.After(t) {
				return boundary
			}
		}
	}
	return time.Time{}
}

// Over reports whether no period holds at t or later, and none will be added.
func (s *Schedule) Over(t time.Time) bool {
	last := len(s.Periods) - 1
	return len(s.Calendar.Weekly) == 0 && (last < 0 || !s.Periods[last].Until.After(t))
}

// normalize checks the schedule, and joins periods that touch one another. The error is an *InvalidError.
func (s *Schedule) normalize() error {
	if len(s.Periods) > MaxPeriods {
		return Invalid("periods", "more than %d (got %d)", MaxPeriods, len(s.Periods))
	}
	for i := range s.Periods {
		p := &s.Periods[i]
		if err := normalizeMoment("periods", &p.From, DefaultEarliest); err != nil {
			return err
		}
		if err := normalizeMoment("periods", &p.Until, DefaultEarliest); err != nil {
			return err
		}
		if !p.Until.After(p.From) {
			return Invalid("periods", "the end must be after the start (got %s and %s)", p.From.Format(time.RFC3339), p.Until.Format(time.RFC3339))
		}
	}
	s.Periods = joined(s.Periods)
	return s.Calendar.normalize()
}

// joined returns periods in order, those that touch one another as one.
func joined(periods []Period) []Period {
	var out []Period
	for _, p := range slices.SortedFunc(slices.Values(periods), func(a, b Period) int { return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until)) }) {
		if last := len(out) - 1; last >= 0 && !p.From.After(out[last].Until) {
			if p.Until.After(out[last].Until) {
				out[last].Until = p.Until
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

func (c *Calendar) normalize() error {
	switch {
	case len(c.Weekly) > MaxWeekly:
		return Invalid("weekly", "more than %d (got %d)", MaxWeekly, len(c.Weekly))
	case len(c.Weekly) == 0 && c.TimeZone != "":
		return Invalid("weekly", "missing: there is a time zone")
	case len(c.Weekly) == 0:
		c.Weekly = nil
		return nil
	}
	if err := normalizeKey("time_zone", &c.TimeZone, DefaultMaxText); err != nil {
		return err
	}
	for _, w := range c.Weekly {
		if w.Day < time.Sunday || w.Day > time.Saturday || w.Start < 0 || w.Start >= minutesOfDay || w.Minutes < 1 || w.Minutes > minutesOfWeek {
			return Invalid("weekly", "must begin within a day of the week, and last for 1 minute to 7 days")
		}
	}
	slices.SortFunc(c.Weekly, func(a, b WeeklyPeriod) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Minutes, b.Minutes))
	})
	c.Weekly = slices.Compact(c.Weekly)
	return nil
}

// In returns the periods of the calendar that end after from and begin before until, in order: the first MaxPeriods if there are more. place is
// the location of TimeZone. A local time that does not exist, because clocks are set forward, is that much later; of one that there is twice
// it is one of both.
func (c *Calendar) In(place *time.Location, from, until time.Time) []Period {
	var periods []Period
	// The day before the longest period that may still hold.
	for day := from.In(place).AddDate(0, 0, -8); day.Before(until); day = day.AddDate(0, 0, 1) {
		for _, w := range c.Weekly {
			if w.Day != day.Weekday() {
				continue
			}
			local := func(minutes int) time.Time {
				return time.Date(day.Year(), day.Month(), day.Day(), 0, minutes, 0, 0, place).UTC()
			}
			p := Period{local(w.Start), local(w.Start + w.Minutes)}
			if !p.Until.After(p.From) { // The clocks were set in between.
				p.Until = p.From.Add(time.Duration(w.Minutes) * time.Minute)
			}
			if p.Until.After(from) && p.From.Before(until) {
				periods = append(periods, p)
			}
		}
	}
	periods = joined(periods)
	return periods[:min(len(periods), MaxPeriods)]
}

// normalizeMaintenance checks what a rule of the kind Maintenance has, and has not. The error is an *InvalidError.
func (r *Rule) normalizeMaintenance() error {
	if r.Kind != Maintenance {
		if r.Schedule != nil {
			return Invalid("periods", "only maintenance has them")
		}
		return nil
	}
	if r.Name == RuleOffline {
		return Invalid("alert_type", "%s is the name of an alert rule", r.Name)
	}
	if r.Condition != (Condition{Kind: Maintenance}) || r.For != 0 || r.ClearFor != 0 || r.Latch || r.Disabled || r.Procedure != "" || r.Severity != Info {
		return Invalid("kind", "maintenance raises no alert: it has no limits, delays, latch or procedure, is not disabled, and its severity is info")
	}
	if r.Schedule == nil {
		r.Schedule = new(Schedule)
	}
	return r.Schedule.normalize()
}
