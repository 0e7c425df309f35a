package notify

import (
	"slices"
	"time"
)

// Span is a time of day on some days of the week. One that ends at or before it begins ends on the next day.
type Span struct {
	// Days are the days on which it begins; none means every day.
	Days []time.Weekday
	// From and To are since midnight by the clock on the wall, to the minute.
	From, To time.Duration
}

// Times are spans in a time zone. No spans mean always.
type Times struct {
	Zone  *time.Location
	Spans []Span
}

// In reports whether a time is in one of the spans.
func (t *Times) In(now time.Time) bool {
	if len(t.Spans) == 0 {
		return true
	}
	day, clock := wall(now, t.Zone)
	return slices.ContainsFunc(t.Spans, func(s Span) bool { return s.in(day, clock) })
}

// wall returns the day of the week, and the time since midnight to the minute, by the clock on the wall.
func wall(now time.Time, zone *time.Location) (time.Weekday, time.Duration) {
	local := now.In(zone)
	return local.Weekday(), time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
}

func (s *Span) in(day time.Weekday, clock time.Duration) bool {
	begins := func(day time.Weekday) bool { return len(s.Days) == 0 || slices.Contains(s.Days, day) }
	if s.From < s.To {
		return begins(day) && clock >= s.From && clock < s.To
	}
	return begins(day) && clock >= s.From || begins((day+6)%7) && clock < s.To
}

// longestQuiet is how far End looks: in a week, the clocks may skip the only minutes that are in none of the spans.
const longestQuiet = 15 * 24 * time.Hour

// End returns the first whole minute from now on that is in none of the spans; now itself if it is in none, or if the spans never end.
func (t *Times) End(now time.Time) time.Time {
	if !t.In(now) {
		return now
	}
	at := now.Truncate(time.Minute)
	for at.Before(now.Add(longestQuiet)) && t.In(at) {
		at = at.Add(time.Minute)
	}
	if t.In(at) {
		return now
	}
	return at
}

// Calendar says which channels are on call.
type Calendar struct {
	Zone *time.Location
	// Overrides come first, the first one that holds; then Shifts, all that hold; then Rotation; then Otherwise.
	Overrides []Override
	Shifts    []Shift
	Rotation  *Rotation
	// Otherwise must not be empty, so that there is always somebody.
	Otherwise []string
}

// Override replaces everybody else from a time until another one.
type Override struct {
	From, Until time.Time
	Channels    []string
}

// Shift is who is on call at some times of the week.
type Shift struct {
	Span     Span
	Channels []string
}

// Rotation has the channels take turns of some days each. The first turn begins at Start.
type Rotation struct {
	Start    time.Time
	Days     int
	Channels []string
}

// OnCall returns the channels that are on call. There is always one.
func (c *Calendar) OnCall(now time.Time) []string {
	for i := range c.Overrides {
		if o := &c.Overrides[i]; !now.Before(o.From) && now.Before(o.Until) {
			return o.Channels
		}
	}
	var on []string
	day, clock := wall(now, c.Zone)
	for i := range c.Shifts {
		if shift := &c.Shifts[i]; shift.Span.in(day, clock) {
			on = append(on, shift.Channels...)
		}
	}
	if len(on) > 0 {
		return on
	}
	if r := c.Rotation; r != nil && !now.Before(r.Start) {
		return r.Channels[r.turn(now, c.Zone)%len(r.Channels):][:1]
	}
	return c.Otherwise
}

// turn returns how many turns have ended. Turns change at the same time of day in summer and in winter.
func (r *Rotation) turn(now time.Time, zone *time.Location) int {
	start := r.Start.In(zone)
	turns := max(int(now.Sub(start)/(24*time.Hour))/r.Days-1, 0)
	for !now.Before(start.AddDate(0, 0, (turns+1)*r.Days)) {
		turns++
	}
	return turns
}

// Turn is who is on call from a time until another one.
type Turn struct {
	From, Until time.Time
	Channels    []string
}

// Turns returns who is on call from a time until another one, in order and without gaps.
func (c *Calendar) Turns(from, until time.Time) []Turn {
	var turns []Turn
	for _, at := range c.boundaries(from, until) {
		on := slices.Compact(slices.Sorted(slices.Values(c.OnCall(at))))
		if last := len(turns) - 1; last >= 0 && slices.Equal(turns[last].Channels, on) {
			continue
		}
		if last := len(turns) - 1; last >= 0 {
			turns[last].Until = at
		}
		turns = append(turns, Turn{at, until, on})
	}
	return turns
}

// boundaries returns from, and when somebody else may be on call until another time, in order.
func (c *Calendar) boundaries(from, until time.Time) []time.Time {
	all := []time.Time{from}
	add := func(at time.Time) {
		if at.After(from) && at.Before(until) {
			all = append(all, at)
		}
	}
	for i := range c.Overrides {
		add(c.Overrides[i].From)
		add(c.Overrides[i].Until)
	}
	// The clock on the wall decides: a time that there is not is passed when the clocks are set, and one that there is twice may be either.
	var changes []time.Time
	for _, set := from.In(c.Zone).AddDate(0, 0, -2).ZoneBounds(); !set.IsZero() && set.Before(until.AddDate(0, 0, 2)); _, set = set.ZoneBounds() {
		add(set)
		changes = append(changes, set)
	}
	around, usual := []time.Duration{-time.Hour, -time.Hour / 2, 0, time.Hour / 2, time.Hour}, []time.Duration{0}
	for day := from.In(c.Zone).AddDate(0, 0, -1); day.Before(until.AddDate(0, 0, 1)); day = day.AddDate(0, 0, 1) {
		sets := usual
		if slices.ContainsFunc(changes, func(set time.Time) bool { return set.Sub(day).Abs() < 48*time.Hour }) {
			sets = around
		}
		clock := func(since time.Duration) {
			at := time.Date(day.Year(), day.Month(), day.Day(), 0, int(since/time.Minute), 0, 0, c.Zone)
			for _, set := range sets {
				add(at.Add(set))
			}
		}
		for i := range c.Shifts {
			clock(c.Shifts[i].Span.From)
			clock(c.Shifts[i].Span.To)
		}
		if len(c.Shifts) > 0 {
			clock(0)
		}
		if c.Rotation != nil {
			start := c.Rotation.Start.In(c.Zone)
			clock(time.Duration(start.Hour())*time.Hour + time.Duration(start.Minute())*time.Minute)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}
