package wire

import (
	"bytes"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"iotmon/internal/iot"
)

// MaxMessage is the maximum size of one message on a topic, in bytes. A longer reading is rejected.
const MaxMessage = 64 << 10

// maxInterned is the maximum number of strings that a Decoder caches. A full cache is emptied, so a stream of ever new ids
// costs time but not memory.
const maxInterned = 1 << 17

// Decoder decodes readings. It caches ids, types and other strings that every reading of a device repeats, so it decodes
// the canonical form without allocating. It is not safe for concurrent use. The zero Decoder caches nothing.
type Decoder struct {
	strings map[string]string
	// levels holds one shared float64 for each battery level: readings point to it and must not change it.
	levels map[float64]*float64
	// locations and metadatas map the JSON of such objects to their value: a device sends the same ones again and again.
	locations texts[iot.Location]
	metadatas texts[iot.Metadata]
	// devices holds the repeated parts of each device's readings, by its id; nil for a Decoder that does not cache them.
	devices map[string]*deviceForm
	// buffer is scratch space for texts that are about to be cached.
	buffer []byte
}

// NewDecoder returns a Decoder that caches strings and objects.
func NewDecoder() *Decoder {
	return &Decoder{
		strings: make(map[string]string), levels: make(map[float64]*float64),
		locations: make(texts[iot.Location]), metadatas: make(texts[iot.Metadata]),
	}
}

// NewStreamDecoder returns a Decoder that also caches the repeated parts of each device's readings, for a stream in which
// the same devices send again and again. This needs about half a kilobyte a device.
func NewStreamDecoder() *Decoder {
	d := NewDecoder()
	d.devices = make(map[string]*deviceForm)
	return d
}

// DecodeReading decodes one reading; see Decoder.Decode.
func DecodeReading(data []byte, r *iot.Reading) error {
	return new(Decoder).Decode(data, r)
}

// Decode decodes the documented JSON of one reading into r, which it overwrites. It checks only syntax and types;
// Catalog.Normalize checks the content. Keys are case-sensitive, unknown keys are ignored, the last of repeated keys
// counts, and null means absent. The error is an *iot.InvalidError. The Decoder keeps no reference to data.
func (d *Decoder) Decode(data []byte, r *iot.Reading) error {
	if len(data) > MaxMessage {
		return iot.Invalid("", "longer than %d bytes (got %d)", MaxMessage, len(data))
	}
	return d.decode(data, r)
}

// decode is Decode without a size limit, for readings within messages of our own.
func (d *Decoder) decode(data []byte, r *iot.Reading) error {
	if d.decodeFast(data, r) {
		return nil
	}
	return d.decodeGeneral(data, r)
}

// cursor reads JSON text from left to right. Its methods return false for anything but the plain case, without an error:
// the general decoder then decodes the text again and finds the error.
type cursor struct {
	text []byte
	at   int
}

// decodeFast decodes the canonical form, keys in any order. It returns false for any other form; r is undefined then.
func (d *Decoder) decodeFast(data []byte, r *iot.Reading) bool {
	c := cursor{text: data}
	return d.reading(&c, r) && c.end()
}

// reading reads one reading in canonical form into r, which it overwrites.
func (d *Decoder) reading(c *cursor, r *iot.Reading) bool {
	if d.devices == nil {
		return d.readingByKey(c, r)
	}
	if d.recall(c, r) {
		return true
	}
	ok := d.readingByKey(c, r)
	if ok {
		d.remember(r)
	}
	return ok
}

