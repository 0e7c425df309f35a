package payload

import (
	"bytes"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

const shapeLine = "the line protocol of InfluxDB"

// looksLikeLine reports whether a text may be in the line protocol: a name, a blank, and a field with its value.
func looksLikeLine(text []byte) bool {
	if text[0] == '#' {
		return true
	}
	name, rest, found := bytes.Cut(text, []byte{' '})
	return found && len(name) > 0 && bytes.IndexByte(rest, '=') > 0
}

// lines decodes points in InfluxDB's line protocol.
func (d *Decoder) lines(text []byte, points []mapping.Point) ([]mapping.Point, error) {
	if at := invalidUTF8(text); at >= 0 {
		return points, iot.Invalid("", "not UTF-8 at byte %d", at+1)
	}
	d.shape = shapeLine
	lines := SplitLines(text, MaxPoints)
	if len(lines) == 0 {
		return points, iot.Invalid("", "no point of the line protocol in it")
	}
	before := len(points)
	for _, line := range lines {
		var err error
		if points, err = d.line(line, points); err != nil || len(points)-before > MaxPoints {
			return points, err
		}
	}
	return points, nil
}

// line decodes one point of the line protocol, of which each field is a value.
func (d *Decoder) line(line []byte, points []mapping.Point) ([]mapping.Point, error) {
	decoder := lineprotocol.NewDecoderWithBytes(line)
	if !decoder.Next() {
		return points, iot.Invalid("", "not a line of the line protocol: %v", decoder.Err())
	}
	d.group++
	name, err := decoder.Measurement()
	p := mapping.Point{Measurement: d.strings.of(name), Tags: map[string]string{}, Group: d.group}
	for err == nil {
		key, value, tagErr := decoder.NextTag()
		if err = tagErr; key == nil {
			break
		}
		p.Tags[d.strings.of(key)] = d.strings.of(value)
	}
	first := len(points)
	for err == nil {
		key, value, fieldErr := decoder.NextField()
		if err = fieldErr; key == nil {
			break
		}
		p.Field = d.strings.of(key)
		p.Value, p.ValueText = lineValue(value)
		points = append(points, p)
	}
	if err != nil {
		return points[:first], iot.Invalid("", "not a line of the line protocol: %v", iot.Quote(err.Error()))
	}
	at, problem := lineTime(decoder)
	if problem != "" {
		return points[:first], iot.Invalid("timestamp", "not the time of a line: %s", problem)
	}
	if decoder.Next() {
		return points[:first], iot.Invalid("", "not a line of the line protocol: another point follows in it")
	}
	for i := range points[first:] {
		points[first+i].Time = at
	}
	return points, nil
}

// lineValue returns a value of the line protocol: a number or, of a boolean or a string, the text. An empty string becomes a
// space, which admission rejects as missing.
func lineValue(value lineprotocol.Value) (number float64, spelling string) {
	switch v := value.Interface().(type) {
	case float64:
		return v, ""
	case int64:
		return float64(v), ""
	case uint64:
		return float64(v), ""
	case bool:
		if v {
			return 0, "true"
		}
		return 0, "false"
	case string:
		if v == "" {
			return 0, " "
		}
		return 0, v
	}
	return 0, " "
}

// lineTime returns the time of a line, zero if it has none: Unix time, whose unit is recognized by its size. The text says what is wrong, if
// anything.
func lineTime(d *lineprotocol.Decoder) (time.Time, string) {
	raw, err := d.TimeBytes()
	if err != nil {
		return time.Time{}, iot.Quote(err.Error())
	}
	if len(raw) == 0 {
		return time.Time{}, ""
	}
	return wire.ParseTime(string(raw))
}

// SplitLines returns the points of a text in the line protocol, without comments. A point is a line, but a string in it may hold
// line breaks, and what looks like a point within a string is none. It stops after limit+1.
func SplitLines(body []byte, limit int) [][]byte {
	var points [][]byte
	for body = trimStart(body); len(body) > 0 && len(points) <= limit; body = trimStart(body) {
		n := pointLength(body)
		if body[0] != '#' {
			points = append(points, wire.TrimJSON(body[:n]))
		}
		body = body[n:]
	}
	return points
}

func trimStart(body []byte) []byte { return bytes.TrimLeft(body, " \t\r\n\x00") }

// pointLength returns the length of the first point or comment, with the line break at its end. Quotes enclose strings only where a
// field's value begins, behind the first blank that is not escaped; in tags they are characters like others. A string that does
// not end is none, so that it does not take the points behind it.
func pointLength(body []byte) int {
	line := bytes.IndexByte(body, '\n') + 1
	if line == 0 {
		line = len(body)
	}
	if body[0] == '#' {
		return line
	}
	inFields, quoted := false, false
	var last byte // The character before, 0 if it was escaped.
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == '\\' && (quoted || i+1 < len(body) && body[i+1] != '\n'):
			c, i = 0, i+1
		case c == '"' && (quoted || inFields && last == '='):
			quoted = !quoted
		case quoted:
		case c == ' ':
			inFields = true
		case c == '\n':
			return i + 1
		}
		last = c
	}
	if quoted {
		return line
	}
	return len(body)
}
