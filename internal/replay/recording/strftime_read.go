package recording

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// civil is a time as written in a recording. has says which of its fields are set.
type civil struct {
	year, month, day, yearDay   int
	hour, minute, second, nanos int
	has                         parts
	pm                          bool
	offset                      int // Seconds east of Greenwich, if has.offset and there is no zone.
	zone                        string
	unixMicros                  int64
}

// scanner reads a text from left to right.
type scanner struct {
	text string
	pos  int
	// padded is a run of numbers with its missing leading zeros; number reads from it first.
	padded string
}

func (s *scanner) rest() string { return s.text[s.pos:] }

func (s *scanner) skipBlanks() int {
	before := s.pos
	for s.pos < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.rest())
		if !unicode.IsSpace(r) {
			break
		}
		s.pos += size
	}
	return s.pos - before
}

// countDigits returns how many digits come next.
func (s *scanner) countDigits() int {
	n := 0
	for s.pos+n < len(s.text) && s.text[s.pos+n]-'0' <= 9 {
		n++
	}
	return n
}

// number reads at most that many digits, and at least one.
func (s *scanner) number(most int) (int, bool) {
	if s.padded != "" {
		n, err := strconv.Atoi(s.padded[:most])
		s.padded = s.padded[most:]
		return n, err == nil
	}
	s.skipBlanks()
	count := min(s.countDigits(), most)
	if count == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(s.text[s.pos : s.pos+count])
	s.pos += count
	return n, err == nil
}

// pad adds the missing leading zeros to numbers that are written without separators and have run digits in total.
func (s *scanner) pad(run int) {
	s.skipBlanks()
	count := s.countDigits()
	if count == 0 || count >= run {
		return
	}
	s.padded = strings.Repeat("0", run-count) + s.text[s.pos:s.pos+count]
	s.pos += count
}

// accept skips the text if it comes next, whatever its case.
func (s *scanner) accept(text string) bool {
	if rest := s.rest(); len(rest) >= len(text) && strings.EqualFold(rest[:len(text)], text) {
		s.pos += len(text)
		return true
	}
	return false
}

// letters reads a word.
func (s *scanner) letters() string {
	rest := s.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		end = len(rest)
	}
	s.pos += end
	return rest[:end]
}

// read returns the time that the text is. The error does not repeat the text.
func (f *Format) read(text string) (civil, error) {
	s := scanner{text: strings.TrimSpace(text)}
	c := civil{has: f.has}
	for i := 0; i < len(f.items); i++ {
		it := &f.items[i]
		switch {
		case it.verb == 0 && it.optional:
			if !s.accept(".") && !s.accept(",") {
				c.has.fraction = false
				i++
			}
		case it.verb == 0:
			if !s.accept(it.text) {
				return c, misfit{"lacks ", it.text}
			}
		case it.verb == ' ':
			// Where AM or PM follows, the blank is left out as often as not.
			if s.skipBlanks() == 0 && !f.halfFollows(i) {
				return c, misfit{"lacks a blank", ""}
			}
		default:
			if err := f.readVerb(&s, &c, i); err != nil {
				return c, err
			}
		}
	}
	s.skipBlanks()
	if s.pos < len(s.text) && !f.isInterval(s.rest()) {
		return c, misfit{"goes on: ", s.rest()}
	}
	return c, c.check()
}

func (f *Format) halfFollows(i int) bool {
	return i+1 < len(f.items) && (f.items[i+1].verb == 'p' || f.items[i+1].verb == 'P')
}

// isInterval reports whether rest is the end of an interval (ISO 8601: start/end), whose start has been read.
func (f *Format) isInterval(rest string) bool {
	end, found := strings.CutPrefix(rest, "/")
	if !found || strings.Contains(end, "/") {
		return false
	}
	_, err := f.read(end)
	return err == nil
}

