package recording

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func notATime(cell string) error {
	return fmt.Errorf("not a time: RFC 3339, 2006-01-02 15:04:05, or Unix time (got %q)", cell)
}

// parseAny reads a time that begins with its year, or Unix time.
func (c *clock) parseAny(cell string) (time.Time, error) {
	// Only a year is followed by a separator after four digits, and only four digits make a year.
	if len(cell) >= 13 && (cell[8] == 'T' || cell[8] == 't') {
		cell = spread(cell)
	}
	if len(cell) < 8 || cell[4] != '-' && cell[4] != '/' && cell[4] != '.' {
		return parseUnix(cell)
	}
	read, ok := parseISO(cell)
	if !ok {
		if cell[4] == '.' {
			return parseUnix(cell)
		}
		return time.Time{}, notATime(cell)
	}
	shown, err := read.utc()
	if err != nil {
		return time.Time{}, notATime(cell)
	}
	return c.place(&read, shown, cell)
}

// spread adds the separators to a time without them, such as 20240130T103000Z.
func spread(cell string) string {
	s := scanner{text: cell}
	if s.countDigits() != 8 {
		return cell
	}
	s.pos = 9
	clock, n := cell[9:], s.countDigits()
	switch n {
	case 4:
		clock = clock[:2] + ":" + clock[2:]
	case 6:
		clock = clock[:2] + ":" + clock[2:4] + ":" + clock[4:]
	}
	return cell[:4] + "-" + cell[4:6] + "-" + cell[6:8] + "T" + clock
}

// parseISO parses a date that begins with the year, with an optional time of the day, AM or PM, and offset. Of an interval
// (start/end) it parses the start.
func parseISO(text string) (civil, bool) {
	s := scanner{text: text}
	var c civil
	year, ok := s.number(4)
	if !ok || s.pos != 4 || len(text) < 8 || strings.IndexByte("-/.", text[4]) < 0 {
		return c, false
	}
	separator := s.rest()[:1]
	s.pos++
	month, isMonth := s.plain(2)
	day, isDay := 0, false
	if s.accept(separator) {
		day, isDay = s.plain(2)
	}
	if !isMonth || !isDay {
		return c, false
	}
	c = civil{year: year, month: month, day: day, has: parts{year: true, month: true, day: true}}
	if s.pos == len(text) {
		return c, c.check() == nil
	}
	if !s.accept("T") && s.skipBlanks() == 0 || !s.clock(&c) {
		return c, false
	}
	if s.pos == len(text) {
		return c, c.check() == nil
	}
	end, isInterval := s.rest(), s.rest()[0] == '/'
	if isInterval {
		_, ok = parseISO(end[1:])
		return c, ok && c.check() == nil
	}
	return c, false
}

// plain reads a number without blanks before it.
func (s *scanner) plain(most int) (int, bool) {
	if s.countDigits() == 0 {
		return 0, false
	}
	return s.number(most)
}

// clock reads 15:04, 15:04:05 or 15:04:05.999, AM or PM, and an offset.
func (s *scanner) clock(c *civil) bool {
	ok := false
	c.has.hour = true
	if c.hour, ok = s.plain(2); !ok || !s.accept(":") {
		return false
	}
	c.has.minute = true
	if c.minute, ok = s.plain(2); !ok {
		return false
	}
	if s.accept(":") {
		c.has.second = true
		if c.second, ok = s.plain(2); !ok {
			return false
		}
		if s.accept(".") || s.accept(",") {
			if c.nanos, ok = s.fraction(&item{verb: 'f'}); !ok {
				return false
			}
		}
	}
	before := s.pos
	if c.pm, c.has.half = s.half(); !c.has.half {
		s.pos = before
	}
	before = s.pos
	if c.offset, c.has.offset = s.offset(); !c.has.offset {
		s.pos = before
		s.skipBlanks()
	}
	return true
}

// parseUnix reads the time since 1970 in seconds, milliseconds, microseconds or nanoseconds. They never meet: in the next
// smaller unit, times before 1973 would be after the year 5000.
func parseUnix(cell string) (time.Time, error) {
	const millisFrom, microsFrom, nanosFrom, end = 1e11, 1e14, 1e17, 9e18
	n, err := strconv.ParseFloat(cell, 64)
	switch {
	case err != nil || math.IsNaN(n) || n < 0 || n >= end || hexadecimal(cell):
		return time.Time{}, notATime(cell)
	case looksLikeDate(cell):
		return time.Time{}, fmt.Errorf("looks like a date, not like Unix time: say which with -time-format (got %q)", cell)
	case n >= 20_000 && n < 80_000 && n != math.Trunc(n):
		return time.Time{}, fmt.Errorf("looks like a day of a spreadsheet, not like Unix time: -time-format excel reads it (got %q)", cell)
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

// looksLikeDate reports whether a number may be a date such as 20240130, with hours, minutes and seconds or without. As
// Unix time it would lie before 1971, after 2030 or after 2500.
func looksLikeDate(cell string) bool {
	s := scanner{text: cell}
	if n := s.countDigits(); n != len(cell) || n != 8 && n != 10 && n != 12 && n != 14 {
		return false
	}
	year, _ := s.number(4)
	month, _ := s.number(2)
	day, _ := s.number(2)
	if year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	for _, most := range []int{24, 59, 59} {
		if n, ok := s.number(2); ok && n > most {
			return false
		}
	}
	return true
}
