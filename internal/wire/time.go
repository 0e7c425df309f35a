package wire

import "time"

const secondsPerDay = 24 * 60 * 60

// appendTime appends t as RFC 3339 in UTC, with as many digits of a second as it needs.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = appendUTC(dst, t)
	return append(dst, '"')
}

func appendUTC(dst []byte, t time.Time) []byte {
	seconds := t.Unix()
	if seconds < 0 || seconds >= endOfYears {
		return t.UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	year, month, day := date(seconds / secondsPerDay)
	second := int(seconds % secondsPerDay)
	text := [len("2006-01-02T15:04:05.999999999Z")]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':'}
	putTwo(text[0:], year/100)
	putTwo(text[2:], year%100)
	putTwo(text[5:], month)
	putTwo(text[8:], day)
	putTwo(text[11:], second/3600)
	putTwo(text[14:], second/60%60)
	putTwo(text[17:], second%60)
	end := len("2006-01-02T15:04:05")
	end += putFraction(text[end:], t.Nanosecond())
	text[end] = 'Z'
	return append(dst, text[:end+1]...)
}

func putTwo(text []byte, n int) { text[0], text[1] = byte('0'+n/10), byte('0'+n%10) }

// putFraction writes the point and the fraction, without trailing zeros, and returns their length: 0 for a whole second.
func putFraction(text []byte, nanoseconds int) int {
	if nanoseconds == 0 {
		return 0
	}
	digits := 9
	for nanoseconds%1000 == 0 {
		nanoseconds, digits = nanoseconds/1000, digits-3
	}
	for nanoseconds%10 == 0 {
		nanoseconds, digits = nanoseconds/10, digits-1
	}
	text[0] = '.'
	for i := digits; i > 0; i-- {
		text[i] = byte('0' + nanoseconds%10)
		nanoseconds /= 10
	}
	return digits + 1
}

// The calendar repeats every 400 years. Years begin in March here, so that the leap day is the last day of a year; see
// https://howardhinnant.github.io/date_algorithms.html.
const (
	daysPerEra  = 400*365 + 97
	marchToUnix = 719468 // Days from the first of March of the year 0 to the first of January 1970.
	endOfYears  = 253402300800
)

// date returns the date of a day since 1970, up to the year 9999.
func date(days int64) (year, month, day int) {
	days += marchToUnix
	era, of := days/daysPerEra, int(days%daysPerEra)
	year = (of - of/1460 + of/36524 - of/146096) / 365
	of -= 365*year + year/4 - year/100
	month = (5*of + 2) / 153
	day = of - (153*month+2)/5 + 1
	year += 400 * int(era)
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	return year, month, day
}

// daysSince1970 returns the days from 1970 to a date from the year 1 on.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	era, of := year/400, year%400
	return int64(era)*daysPerEra + int64(365*of+of/4-of/100+(153*(month-3)+2)/5+day-1) - marchToUnix
}

// time reads an RFC 3339 time.
func (sc *scanner) time(dst *time.Time) bool {
	text, ok := sc.string()
	return ok && (parseUTC(text, dst) || parseTime(text, dst))
}

// parseUTC parses a time as appendTime writes it. It returns false for any other form, which may be valid RFC 3339.
func parseUTC(text []byte, dst *time.Time) bool {
	const dateAndTime = len("2006-01-02T15:04:05")
	if len(text) <= dateAndTime || text[10] != 'T' || text[len(text)-1] != 'Z' {
		return false
	}
	days, isDate := parseDate(text[:10])
	seconds, isTime := parseClock(text[11:dateAndTime])
	nanoseconds, isFraction := fraction(text[dateAndTime : len(text)-1])
	if !isDate || !isTime || !isFraction {
		return false
	}
	*dst = time.Unix(days*secondsPerDay+seconds, nanoseconds).UTC()
	return true
}

// parseDate parses a date such as 2006-01-02 as days since 1970; earlier dates are false.
func parseDate(text []byte) (int64, bool) {
	century, a := two(text[0:])
	year, b := two(text[2:])
	month, c := two(text[5:])
	day, d := two(text[8:])
	year += 100 * century
	if !a || !b || !c || !d || text[4] != '-' || text[7] != '-' || year < 1970 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return daysSince1970(year, month, day), true
}

// parseClock parses a time of day such as 15:04:05 as seconds.
func parseClock(text []byte) (int64, bool) {
	hour, a := two(text[0:])
	minute, b := two(text[3:])
	second, c := two(text[6:])
	ok := a && b && c && text[2] == ':' && text[5] == ':' && hour <= 23 && minute <= 59 && second <= 59
	return int64(hour*3600 + minute*60 + second), ok
}

// two reads two digits.
func two(text []byte) (int, bool) {
	tens, ones := text[0]-'0', text[1]-'0'
	return int(tens)*10 + int(ones), tens <= 9 && ones <= 9
}

// fraction parses the point and up to nine digits after it, or nothing, as nanoseconds.
func fraction(text []byte) (int64, bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != '.' || len(text) == 1 || len(text) > 10 {
		return 0, false
	}
	var nanoseconds int64
	for i := 1; i < 10; i++ {
		nanoseconds *= 10
		if i < len(text) {
			digit := text[i] - '0'
			if digit > 9 {
				return 0, false
			}
			nanoseconds += int64(digit)
		}
	}
	return nanoseconds, true
}

func daysIn(year, month int) int {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}
