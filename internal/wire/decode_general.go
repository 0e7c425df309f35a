package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// fields is a JSON object by exact key. The standard library's own matching of keys to struct fields ignores case, so it
// would take "Value" for "value".
type fields map[string]json.RawMessage

// decodeGeneral decodes any JSON, and says what is wrong with it.
func (d *Decoder) decodeGeneral(data []byte, r *iot.Reading) error {
	*r = iot.Reading{}
	object, err := parseObject("", data)
	if err != nil {
		return err
	}
	// The standard library replaces what is no UTF-8, and two ids in another encoding would become one device.
	if valid := validUTF8(data); valid < len(data) {
		return iot.Invalid("", "not UTF-8 at byte %d", valid+1)
	}
	g := general{decoder: d, fields: object}
	g.text("device_id", (*string)(&r.ID))
	g.text("device_type", (*string)(&r.Type))
	g.time("timestamp", &r.Time)
	g.value("value", &r.Value)
	g.text("unit", &r.Unit)
	g.text("status", (*string)(&r.Status))
	g.text("quality", (*string)(&r.Quality))
	g.time("received_at", &r.ReceivedAt)
	decodeAs(&g, "historical", &r.Historical, "true or false")
	g.object("location", func(g *general) {
		g.text("building", &r.Location.Building)
		g.integer("floor", &r.Location.Floor)
		g.text("room", &r.Location.Room)
	})
	g.object("metadata", func(g *general) {
		g.text("model", &r.Metadata.Model)
		g.text("firmware", &r.Metadata.Firmware)
		var level *float64
		decodeAs(g, "battery_level", &level, "a number")
		if level != nil {
			r.Metadata.BatteryLevel = d.level(*level)
		}
	})
	if g.err != nil {
		return g.err
	}
	return nil
}

// validUTF8 returns how many bytes at the beginning of data are UTF-8.
func validUTF8(data []byte) int {
	for at := 0; at < len(data); {
		_, size := utf8.DecodeRune(data[at:])
		if size == 1 && data[at] >= utf8.RuneSelf {
			return at
		}
		at += size
	}
	return len(data)
}

func parseObject(field string, data []byte) (fields, *iot.InvalidError) {
	var object fields
	err := json.Unmarshal(data, &object)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, iot.Invalid(field, "malformed JSON at byte %d: %v", syntax.Offset, syntax)
	case err != nil || object == nil:
		return nil, iot.Invalid(field, "must be a JSON object (got %s)", excerpt(data))
	}
	return object, nil
}

// general reads the fields of one object. The first error stays and ends the reading.
type general struct {
	decoder *Decoder
	prefix  string
	fields  fields
	err     *iot.InvalidError
}

// lookup returns the raw value of a field, and false if it is absent, null, or not worth reading after an error.
func (g *general) lookup(key string) (json.RawMessage, bool) {
	raw, ok := g.fields[key]
	return raw, ok && g.err == nil && string(raw) != "null"
}

func (g *general) fail(key, want string, raw []byte) {
	g.err = iot.Invalid(g.prefix+key, "must be %s (got %s)", want, excerpt(raw))
}

// decodeAs reads a field with the standard library.
func decodeAs[T any](g *general, key string, dst *T, want string) {
	if raw, ok := g.lookup(key); ok && json.Unmarshal(raw, dst) != nil {
		g.fail(key, want, raw)
	}
}

func (g *general) text(key string, dst *string) {
	var s string
	decodeAs(g, key, &s, "a string")
	*dst = g.decoder.intern([]byte(s))
}

func (g *general) integer(key string, dst *int) {
	var n int32
	decodeAs(g, key, &n, "a whole number")
	*dst = int(n)
}

func (g *general) object(key string, read func(*general)) {
	raw, ok := g.lookup(key)
	if !ok {
		return
	}
	inner := general{decoder: g.decoder, prefix: g.prefix + key + "."}
	if inner.fields, g.err = parseObject(g.prefix+key, raw); g.err != nil {
		return
	}
	read(&inner)
	g.err = inner.err
}

// value reads the reading's value: a number, or for a switch true, false, "ON" or "OFF".
func (g *general) value(key string, dst *float64) {
	raw, ok := g.lookup(key)
	if !ok {
		if g.err == nil {
			g.err = iot.Invalid(g.prefix+key, "missing")
		}
		return
	}
	switch strings.ToUpper(string(raw)) {
	case "TRUE", `"ON"`:
		*dst = 1
		return
	case "FALSE", `"OFF"`:
		*dst = 0
		return
	}
	decodeAs(g, key, dst, "a finite number, true, false, ON or OFF")
}

// time reads RFC 3339, or a number: Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by size.
func (g *general) time(key string, dst *time.Time) {
	raw, ok := g.lookup(key)
	if !ok {
		return
	}
	const want = "an ISO 8601 time with zone, or Unix time"
	if raw[0] != '"' {
		number, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			g.fail(key, want, raw)
			return
		}
		*dst = unixTime(number)
		return
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || !parseTime([]byte(text), dst) {
		g.fail(key, want, raw)
	}
}

// unixTime converts a Unix time whose unit follows from its size: below 1e11 seconds (until the year 5138), below 1e14
// milliseconds, below 1e17 microseconds, else nanoseconds. The result is cut to microseconds.
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
	if math.Abs(micros) > 4e17 {
		micros = math.Copysign(4e17, micros) // Past any year that is admitted.
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

// excerpt returns the beginning of raw for an error message.
func excerpt(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	const most = 40
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "…"
	}
	if len(raw) == 0 {
		return "nothing"
	}
	return string(raw)
}