// readingByKey reads a reading with keys in any order.
func (d *Decoder) readingByKey(c *cursor, r *iot.Reading) bool {
	*r = iot.Reading{}
	var hasValue bool
	ok := c.object(func(key []byte) bool {
		switch string(key) {
		case "device_id":
			return d.text(c, (*string)(&r.ID))
		case "device_type":
			return d.text(c, (*string)(&r.Type))
		case "timestamp":
			return c.time(&r.Time)
		case "value":
			if hasValue {
				return false // The last one counts, whatever its JSON type.
			}
			hasValue = true
			start := c.at
			return c.float(&r.Value) || c.at == start && d.spelling(c, &r.ValueText)
		case "unit":
			return d.text(c, &r.Unit)
		case "location":
			return d.locations.recall(c, &r.Location) || d.location(c, &r.Location)
		case "status":
			return d.text(c, (*string)(&r.Status))
		case "metadata":
			return d.metadatas.recall(c, &r.Metadata) || d.metadata(c, &r.Metadata)
		case "quality":
			return d.text(c, (*string)(&r.Quality))
		case "received_at":
			return c.time(&r.ReceivedAt)
		case "historical":
			return false // Rare.
		default:
			return c.skip(maxSkipped)
		}
	})
	return ok && hasValue
}

// spelling reads a value that is true, false or a text.
func (d *Decoder) spelling(c *cursor, dst *string) bool {
	switch {
	case c.literal("true"):
		*dst = "true"
	case c.literal("false"):
		*dst = "false"
	default:
		text, ok := c.string()
		if !ok || len(text) == 0 {
			return false
		}
		if isLetter(text[0]) { // Names of states repeat, numbers in quotes do not.
			*dst = d.intern(text)
		} else {
			*dst = string(text)
		}
	}
	return true
}

// texts caches the values of flat JSON objects by their text.
type texts[T any] map[string]T

// longestText is the maximum size of a cached text in bytes, maxTexts the maximum number of them: a full cache is emptied.
const (
	longestText = 200
	maxTexts    = 1 << 14
)

// recall reads an object into dst if its text is cached. Cached objects are flat, so the first closing brace ends the
// object.
func (t texts[T]) recall(c *cursor, dst *T) bool {
	length := bytes.IndexByte(c.text[c.at:], '}') + 1
	known, ok := t[string(c.text[c.at:c.at+length])]
	if ok {
		*dst = known
		c.at += length
	}
	return ok
}

// remember caches the value of an object, unless recall could not find its text.
func (t texts[T]) remember(text []byte, meaning T) {
	if t == nil || len(text) > longestText || bytes.IndexByte(text, '}') < len(text)-1 {
		return
	}
	if len(t) >= maxTexts {
		clear(t)
	}
	t[string(text)] = meaning
}

func (d *Decoder) location(c *cursor, l *iot.Location) bool {
	start := c.at
	*l = iot.Location{}
	ok := c.object(func(key []byte) bool {
		switch string(key) {
		case "building":
			return d.text(c, &l.Building)
		case "floor":
			return integer(c, &l.Floor)
		case "room":
			return d.text(c, &l.Room)
		default:
			return c.skip(maxSkipped)
		}
	})
	if ok {
		d.locations.remember(c.text[start:c.at], *l)
	}
	return ok
}

func (d *Decoder) metadata(c *cursor, m *iot.Metadata) bool {
	start := c.at
	*m = iot.Metadata{}
	ok := c.object(func(key []byte) bool {
		switch string(key) {
		case "model":
			return d.text(c, &m.Model)
		case "firmware":
			return d.text(c, &m.Firmware)
		case "battery_level":
			var level float64
			if !c.float(&level) {
				return false
			}
			m.BatteryLevel = d.level(level)
			return true
		default:
			return c.skip(maxSkipped)
		}
	})
	if ok {
		d.metadatas.remember(c.text[start:c.at], *m)
	}
	return ok
}

// text reads a string value into dst, interned.
func (d *Decoder) text(c *cursor, dst *string) bool {
	text, ok := c.string()
	if ok {
		*dst = d.intern(text)
	}
	return ok
}

func (d *Decoder) intern(text []byte) string {
	if s, ok := d.strings[string(text)]; ok {
		return s
	}
	s := string(text)
	if d.strings != nil {
		if len(d.strings) >= maxInterned {
			clear(d.strings)
		}
		d.strings[s] = s
	}
	return s
}

