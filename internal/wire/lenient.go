package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// ParseTime parses a time as devices write it: RFC 3339, the unambiguous forms of ISO 8601, and Unix time. A problem that
// is not empty is what is wrong with the text and what to write instead.
func ParseTime(text string) (t time.Time, problem string) {
	text = strings.TrimSpace(text)
	if number, ok := iot.ParseNumber(text); ok {
		return parseUnix(number, text)
	}
	if parseTime([]byte(text), &t) {
		return t, ""
	}
	return parseISO(text)
}

const wantTime = "must be an ISO 8601 time with zone, or Unix time"

// parseISO reads a date and a time of day with a zone, in more forms than RFC 3339 allows: t and z in lower case, a blank
// for the T, a comma for the point, offsets without a colon, no seconds, no separators at all, second 60 and hour 24.
func parseISO(text string) (time.Time, string) {
	c := isoCursor{text: strings.ToUpper(text)}
	day, ok := c.date()
	if !ok {
		return time.Time{}, wantTime
	}
	seconds, nanoseconds, ok := c.clock()
	if !ok {
		return time.Time{}, wantTime
	}
	offset, ok := c.zone()
	switch {
	case !ok && c.text == "" && day < 365:
		return time.Time{}, "is in 1970, so the clock of the device is not set, and has no time zone"
	case !ok && c.text == "":
		return time.Time{}, "has no time zone: end it with Z for UTC or with an offset such as +08:00"
	case !ok:
		return time.Time{}, wantTime
	}
	return time.Unix(day*secondsPerDay+seconds-offset, nanoseconds).UTC(), ""
}

// isoCursor reads from the front of a text.
type isoCursor struct{ text string }

// digits reads exactly count digits.
func (c *isoCursor) digits(count int) (int, bool) {
	if len(c.text) < count {
		return 0, false
	}
	n := 0
	for i := range count {
		if c.text[i] < '0' || c.text[i] > '9' {
			return 0, false
		}
		n = 10*n + int(c.text[i]-'0')
	}
	c.text = c.text[count:]
	return n, true
}

func (c *isoCursor) consume(separator string) bool {
	rest, ok := strings.CutPrefix(c.text, separator)
	c.text = rest
	return ok
}

// date reads a date and returns its days since 1970.
func (c *isoCursor) date() (days int64, ok bool) {
	year, a := c.digits(4)
	dashed := c.consume("-")
	month, b := c.digits(2)
	separated := c.consume("-")
	day, d := c.digits(2)
	if !a || !b || !d || dashed != separated || year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return daysSince1970(year, month, day), true
}

// clock reads a time of day in seconds. Second 60, a leap second or the result of rounding up, becomes the last microsecond
// of its minute; 24:00 is the next midnight.
func (c *isoCursor) clock() (seconds, nanoseconds int64, ok bool) {
	if !c.consume("T") && !c.consume(" ") {
		return 0, 0, false
	}
	c.text = strings.TrimLeft(c.text, " ")
	hour, a := c.digits(2)
	colon := c.consume(":")
	minute, b := c.digits(2)
	if !a || !b || hour > 24 || minute > 59 {
		return 0, 0, false
	}
	second := 0
	if hasSeconds := len(c.text) > 0 && (c.text[0] == ':') == colon && (colon || c.text[0] >= '0' && c.text[0] <= '9'); hasSeconds {
		c.consume(":")
		if second, ok = c.digits(2); !ok || second > 60 {
			return 0, 0, false
		}
		if nanoseconds, ok = c.fraction(); !ok {
			return 0, 0, false
		}
	}
	if second == 60 {
		second, nanoseconds = 59, 999_999_000
	}
	if hour == 24 && (minute != 0 || second != 0 || nanoseconds != 0) {
		return 0, 0, false
	}
	return int64(hour*3600 + minute*60 + second), nanoseconds, true
}

// fraction reads a point or comma and the digits after it, or nothing. Digits beyond nanoseconds are ignored.
func (c *isoCursor) fraction() (nanoseconds int64, ok bool) {
	if !c.consume(".") && !c.consume(",") {
		return 0, true
	}
	count := 0
	for scale := int64(1e8); len(c.text) > 0 && c.text[0] >= '0' && c.text[0] <= '9'; c.text = c.text[1:] {
		nanoseconds += int64(c.text[0]-'0') * scale
		scale /= 10
		count++
	}
	return nanoseconds, count > 0
}

