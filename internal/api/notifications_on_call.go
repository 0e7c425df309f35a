package api

import (
	"fmt"
	"slices"
	"time"

	"iotmon/internal/notify"
)

// onCallShown is for how long it is shown who is on call.
const onCallShown = 7 * 24 * time.Hour

// wallTime is how times by the clock on the wall are written.
const wallTime = "2006-01-02T15:04"

// showCalendar returns a calendar with who is on call.
func (s *server) showCalendar(c *NotificationCalendar) (shownCalendar, error) {
	shown := shownCalendar{NotificationCalendar: *c, OnCall: []onCall{}}
	calendar, err := c.Calendar()
	if err != nil {
		return shown, err
	}
	now := s.o.Now()
	for _, turn := range calendar.Turns(now, now.Add(onCallShown)) {
		shown.OnCall = append(shown.OnCall, onCall{turn.From.UTC(), turn.Until.UTC(), turn.Channels})
	}
	return shown, nil
}

// Calendar returns the calendar that is shown.
func (c *NotificationCalendar) Calendar() (*notify.Calendar, error) {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("calendar %s: %w", c.Name, err)
	}
	calendar := &notify.Calendar{Zone: zone, Otherwise: c.Otherwise}
	moment := func(text string) (at time.Time) {
		if err == nil {
			at, err = time.ParseInLocation(wallTime, text, zone)
		}
		return at
	}
	for _, o := range c.Overrides {
		calendar.Overrides = append(calendar.Overrides, notify.Override{From: moment(o.From), Until: moment(o.Until), Channels: o.Channels})
	}
	if r := c.Rotation; r != nil {
		calendar.Rotation = &notify.Rotation{Start: moment(r.Start), Days: r.Days, Channels: r.Channels}
	}
	for _, shift := range c.Shifts {
		span, spanErr := shift.NotificationSpan.Span()
		if spanErr != nil {
			return nil, fmt.Errorf("calendar %s: %w", c.Name, spanErr)
		}
		calendar.Shifts = append(calendar.Shifts, notify.Shift{Span: span, Channels: shift.Channels})
	}
	if err != nil {
		return nil, fmt.Errorf("calendar %s: %w", c.Name, err)
	}
	return calendar, nil
}

// Span returns the span that is shown.
func (s *NotificationSpan) Span() (span notify.Span, err error) {
	for _, name := range s.Days {
		day := slices.Index(days, name)
		if day < 0 {
			return span, fmt.Errorf("%q is not a day", name)
		}
		span.Days = append(span.Days, time.Weekday(day))
	}
	if span.From, err = sinceMidnight(s.From); err != nil {
		return span, err
	}
	span.To, err = sinceMidnight(s.To)
	return span, err
}

// sinceMidnight reads a time of day, hh:mm up to 24:00.
func sinceMidnight(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	at, err := time.Parse(clockTime, text)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err
}
