package wire

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"iotmon/internal/iot"
)

// AppendReading appends the documented JSON of r to dst: keys in the documented order, empty fields omitted, times in RFC
// 3339 with as many digits as they need, numbers in the shortest form that parses to the same float64. It does not allocate
// if dst has room. The value must be finite.
func AppendReading(dst []byte, r *iot.Reading) []byte {
	dst = appendString(append(dst, idKey...), string(r.ID))
	dst = appendTime(appendHead(dst, r), r.Time)
	dst = append(dst, valueKey...)
	if r.ValueText == "" {
		dst = appendFloat(dst, r.Value)
	} else {
		dst = appendString(dst, r.ValueText)
	}
	dst = appendTail(dst, r)
	if !r.ReceivedAt.IsZero() {
		dst = appendTime(append(dst, receivedKey...), r.ReceivedAt)
	}
	if r.Historical {
		dst = append(dst, `,"historical":true`...)
	}
	return append(dst, '}')
}

const (
	idKey       = `{"device_id":`
	valueKey    = `,"value":`
	receivedKey = `,"received_at":`
)

// appendHead appends the text between the id and the time.
func appendHead(dst []byte, r *iot.Reading) []byte {
	dst = appendString(append(dst, `,"device_type":`...), string(r.Type))
	return append(dst, `,"timestamp":`...)
}

// appendTail appends the fields after the value that the device sends; received_at and historical follow separately.
func appendTail(dst []byte, r *iot.Reading) []byte {
	dst = appendField(dst, `,"unit":`, r.Unit)
	if r.Location != (iot.Location{}) {
		dst = appendLocation(append(dst, `,"location":`...), &r.Location)
	}
	dst = appendField(dst, `,"status":`, string(r.Status))
	if r.Metadata != (iot.Metadata{}) {
		dst = appendMetadata(append(dst, `,"metadata":`...), &r.Metadata)
	}
	return appendField(dst, `,"quality":`, string(r.Quality))
}

func appendLocation(dst []byte, l *iot.Location) []byte {
	start := len(dst)
	dst = appendField(dst, `,"building":`, l.Building)
	if l.Floor != 0 {
		dst = strconv.AppendInt(append(dst, `,"floor":`...), int64(l.Floor), 10)
	}
	dst = appendField(dst, `,"room":`, l.Room)
	dst[start] = '{'
	return append(dst, '}')
}

func appendMetadata(dst []byte, m *iot.Metadata) []byte {
	start := len(dst)
	dst = appendField(dst, `,"model":`, m.Model)
	dst = appendField(dst, `,"firmware":`, m.Firmware)
	if m.BatteryLevel != nil {
		dst = appendFloat(append(dst, `,"battery_level":`...), *m.BatteryLevel)
	}
	dst[start] = '{'
	return append(dst, '}')
}

// appendField appends a key, which includes comma and colon, and its value, unless the value is empty.
func appendField(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, key...), value)
}

// appendString appends s as a JSON string. Text without characters to escape, such as Chinese, is copied.
func appendString(dst []byte, s string) []byte {
	done, ascii := plain(unsafe.Slice(unsafe.StringData(s), len(s)))
	for i := done; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\':
			return appendEscaped(dst, s)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return appendEscaped(dst, s)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendEscaped appends s as a JSON string with only the escapes that JSON requires: escapes for HTML could make a text six
// times as long. Invalid UTF-8 becomes U+FFFD.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// Marshal returns the JSON of v as encoding/json writes it, but without escapes for HTML: no page embeds this JSON
// directly, and the escapes could make a text six times as long as the admitted one.
func Marshal(v any) ([]byte, error) {
	var text buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return text[:len(text)-1], nil // Without the newline that the encoder adds.
}

// buffer is an io.Writer that keeps all that is written.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
