package payload

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

// Format is how payloads are written.
type Format string

// Auto finds out for each payload which of the other formats it has.
const (
	Auto Format = "auto"
	JSON Format = "json"
	Line Format = "line"
	CBOR Format = "cbor"
	Text Format = "text"
)

// Formats returns the names of all formats.
func Formats() []string {
	return []string{string(Auto), string(JSON), string(Line), string(CBOR), string(Text)}
}

// The bounds of a payload. Beyond them, it is invalid.
const (
	// MaxBytes is the maximum length.
	MaxBytes = 1 << 20
	// MaxPoints is the maximum number of values.
	MaxPoints = 10_000
	// MaxDepth is how many objects and arrays may be within each other.
	MaxDepth = 32
	// MaxField is the maximum length in bytes of the path of a value.
	MaxField = 512
)

const (
	// maxNodes is the maximum number of objects, arrays and values of one payload.
	maxNodes = 4 * MaxPoints
	// keptNodes is for how many of them a Decoder keeps the memory.
	keptNodes = 4096
	// maxWord is the maximum length of a text payload in bytes.
	maxWord = 1024
	// valueField is the field of a payload that is one value without a name.
	valueField = "value"
)

// Decoder decodes payloads. It is not safe for concurrent use.
type Decoder struct {
	format  Format
	strings *interner
	reading *wire.Decoder

	// What follows is of the payload that is decoded.
	shape string
	tree  tree
	// path is the path of the value at which the walk through the tree is, out and before are the points, and how many there were before.
	path   []byte
	out    []mapping.Point
	before int
	group  int
}

// NewDecoder returns a Decoder of a format; the empty one is Auto.
func NewDecoder(format Format) *Decoder {
	if format == "" {
		format = Auto
	}
	return &Decoder{format: format, strings: newInterner(), reading: wire.NewDecoder()}
}

// Shape returns the name of the program that writes payloads in the shape of the one decoded last; empty if no known program does.
func (d *Decoder) Shape() string { return d.shape }

// Decode appends the values of a payload to points, in the order in which they stand in it. The error is an *iot.InvalidError; then there are
// no points. The points keep no reference to the payload.
func (d *Decoder) Decode(payload []byte, points []mapping.Point) ([]mapping.Point, error) {
	d.shape, d.group = "", 0
	if cap(d.tree.nodes) > keptNodes {
		d.tree.nodes = nil
	}
	if len(payload) > MaxBytes {
		return points, iot.Invalid("", "longer than %d bytes (got %d)", MaxBytes, len(payload))
	}
	decode, text := d.decoderOf(payload)
	decoded, err := decode(text, points)
	if err != nil {
		return points, err
	}
	if len(decoded)-len(points) > MaxPoints {
		return points, iot.Invalid("", "more than %d values", MaxPoints)
	}
	return decoded, nil
}

type decode func(payload []byte, points []mapping.Point) ([]mapping.Point, error)

// decoderOf returns the function that decodes a payload, and the payload without what some programs write around it.
func (d *Decoder) decoderOf(payload []byte) (decode, []byte) {
	text := wire.TrimJSON(payload)
	switch d.format {
	case JSON:
		return d.json, text
	case Line:
		return d.lines, text
	case CBOR:
		return d.cbor, payload
	case Text:
		return d.text, text
	}
	switch {
	case len(text) == 0:
		return d.text, text
	case isUTF16(payload):
		return d.utf16, payload
	case text[0] == '{' || text[0] == '[' || text[0] == '"':
		return d.json, text
	case isCBOR(payload):
		return d.cbor, payload
	case looksLikeLine(text):
		return d.lineOrText, text
	}
	return d.text, text
}

// isUTF16 reports whether a payload begins as texts in UTF-16 do. No value of CBOR does: FE is reserved, and FF ends what has not begun.
func isUTF16(payload []byte) bool {
	return bytes.HasPrefix(payload, []byte{0xff, 0xfe}) || bytes.HasPrefix(payload, []byte{0xfe, 0xff})
}

// utf16 refuses a text in UTF-16.
func (d *Decoder) utf16(_ []byte, points []mapping.Point) ([]mapping.Point, error) {
	return points, iot.Invalid("", "a text in UTF-16: send UTF-8")
}

// lineOrText decodes a text that may be in the line protocol.
func (d *Decoder) lineOrText(text []byte, points []mapping.Point) ([]mapping.Point, error) {
	decoded, err := d.lines(text, points)
	if err == nil {
		return decoded, nil
	}
	if bytes.IndexByte(text, '=') < 0 {
		return d.text(text, points)
	}
	if word, notText := d.text(text, points); notText == nil {
		return word, nil
	}
	return points, err
}

// text decodes a number or a word.
func (d *Decoder) text(text []byte, points []mapping.Point) ([]mapping.Point, error) {
	switch {
	case len(text) == 0:
		return points, iot.Invalid("", "empty")
	case len(text) > maxWord:
		return points, iot.Invalid("", "a text longer than %d bytes (got %d)", maxWord, len(text))
	case !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }):
		return points, iot.Invalid("", "neither text nor a known binary format (begins with % x)", text[:min(len(text), 16)])
	}
	p := mapping.Point{Field: valueField}
	if number, ok := iot.ParseNumber(string(text)); ok {
		p.Value = number
	} else if p.ValueText = d.strings.of(text); p.ValueText == "null" {
		return points, nil
	}
	return append(points, p), nil
}

// json decodes a JSON text, or several of them, one in each line.
func (d *Decoder) json(text []byte, points []mapping.Point) ([]mapping.Point, error) {
	if at := invalidUTF8(text); at >= 0 {
		return points, iot.Invalid("", "not UTF-8 at byte %d", at+1)
	}
	err := d.tree.parse(text)
	if err == nil {
		return d.points(points)
	}
	if !severalLines(text) {
		return points, err
	}
	before := len(points)
	for line := range bytes.Lines(text) {
		if line = wire.TrimJSON(line); len(line) == 0 {
			continue
		}
		if err := d.tree.parse(line); err != nil {
			return points, err
		}
		if points, err = d.points(points); err != nil || len(points)-before > MaxPoints {
			return points, err
		}
	}
	return points, nil
}

// severalLines reports whether the first line is an object and more lines follow.
func severalLines(text []byte) bool {
	line, _, more := bytes.Cut(text, []byte{'\n'})
	line = bytes.TrimSpace(line)
	return more && len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}'
}

func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// interner makes strings of bytes, equal ones only once, so that names that come again and again cost nothing. It is bounded.
type interner struct{ known map[string]string }

const (
	maxInterned       = 8192
	maxInternedLength = 128
)

func newInterner() *interner { return &interner{known: make(map[string]string)} }

func (n *interner) of(text []byte) string {
	if s, ok := n.known[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(s) > maxInternedLength {
		return s
	}
	if len(n.known) >= maxInterned {
		clear(n.known)
	}
	n.known[s] = s
	return s
}

// fold reports whether a name is one of the known ones, in any case.
func fold(name []byte, known ...string) bool {
	return slices.ContainsFunc(known, func(k string) bool { return len(k) == len(name) && bytes.EqualFold(name, []byte(k)) })
}
