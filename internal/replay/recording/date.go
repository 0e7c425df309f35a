package recording

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date is the part of the date that the user adds to a recording: a day, a month of a year, or a year. A field that is 0 is not
// set.
type Date struct{ Year, Month, Day int }

// ParseDate reads 2006-01-02, 2006-01 or 2006.
func ParseDate(text string) (Date, error) {
	wrong := fmt.Errorf("must be a date such as 2006-01-31, or a year for times that lack nothing else (got %q)", text)
	parts := strings.Split(text, "-")
	numbers := make([]int, 3)
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if i >= 3 || err != nil || len(part) != 2 && i > 0 || len(part) != 4 && i == 0 || n < 1 {
			return Date{}, wrong
		}
		numbers[i] = n
	}
	d := Date{numbers[0], numbers[1], numbers[2]}
	if d.Month > 12 || d.Day > daysIn(d.Year, max(d.Month, 1)) {
		return Date{}, wrong
	}
	return d, nil
}

// String returns the date in the form of ParseDate; empty for the zero value.
func (d Date) String() string {
	switch {
	case d.Day > 0:
		return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
	case d.Month > 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	case d.Year > 0:
		return fmt.Sprintf("%04d", d.Year)
	}
	return ""
}

// fits checks a format and a date together: no part of the date may be missing, and none in both.
func (d Date) fits(format TimeFormat) error {
	if format.strftime == nil {
		if d != (Date{}) {
			return errors.New("-date is for times without one: say with -time-format what the time has")
		}
		return nil
	}
	h := format.strftime.has
	full := h.unix || h.year && (h.yearDay || h.month)
	switch {
	case d == (Date{}) && (full || h.year && !h.day):
		return nil
	case d != (Date{}) && full:
		return fmt.Errorf("-time-format %q has a date, so -date cannot be given", format)
	case !h.year && d.Year == 0:
		if h.month && h.day || h.yearDay {
			return fmt.Errorf("-time-format %q has no year: give it with -date, such as -date 2006", format)
		}
		return fmt.Errorf("-time-format %q has no date: give it with -date, such as -date 2006-01-31", format)
	case !h.yearDay && !h.month && d.Month == 0, !h.yearDay && !h.month && !h.day && d.Day == 0:
		return fmt.Errorf("-time-format %q needs a whole -date, such as -date 2006-01-31", format)
	}
	return nil
}

// complete adds the date to a time as written. In a recording with times of the day only, a step back by more than half a day
// begins the next day. In a recording without a year, a step back by more than half a year begins the next year.
func (c *clock) complete(read *civil) (time.Time, error) {
	h := read.has
	if h.unix || h.year {
		return read.utc()
	}
	read.year = c.date.Year
	daily := !h.day && !h.yearDay
	if daily {
		read.month, read.day = c.date.Month, c.date.Day
	} else if !h.month && !h.yearDay {
		read.month = c.date.Month
	}
	turned := func() (time.Time, error) {
		moved := *read
		if !daily {
			moved.year += c.turns
		}
		t, err := moved.utc()
		if daily {
			t = t.AddDate(0, 0, c.turns)
		}
		return t, err
	}
	t, err := turned()
	if err != nil {
		return t, err
	}
	const halfDay, halfYear = 12 * time.Hour, 183 * 24 * time.Hour
	half := halfYear
	if daily {
		half = halfDay
	}
	step := t.Sub(c.shown)
	switch {
	case c.shown.IsZero():
	case step < -half && !c.backwards:
		c.turns++
		t, err = turned()
	case step > half && c.backwards:
		c.turns--
		t, err = turned()
	}
	c.shown = t
	return t, err
}
