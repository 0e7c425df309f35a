package recording

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TimeFormat is how the times of a recording are written. The zero value is any of ISO 8601 and Unix time, which cannot be
// confused.
type TimeFormat struct {
	// strftime is nil unless the format is one.
	strftime *Format
	// unit is "unix", "unix_ms", "unix_us", "unix_ns" or "excel"; empty for the other two.
	unit string
}

// units are the names of times that are numbers, with the microseconds of one.
var units = map[string]float64{"unix": 1e6, "unix_ms": 1e3, "unix_us": 1, "unix_ns": 1e-3, "excel": 24 * 60 * 60 * 1e6}

// ParseTimeFormat parses the value of -time-format: the name of a unit, such as unix_ms, or a format in the notation of strftime.
// An empty text is the zero value, with which the format is detected.
func ParseTimeFormat(text string) (TimeFormat, error) {
	if _, ok := units[text]; ok {
		return TimeFormat{unit: text}, nil
	}
	if text == "" {
		return TimeFormat{}, nil
	}
	if !strings.Contains(text, "%") {
		return TimeFormat{}, fmt.Errorf("must be unix, unix_ms, unix_us, unix_ns, excel, or a strftime format such as '%%d/%%m/%%Y %%H:%%M' (got %q)", text)
	}
	strftime, err := ParseFormat(text)
	return TimeFormat{strftime: strftime}, err
}

// String returns the format as a user gives it.
func (f TimeFormat) String() string {
	if f.strftime != nil {
		return f.strftime.text
	}
	return f.unit
}

// Read reads one time. The zone is that of times without an offset; nil is UTC.
func (f TimeFormat) Read(text string, zone *time.Location) (time.Time, error) {
	c := clock{format: f, zone: zone}
	return c.read(text)
}

// clock reads the times of one recording, in the order of its rows.
type clock struct {
	format TimeFormat
	// zone is the time zone of times without an offset; nil is UTC.
	zone *time.Location
	// date has the parts of the date that the format lacks.
	date Date
	// backwards is set if the newest row comes first. It decides which of two equal local times, when clocks are set back, is the
	// earlier one.
	backwards bool
	// latest is the last time read, shown the same time as written, before the zone was applied.
	latest, shown time.Time
	// turns counts the midnights (or New Year's Eves) that a recording without its date (or year) has passed.
	turns int
}

// read returns the time in a cell, in UTC, cut to the microsecond.
func (c *clock) read(cell string) (time.Time, error) {
	t, err := c.parse(strings.TrimSpace(cell))
	if err != nil {
		return time.Time{}, err
	}
	c.latest = t.UTC().Truncate(time.Microsecond)
	return c.latest, nil
}

func (c *clock) parse(cell string) (time.Time, error) {
	switch {
	case cell == "":
		return time.Time{}, errors.New("missing")
	case c.format.unit == "excel":
		return c.parseExcel(cell)
	case c.format.unit != "":
		micros, ok := parseUnits(cell, units[c.format.unit])
		if !ok {
			return time.Time{}, fmt.Errorf("not a number of %s (got %q)", c.format.unit, cell)
		}
		return time.UnixMicro(micros), nil
	case c.format.strftime != nil:
		return c.parseStrftime(cell)
	}
	return c.parseAny(cell)
}

// parseStrftime reads a time by the recording's own format.
func (c *clock) parseStrftime(cell string) (time.Time, error) {
	read, err := c.format.strftime.read(cell)
	if err == nil && read.has.unix {
		return time.UnixMicro(read.unixMicros), nil
	}
	var shown time.Time
	if err == nil {
		shown, err = c.complete(&read)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("not a time by %s: %w (got %q)", c.format.strftime, err, cell)
	}
	return c.place(&read, shown, cell)
}

// place converts a time as written to UTC, by its own offset or by the zone of the recording.
func (c *clock) place(read *civil, shown time.Time, cell string) (time.Time, error) {
	if read.has.offset && (read.zone == "" || isUTC(read.zone)) {
		return shown.Add(-time.Duration(read.offset) * time.Second), nil
	}
	if read.zone == "" && (c.zone == nil || c.zone == time.UTC) {
		return shown, nil
	}
	moments := c.locate(shown)
	if read.zone != "" {
		moments = slices.DeleteFunc(moments, func(t time.Time) bool {
			name := "UTC"
			if c.zone != nil {
				name, _ = t.In(c.zone).Zone()
			}
			return !strings.EqualFold(name, read.zone)
		})
		if len(moments) == 0 {
			return time.Time{}, fmt.Errorf("zone %s is not known: name the place with -zone (got %q)", read.zone, cell)
		}
	}
	if len(moments) == 0 {
		return time.Time{}, fmt.Errorf("never came in %s, where clocks went forward (got %q)", c.zone, cell)
	}
	return c.choose(moments), nil
}

func isUTC(zone string) bool {
	return slices.Contains([]string{"UTC", "GMT", "UT", "Z"}, strings.ToUpper(zone))
}

// parseExcel reads days since the end of 1899. Excel shows milliseconds, so the last digits of a day count no further.
func (c *clock) parseExcel(cell string) (time.Time, error) {
	days, err := strconv.ParseFloat(strings.Replace(cell, ",", ".", 1), 64)
	if err != nil || hexadecimal(cell) || !(days >= 1 && days < 2_958_466) {
		return time.Time{}, fmt.Errorf("not a day of Excel's calendar, 1 to 2958465 (got %q)", cell)
	}
	whole, part := math.Modf(days)
	millis := time.Duration(math.Round(part*24*60*60*1000)) * time.Millisecond
	shown := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(whole)).Add(millis)
	return c.place(&civil{}, shown, cell)
}

// locate returns the moments, in order, at which the clocks of the zone showed a time: two where clocks went back, none
// where they went forward.
func (c *clock) locate(shown time.Time) []time.Time {
	if c.zone == nil {
		return []time.Time{shown}
	}
	var moments []time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := shown.Add(near).In(c.zone).Zone()
		moment := shown.Add(-time.Duration(offset) * time.Second)
		if _, actual := moment.In(c.zone).Zone(); actual == offset && !slices.ContainsFunc(moments, moment.Equal) {
			moments = append(moments, moment)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	return moments
}

// choose assigns an hour that passes twice to the pass that the order of the rows comes to first, unless that would go
// against the order.
func (c *clock) choose(moments []time.Time) time.Time {
	first, last := moments[0], moments[len(moments)-1]
	if c.backwards {
		if c.latest.IsZero() || !last.After(c.latest) {
			return last
		}
		return first
	}
	if !first.Before(c.latest) {
		return first
	}
	return last
}
