package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// fields is a JSON object by exact key. Decoding into a struct ignores case, so encoding/json would accept "Value" as
// "value".
type fields map[string]json.RawMessage

// decodeGeneral decodes any JSON and returns what is wrong with it.
func (d *Decoder) decodeGeneral(data []byte, r *iot.Reading) error {
	*r = iot.Reading{}
	data = TrimJSON(data)
	object, err := parseObject("", data)
	if err != nil {
		quoted, any := quoteNonFinite(data)
		if !any {
			return err
		}
		if object, err = parseObject("", quoted); err != nil {
			return err
		}
	}
	// encoding/json replaces invalid UTF-8 with U+FFFD, so two ids in another encoding could become one device.
	if valid := validUTF8(data); valid < len(data) {
		return iot.Invalid("", "not UTF-8 at byte %d", valid+1)
	}
	g := general{decoder: d, fields: object}
	g.text("device_id", (*string)(&r.ID))
	g.text("device_type", (*string)(&r.Type))
	g.time("timestamp", &r.Time)
	g.value("value", r)
	g.text("unit", &r.Unit)
	g.text("status", (*string)(&r.Status))
	g.label("quality", (*string)(&r.Quality))
	g.time("received_at", &r.ReceivedAt)
	decodeAs(&g, "historical", &r.Historical, "true or false")
	g.object("location", func(g *general) {
		g.label("building", &r.Location.Building)
		g.integer("floor", &r.Location.Floor)
		g.label("room", &r.Location.Room)
	})
	g.object("metadata", func(g *general) {
		g.label("model", &r.Metadata.Model)
		g.label("firmware", &r.Metadata.Firmware)
		if level, ok := g.number("battery_level", "a number"); ok {
			r.Metadata.BatteryLevel = d.level(level)
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

// general reads the fields of one object. After the first error, which it keeps, it reads nothing more.
type general struct {
	decoder *Decoder
	prefix  string
	fields  fields
	err     *iot.InvalidError
}

// lookup returns the raw value of a field, and false if it is absent, null, or if there was an error before.
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

// label reads a text that may be sent as a JSON number, as rooms and versions often are: its digits become the text
// unchanged.
func (g *general) label(key string, dst *string) {
	raw, ok := g.lookup(key)
	if ok && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		*dst = g.decoder.intern(raw)
		return
	}
	g.text(key, dst)
}

// number reads a number, with or without quotes.
func (g *general) number(key, want string) (float64, bool) {
	raw, ok := g.lookup(key)
	if !ok {
		return 0, false
	}
	text := string(raw)
	if raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
		text = ""
	}
	value, ok := iot.ParseNumber(strings.TrimSpace(text))
	if !ok {
		g.fail(key, want, raw)
	}
	return value, ok
}

func (g *general) integer(key string, dst *int) {
	const want = "a whole number"
	value, ok := g.number(key, want)
	if ok && (value != math.Trunc(value) || math.Abs(value) > math.MaxInt32) {
		g.fail(key, want, g.fields[key])
		return
	}
	*dst = int(value)
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

// value reads the reading's value: a number into Value, or a text, true or false into ValueText.
func (g *general) value(key string, r *iot.Reading) {
	raw, ok := g.lookup(key)
	switch {
	case !ok && g.err == nil:
		g.err = iot.Invalid(g.prefix+key, "missing (keys: %s)", iot.QuoteNames(maps.Keys(g.fields)))
	case !ok:
	case raw[0] == 't' || raw[0] == 'f':
		r.ValueText = g.decoder.intern(raw)
	case raw[0] == '"':
		g.text(key, &r.ValueText)
		if r.ValueText == "" && g.err == nil {
			g.err = iot.Invalid(g.prefix+key, "missing")
		}
	default:
		decodeAs(g, key, &r.Value, "a finite number, or the name of a state")
	}
}

// time reads a time as text, or Unix time as a number.
func (g *general) time(key string, dst *time.Time) {
	raw, ok := g.lookup(key)
	if !ok {
		return
	}
	text := string(raw)
	if raw[0] == '"' && json.Unmarshal(raw, &text) != nil || raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f' {
		g.fail(key, strings.TrimPrefix(wantTime, "must be "), raw)
		return
	}
	t, problem := ParseTime(text)
	if problem != "" {
		g.err = iot.Invalid(g.prefix+key, "%s (got %s)", problem, excerpt(raw))
	}
	*dst = t
}

// excerpt returns the beginning of raw for an error message.
func excerpt(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	const most = 40
	switch {
	case len(raw) == 0:
		return "nothing"
	case len(raw) > most:
		return strings.ToValidUTF8(string(raw[:most]), "") + "…"
	}
	return strings.ToValidUTF8(string(raw), "\ufffd")
}
