package ingest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the forms of a time that is not a number. The first naive ones carry no offset. All accept a fraction
// of a second, which time.Parse reads whether or not the layout has one.
var timeLayouts = [...]string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02",
	time.RFC3339, "2006-01-02 15:04:05Z07:00",
}

const naiveLayouts = 4

// timeReader reads the times of one recording, in the order of its rows.
type timeReader struct {
	// zone is where times without an offset were taken; nil is UTC.
	zone *time.Location
	// latest is the last time read. It decides which of two passes of an hour is meant when clocks go back.
	latest time.Time
	// usual is the index of the layout that the last time had, as the next one most likely will.
	usual int
}

// read returns the time that a cell tells, in UTC and cut to the microsecond.
func (r *timeReader) read(cell string) (time.Time, error) {
	t, err := r.parse(strings.TrimSpace(cell))
	if err != nil {
		return time.Time{}, err
	}
	r.latest = t.UTC().Truncate(time.Microsecond)
	return r.latest, nil
}

func (r *timeReader) parse(cell string) (time.Time, error) {
	if cell == "" {
		return time.Time{}, errors.New("missing")
	}
	// Only a year is followed by a dash, and only four digits make a year.
	if len(cell) < 10 || cell[4] != '-' {
		return parseUnix(cell)
	}
	for i := range timeLayouts {
		layout := (r.usual + i) % len(timeLayouts)
		t, err := time.Parse(timeLayouts[layout], cell)
		if err != nil {
			continue
		}
		r.usual = layout
		if layout < naiveLayouts {
			return r.locate(t)
		}
		return t, nil
	}
	return time.Time{}, notATime(cell)
}

// parseUnix reads the time since 1970 in seconds, milliseconds, microseconds or nanoseconds. They never meet: in the next
// smaller unit, times before 1973 would be after the year 5000.
func parseUnix(cell string) (time.Time, error) {
	const millisFrom, microsFrom, nanosFrom, end = 1e11, 1e14, 1e17, 9e18
	n, err := strconv.ParseFloat(cell, 64)
	switch {
	case err != nil || math.IsNaN(n) || n < 0 || n >= end:
		return time.Time{}, notATime(cell)
	case n >= nanosFrom:
		n /= 1e3
	case n >= microsFrom:
	case n >= millisFrom:
		n *= 1e3
	default:
		n *= 1e6
	}
	return time.UnixMicro(int64(math.Round(n))), nil
}

func notATime(cell string) error {
	return fmt.Errorf("not a time: RFC 3339, 2006-01-02 15:04:05, or Unix time (got %q)", cell)
}

// locate turns a time read as if it were UTC into the moment when the clocks of the zone showed it. An hour that passes
// twice, when clocks go back, is taken for its first pass unless that would go back in the recording; one that never
// came, when they go forward, is an error.
func (r *timeReader) locate(shown time.Time) (time.Time, error) {
	if r.zone == nil || r.zone == time.UTC {
		return shown, nil
	}
	var moments []time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := shown.Add(near).In(r.zone).Zone()
		moment := shown.Add(-time.Duration(offset) * time.Second)
		if _, actual := moment.In(r.zone).Zone(); actual == offset {
			moments = append(moments, moment)
		}
	}
	if len(moments) == 0 {
		return time.Time{}, fmt.Errorf("never came in %s, where clocks went forward (got %q)", r.zone, shown.Format(timeLayouts[0]))
	}
	slices.SortFunc(moments, time.Time.Compare)
	if first := moments[0]; !first.Before(r.latest) {
		return first, nil
	}
	return moments[len(moments)-1], nil
}

// timeNames are what a column with times is called, the likeliest first.
var timeNames = []string{"timestamp", "datetime", "date_time", "time", "ts", "date"}

// findTimeColumn returns the index of the column with the times: the one that layout names, else one that is called like
// it, else the only one that holds dates.
func findTimeColumn(columns []string, rows [][]string, layout CSVLayout) (int, error) {
	if layout.TimeColumn != "" {
		if i := slices.Index(columns, layout.TimeColumn); i >= 0 {
			return i, nil
		}
		return 0, usage("no column is called %q (columns: %s)", layout.TimeColumn, quoteAll(columns))
	}
	for i, name := range columns {
		if holdsDates([][]string{{name}}, 0) {
			return 0, usage("the first line looks like data, not like the names of columns (%q in field %d); put a header above it", name, i+1)
		}
	}
	for _, name := range timeNames {
		for i, column := range columns {
			if strings.EqualFold(strings.ReplaceAll(column, " ", "_"), name) {
				return i, nil
			}
		}
	}
	var found []int
	for i := range columns {
		if len(rows) > 1 && holdsDates(rows[1:], i) {
			found = append(found, i)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return 0, usage("%d columns look like times; name the one with -time-column (columns: %s)", len(found), quoteAll(columns))
}

// holdsDates reports whether a column holds nothing but dates. Numbers do not count: any could be Unix seconds.
func holdsDates(rows [][]string, column int) bool {
	var r timeReader
	for _, row := range rows {
		if column >= len(row) {
			return false
		}
		cell := strings.TrimSpace(row[column])
		if _, err := r.read(cell); err != nil || len(cell) < 10 || cell[4] != '-' {
			return false
		}
	}
	return true
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, ", ")
}