func (d *Decoder) level(level float64) *float64 {
	if shared := d.levels[level]; shared != nil {
		return shared
	}
	if d.levels != nil {
		if len(d.levels) >= maxInterned {
			clear(d.levels)
		}
	}
	shared := new(float64)
	*shared = level
	if d.levels != nil {
		d.levels[level] = shared
	}
	return shared
}

// object reads an object and calls member behind each key's colon.
func (c *cursor) object(member func(key []byte) bool) bool {
	c.space()
	if !c.consume('{') {
		return false
	}
	c.space()
	if c.consume('}') {
		return true
	}
	for {
		c.space()
		key, ok := c.string()
		if !ok {
			return false
		}
		c.space()
		if !c.consume(':') {
			return false
		}
		c.space()
		if !member(key) {
			return false
		}
		c.space()
		if c.consume('}') {
			return true
		}
		if !c.consume(',') {
			return false
		}
	}
}

// array reads an array and calls element for each of its elements.
func (c *cursor) array(element func() bool) bool {
	if !c.consume('[') {
		return false
	}
	c.space()
	if c.consume(']') {
		return true
	}
	for {
		c.space()
		if !element() {
			return false
		}
		c.space()
		if c.consume(']') {
			return true
		}
		if !c.consume(',') {
			return false
		}
	}
}

// maxSkipped is how deeply a value may be nested for skip to read it.
const maxSkipped = 8

// skip reads the value of an unknown key.
func (c *cursor) skip(depth int) bool {
	if c.at == len(c.text) || depth == 0 {
		return false
	}
	switch c.text[c.at] {
	case '{':
		return c.object(func([]byte) bool { return c.skip(depth - 1) })
	case '[':
		return c.array(func() bool { return c.skip(depth - 1) })
	case '"':
		_, ok := c.string()
		return ok
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	default:
		_, ok := c.number()
		return ok
	}
}

func (c *cursor) space() {
	for c.at < len(c.text) && (c.text[c.at] == ' ' || c.text[c.at] == '\n' || c.text[c.at] == '\t' || c.text[c.at] == '\r') {
		c.at++
	}
}

func (c *cursor) consume(b byte) bool {
	if c.at < len(c.text) && c.text[c.at] == b {
		c.at++
		return true
	}
	return false
}

// literal reads exactly the given text.
func (c *cursor) literal(text string) bool {
	if !bytes.HasPrefix(c.text[c.at:], []byte(text)) {
		return false
	}
	c.at += len(text)
	return true
}

// string reads a string without escapes and returns the text between the quotes.
func (c *cursor) string() ([]byte, bool) {
	if !c.consume('"') {
		return nil, false
	}
	done, ascii := plain(c.text[c.at:])
	for i := c.at + done; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"':
			text := c.text[c.at:i]
			c.at = i + 1
			return text, ascii || utf8.Valid(text)
		case b == '\\' || b < ' ':
			return nil, false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// end reports whether nothing but space is left.
func (c *cursor) end() bool {
	c.space()
	return c.at == len(c.text)
}

// integer reads a whole number without exponent that fits into T; an int must fit into 32 bits.
func integer[T int | int32 | int64](c *cursor, dst *T) bool {
	text, ok := c.number()
	if !ok {
		return false
	}
	bits := 32
	if _, wide := any(*dst).(int64); wide {
		bits = 64
	}
	value, err := strconv.ParseInt(unsafe.String(&text[0], len(text)), 10, bits)
	*dst = T(value)
	return err == nil
}

// number reads the text of a number as RFC 8259 defines it, which is stricter than strconv.
func (c *cursor) number() ([]byte, bool) {
	start := c.at
	c.consume('-')
	if !c.consume('0') && !c.digits() {
		return nil, false
	}
	if c.consume('.') && !c.digits() {
		return nil, false
	}
	if c.consume('e') || c.consume('E') {
		if !c.consume('+') {
			c.consume('-')
		}
		if !c.digits() {
			return nil, false
		}
	}
	return c.text[start:c.at], true
}

func (c *cursor) digits() bool {
	start := c.at
	for c.at < len(c.text) && c.text[c.at] >= '0' && c.text[c.at] <= '9' {
		c.at++
	}
	return c.at > start
}