// zone reads a zone to the end of the text and returns its offset in seconds.
func (c *isoCursor) zone() (seconds int64, ok bool) {
	c.text = strings.TrimLeft(c.text, " ")
	switch c.text {
	case "Z", "UTC", "GMT":
		return 0, true
	}
	sign := int64(1)
	switch {
	case c.consume("+"):
	case c.consume("-"), c.consume("\u2212"):
		sign = -1
	default:
		return 0, false
	}
	hours, ok := c.digits(2)
	if !ok || hours > 23 {
		return 0, false
	}
	minutes := 0
	if c.text != "" {
		c.consume(":")
		if minutes, ok = c.digits(2); !ok || minutes > 59 || c.text != "" {
			return 0, false
		}
	}
	return sign * int64(hours*3600+minutes*60), true
}

// parseUnix reads a number as Unix time, unless it looks like something else.
func parseUnix(number float64, text string) (time.Time, string) {
	if problem := lookAlike(number, text); problem != "" {
		return time.Time{}, problem
	}
	return unixTime(number), ""
}

// lookAlike returns what a number given as Unix time more likely is, empty if nothing else: a date without separators, with
// or without the time, or the day number of a spreadsheet, whose fraction is the time.
func lookAlike(number float64, text string) string {
	const dayOf1954, dayOf2119 = 20_000, 80_000
	if number > dayOf1954 && number < dayOf2119 && number != math.Trunc(number) {
		day := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Add(time.Duration(math.Round(number*secondsPerDay)) * time.Second)
		return "looks like a day of a spreadsheet (" + day.Format(time.RFC3339) + "), not like Unix time"
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405", "20060102150405000"} {
		year := len(text) >= 4 && (text[:2] == "19" || text[:2] == "20" || text[:2] == "21")
		if len(text) != len(layout) || !year {
			continue
		}
		written := strings.TrimSuffix(layout, "000")
		if _, err := time.Parse(written, text[:len(written)]); err == nil {
			return "looks like a date, not like Unix time: write it as 2006-01-02T15:04:05Z"
		}
	}
	return ""
}

// unixTime converts a Unix time whose unit follows from its size: below 1e11 seconds (until the year 5138), below 1e14
// milliseconds, below 1e17 microseconds, else nanoseconds. The result is rounded to microseconds.
func unixTime(number float64) time.Time {
	var micros float64
	switch size := math.Abs(number); {
	case size < 1e11:
		micros = number * 1e6
	case size < 1e14:
		micros = number * 1e3
	case size < 1e17:
		micros = number
	default:
		micros = number / 1e3
	}
	if !(math.Abs(micros) <= 4e17) {
		micros = math.Copysign(4e17, micros) // Beyond any admitted year.
	}
	return time.UnixMicro(int64(math.Round(micros))).UTC()
}

// parseTime reads RFC 3339.
func parseTime(text []byte, dst *time.Time) bool {
	if err := dst.UnmarshalText(text); err != nil {
		*dst = time.Time{}
		return false
	}
	*dst = dst.UTC()
	return true
}

// byteOrderMark is what some programs write before UTF-8 text.
var byteOrderMark = []byte("\xef\xbb\xbf")

// TrimJSON removes what some programs write around JSON: a byte order mark before it, zero bytes after it, and white space.
func TrimJSON(text []byte) []byte {
	text = bytes.TrimPrefix(bytes.TrimSpace(text), byteOrderMark)
	return bytes.TrimRight(text, "\x00 \t\r\n")
}

// Valid reports whether a text is JSON. It accepts numbers such as NaN, which the Decoder refuses with the name of the
// field.
func Valid(text []byte) bool {
	if json.Valid(text) {
		return true
	}
	quoted, any := quoteNonFinite(text)
	return any && json.Valid(quoted)
}

// quoteNonFinite returns the text with numbers such as NaN and -Infinity in quotes, and whether it had any. JSON has no
// such numbers but many programs write them; quoted, the text can be parsed and the error can name the field.
func quoteNonFinite(text []byte) ([]byte, bool) {
	var out []byte
	kept := 0 // How much of text is in out.
	for at := 0; at < len(text); {
		switch b := text[at]; {
		case b == '"':
			at = stringEnd(text, at)
		case b == '-' || b == '+' || isLetter(b):
			end := at + 1
			for end < len(text) && isLetter(text[end]) {
				end++
			}
			switch string(bytes.ToLower(bytes.TrimLeft(text[at:end], "+-"))) {
			case "nan", "inf", "infinity":
				out = append(append(append(append(out, text[kept:at]...), '"'), text[at:end]...), '"')
				kept = end
			}
			at = end
		default:
			at++
		}
	}
	return append(out, text[kept:]...), kept > 0
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// stringEnd returns the end of the string that begins at a quote.
func stringEnd(text []byte, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(text)
}
