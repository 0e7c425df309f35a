package recording

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// months maps the beginnings of the months' names, in English and in other languages that loggers write, to the month.
// No two languages mean different months by the same letters.
var months = map[string]int{
	"jan": 1, "ene": 1, "gen": 1, "janv": 1, "jän": 1,
	"feb": 2, "fev": 2, "fév": 2,
	"mar": 3, "mär": 3, "mrz": 3, "maa": 3, "mrt": 3,
	"apr": 4, "abr": 4, "avr": 4,
	"may": 5, "mai": 5, "mag": 5, "mei": 5, "maj": 5,
	"jun": 6, "juin": 6, "giu": 6,
	"jul": 7, "juil": 7, "lug": 7,
	"aug": 8, "ago": 8, "aoû": 8, "aou": 8,
	"sep": 9, "set": 9,
	"oct": 10, "okt": 10, "ott": 10, "out": 10,
	"nov": 11,
	"dec": 12, "dez": 12, "dic": 12, "déc": 12,
}

// monthOf returns the month that a word names, 0 for none.
func monthOf(word string) int {
	word = strings.ToLower(word)
	for _, length := range []int{3, 4} {
		end := 0
		for range length {
			_, size := utf8.DecodeRuneInString(word[end:])
			end += size
		}
		if m := months[word[:end]]; m > 0 && utf8.RuneCountInString(word) >= 3 {
			return m
		}
	}
	return 0
}

// half reads AM or PM.
func (s *scanner) half() (pm, ok bool) {
	s.skipBlanks()
	for _, half := range []struct {
		text string
		pm   bool
	}{
		{"a.m.", false}, {"p.m.", true}, {"am", false}, {"pm", true}, {"上午", false}, {"下午", true}, {"a", false}, {"p", true},
	} {
		if s.accept(half.text) {
			return half.pm, true
		}
	}
	return false, false
}

// offset reads +0100, +01:00, +01, Z or UTC as seconds.
func (s *scanner) offset() (int, bool) {
	s.skipBlanks()
	for _, zero := range []string{"utc", "gmt", "z"} {
		if s.accept(zero) {
			if rest := s.rest(); rest == "" || rest[0] != '+' && rest[0] != '-' {
				return 0, true
			}
			break
		}
	}
	sign := 1
	if !s.accept("+") {
		if sign = -1; !s.accept("-") && !s.accept("\u2212") {
			return 0, false
		}
	}
	if count := s.countDigits(); count != 1 && count != 2 && count != 4 {
		return 0, false
	}
	hours, ok := s.number(2)
	minutes := 0
	if ok && (s.accept(":") || s.countDigits() > 0) {
		if s.countDigits() != 2 {
			return 0, false
		}
		minutes, ok = s.number(2)
	}
	return sign * (hours*3600 + minutes*60), ok && hours <= 18 && minutes < 60
}

// fraction reads the fraction of a second as nanoseconds, or, without a point, a whole number of micro-, milli- or nanoseconds.
// Digits below a microsecond are ignored.
func (s *scanner) fraction(it *item) (int, bool) {
	s.skipBlanks()
	if it.alone {
		scale := map[byte]float64{'f': 1e3, 'L': 1e6, 'N': 1}[it.verb]
		end := strings.IndexFunc(s.rest(), func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) })
		if end < 0 {
			end = len(s.rest())
		}
		n, err := strconv.ParseFloat(s.rest()[:end], 64)
		s.pos += end
		return int(math.Floor(n * scale)), err == nil && n >= 0 && n*scale < 1e9
	}
	count := s.countDigits()
	if count == 0 {
		return 0, false
	}
	text := (s.text[s.pos:s.pos+count] + "000000000")[:9]
	s.pos += count
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// unixSeconds reads seconds since 1970 as microseconds.
func (s *scanner) unixSeconds() (int64, bool) {
	rest := s.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+", r) })
	if end < 0 {
		end = len(rest)
	}
	s.pos += end
	return parseUnits(rest[:end], 1e6)
}

// parseUnits reads a number of units since 1970, of which each has that many microseconds. Whole nanoseconds are cut to the
// microsecond, fractions are rounded to it.
func parseUnits(text string, micros float64) (int64, bool) {
	whole, behind, _ := strings.Cut(text, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && strings.Trim(behind, "0123456789") == "" && n >= 0 && float64(n)*micros < 9e18 {
		if micros < 1 {
			return n / int64(1/micros), true
		}
		fraction, _ := strconv.ParseFloat("0."+behind, 64)
		return n*int64(micros) + int64(math.Round(fraction*micros)), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f*micros < 9e18) || hexadecimal(text) {
		return 0, false
	}
	return int64(math.Round(f * micros)), true
}

// hexadecimal reports whether Go would read the text as a number that people would not.
func hexadecimal(text string) bool { return strings.ContainsAny(text, "xXpP_") }