// readVerb reads the directive at index i.
func (f *Format) readVerb(s *scanner, c *civil, i int) error {
	it := &f.items[i]
	into := c
	if it.again {
		into = new(civil)
	}
	ok := true
	switch it.verb {
	case 'b', 'B':
		into.month = monthOf(s.letters())
		s.accept(".")
		ok = into.month > 0
	case 'a', 'A':
		ok = s.letters() != ""
		s.accept(".")
	case 'p', 'P':
		into.pm, ok = s.half()
	case 'z':
		into.offset, ok = s.offset()
	case 'Z':
		into.zone = s.letters()
		ok = into.zone != ""
	case 's':
		into.unixMicros, ok = s.unixSeconds()
	case 'f', 'L', 'N':
		into.nanos, ok = s.fraction(it)
	case 'u', 'w':
		_, ok = s.number(1)
	default:
		if it.run > 0 {
			s.pad(it.run)
		}
		var n int
		if n, ok = s.number(digits[it.verb]); ok {
			into.set(it.verb, n)
		}
		if it.verb == 'S' && ok {
			f.readFraction(s, into, i)
		}
	}
	if !ok {
		return misfit{"has nothing that fits %", string(rune(it.verb))}
	}
	return nil
}

// misfit is an error whose text is built only when it is read: most formats that are tried on a cell do not match.
type misfit struct{ what, which string }

func (m misfit) Error() string { return m.what + m.which }

// readFraction reads the fraction of a second if the format has none.
func (f *Format) readFraction(s *scanner, c *civil, i int) {
	if s.padded != "" || i+1 < len(f.items) && (f.items[i+1].verb == 0 && strings.HasPrefix(f.items[i+1].text, ".") || f.items[i+1].optional) {
		return
	}
	rest := s.rest()
	if len(rest) < 2 || rest[0] != '.' && rest[0] != ',' || rest[1]-'0' > 9 {
		return
	}
	s.pos++
	c.nanos, _ = s.fraction(&item{verb: 'f'})
	c.has.fraction = true
}

func (c *civil) set(verb byte, n int) {
	switch verb {
	case 'Y':
		c.year = n
	case 'y':
		// As POSIX has it.
		if c.year = 2000 + n; n >= 69 {
			c.year = 1900 + n
		}
	case 'm':
		c.month = n
	case 'd', 'e':
		c.day = n
	case 'j':
		c.yearDay = n
	case 'H', 'k', 'I', 'l':
		c.hour = n
	case 'M':
		c.minute = n
	case 'S':
		c.second = n
	}
}

// check finds numbers that are no part of a time.
func (c *civil) check() error {
	h := c.has
	for _, part := range []struct {
		name           string
		has            bool
		n, least, most int
	}{
		{"year", h.year, c.year, 1000, 9999},
		{"month", h.month, c.month, 1, 12},
		{"day", h.day, c.day, 1, 31},
		{"day of the year", h.yearDay, c.yearDay, 1, 366},
		{"hour", h.hour, c.hour, 0, 24},
		{"hour", h.half && h.hour, c.hour, 0, 12},
		{"minute", h.minute, c.minute, 0, 59},
		{"second", h.second, c.second, 0, 60},
	} {
		if part.has && (part.n < part.least || part.n > part.most) {
			return fmt.Errorf("has a %s outside %d to %d", part.name, part.least, part.most)
		}
	}
	if c.hour == 24 && (c.minute != 0 || c.second != 0 || c.nanos != 0) {
		return fmt.Errorf("has an hour 24 that is not the end of the day")
	}
	if c.hour > 12 || !h.half {
		return nil
	}
	c.hour %= 12
	if c.pm {
		c.hour += 12
	}
	return nil
}

// daysIn returns how many days a month has.
func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// utc returns the time as if it had been taken in UTC. Midnight may be written as 24:00 of the day before, and a leap
// second is the last microsecond of its minute.
func (c *civil) utc() (time.Time, error) {
	month, day := max(c.month, 1), max(c.day, 1)
	if c.has.yearDay {
		if c.yearDay == 366 && daysIn(c.year, 2) == 28 {
			return time.Time{}, fmt.Errorf("has a day 366 in a year of 365")
		}
		month, day = 1, c.yearDay
	} else if day > daysIn(c.year, month) {
		return time.Time{}, fmt.Errorf("has a day that month %d of %d has not", month, c.year)
	}
	second, nanos := c.second, c.nanos
	if second == 60 {
		second, nanos = 59, 999_999_000
	}
	return time.Date(c.year, time.Month(month), day, c.hour, c.minute, second, nanos, time.UTC), nil
}
