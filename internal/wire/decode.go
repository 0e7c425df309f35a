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
	// devices holds the repeated parts of each device's readings, by the key of its records, or by its id where they have none; nil for
	// a Decoder that does not cache them.
	devices map[string]*deviceForm
	// keys holds the devices of keys other than an id.
	keys map[string]iot.Identity
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
	return d.decode(nil, data, r)
}

// decode is Decode of a record with a key, nil for none, and without a size limit.
func (d *Decoder) decode(key, data []byte, r *iot.Reading) error {
	if d.decodeFast(key, data, r) {
		return nil
	}
	return d.decodeGeneral(data, r)
}

// scanner reads JSON text from left to right. Its methods return false for anything but the plain case, without an error:
// the general decoder then decodes the text again and finds the error.
type scanner struct {
	text []byte
	at   int
}

// decodeFast decodes the canonical form, keys in any order. It returns false for any other form; r is undefined then.
func (d *Decoder) decodeFast(key, data []byte, r *iot.Reading) bool {
	sc := scanner{text: data}
	return d.reading(&sc, key, r) && sc.end()
}

// reading reads one reading in canonical form into r, which it overwrites. key is that of its record, nil if that is unknown.
func (d *Decoder) reading(sc *scanner, key []byte, r *iot.Reading) bool {
	if d.devices == nil {
		return d.readingByKey(sc, r)
	}
	if d.recall(sc, key, r) {
		return true
	}
	ok := d.readingByKey(sc, r)
	if ok {
		d.remember(key, r)
	}
	return ok
}

// readingByKey reads a reading with keys in any order.
func (d *Decoder) readingByKey(sc *scanner, r *iot.Reading) bool {
	*r = iot.Reading{}
	var hasValue bool
	ok := sc.object(func(key []byte) bool {
		switch string(key) {
		case "device_id":
			return d.text(sc, (*string)(&r.ID))
		case "device_type":
			return d.text(sc, (*string)(&r.Type))
		case "timestamp":
			return sc.time(&r.Time)
		case "value":
			if hasValue {
				return false // The last one counts, whatever its JSON type.
			}
			hasValue = true
			start := sc.at
			return sc.float(&r.Value) || sc.at == start && d.spelling(sc, &r.ValueText)
		case "unit":
			return d.text(sc, &r.Unit)
		case "location":
			return d.locations.recall(sc, &r.Location) || d.location(sc, &r.Location)
		case "status":
			return d.text(sc, (*string)(&r.Status))
		case "metadata":
			return d.metadatas.recall(sc, &r.Metadata) || d.metadata(sc, &r.Metadata)
		case "quality":
			return d.text(sc, (*string)(&r.Quality))
		case "received_at":
			return sc.time(&r.ReceivedAt)
		case "historical":
			return false // Rare.
		default:
			return sc.skip(maxSkipped)
		}
	})
	return ok && hasValue
}

// spelling reads a value that is true, false or a text.
func (d *Decoder) spelling(sc *scanner, dst *string) bool {
	switch {
	case sc.literal("true"):
		*dst = "true"
	case sc.literal("false"):
		*dst = "false"
	default:
		text, ok := sc.string()
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
func (t texts[T]) recall(sc *scanner, dst *T) bool {
	length := bytes.IndexByte(sc.text[sc.at:], '}') + 1
	known, ok := t[string(sc.text[sc.at:sc.at+length])]
	if ok {
		*dst = known
		sc.at += length
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

func (d *Decoder) location(sc *scanner, l *iot.Location) bool {
	start := sc.at
	*l = iot.Location{}
	ok := sc.object(func(key []byte) bool {
		switch string(key) {
		case "building":
			return d.text(sc, &l.Building)
		case "floor":
			return integer(sc, &l.Floor)
		case "room":
			return d.text(sc, &l.Room)
		default:
			return sc.skip(maxSkipped)
		}
	})
	if ok {
		d.locations.remember(sc.text[start:sc.at], *l)
	}
	return ok
}

func (d *Decoder) metadata(sc *scanner, m *iot.Metadata) bool {
	start := sc.at
	*m = iot.Metadata{}
	ok := sc.object(func(key []byte) bool {
		switch string(key) {
		case "model":
			return d.text(sc, &m.Model)
		case "firmware":
			return d.text(sc, &m.Firmware)
		case "battery_level":
			var level float64
			if !sc.float(&level) {
				return false
			}
			m.BatteryLevel = d.level(level)
			return true
		default:
			return sc.skip(maxSkipped)
		}
	})
	if ok {
		d.metadatas.remember(sc.text[start:sc.at], *m)
	}
	return ok
}

// text reads a string value into dst, interned.
func (d *Decoder) text(sc *scanner, dst *string) bool {
	text, ok := sc.string()
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
func (sc *scanner) object(member func(key []byte) bool) bool {
	sc.space()
	if !sc.consume('{') {
		return false
	}
	sc.space()
	if sc.consume('}') {
		return true
	}
	for {
		sc.space()
		key, ok := sc.string()
		if !ok {
			return false
		}
		sc.space()
		if !sc.consume(':') {
			return false
		}
		sc.space()
		if !member(key) {
			return false
		}
		sc.space()
		if sc.consume('}') {
			return true
		}
		if !sc.consume(',') {
			return false
		}
	}
}

// array reads an array and calls element for each of its elements.
func (sc *scanner) array(element func() bool) bool {
	if !sc.consume('[') {
		return false
	}
	sc.space()
	if sc.consume(']') {
		return true
	}
	for {
		sc.space()
		if !element() {
			return false
		}
		sc.space()
		if sc.consume(']') {
			return true
		}
		if !sc.consume(',') {
			return false
		}
	}
}

// maxSkipped is how deeply a value may be nested for skip to read it.
const maxSkipped = 8

// skip reads the value of an unknown key.
func (sc *scanner) skip(depth int) bool {
	if sc.at == len(sc.text) || depth == 0 {
		return false
	}
	switch sc.text[sc.at] {
	case '{':
		return sc.object(func([]byte) bool { return sc.skip(depth - 1) })
	case '[':
		return sc.array(func() bool { return sc.skip(depth - 1) })
	case '"':
		_, ok := sc.string()
		return ok
	case 't':
		return sc.literal("true")
	case 'f':
		return sc.literal("false")
	case 'n':
		return sc.literal("null")
	default:
		_, ok := sc.number()
		return ok
	}
}

func (sc *scanner) space() {
	for sc.at < len(sc.text) && (sc.text[sc.at] == ' ' || sc.text[sc.at] == '\n' || sc.text[sc.at] == '\t' || sc.text[sc.at] == '\r') {
		sc.at++
	}
}

func (sc *scanner) consume(b byte) bool {
	if sc.at < len(sc.text) && sc.text[sc.at] == b {
		sc.at++
		return true
	}
	return false
}

// literal reads exactly the given text.
func (sc *scanner) literal(text string) bool {
	if !bytes.HasPrefix(sc.text[sc.at:], []byte(text)) {
		return false
	}
	sc.at += len(text)
	return true
}

// string reads a string without escapes and returns the text between the quotes.
func (sc *scanner) string() ([]byte, bool) {
	if !sc.consume('"') {
		return nil, false
	}
	done, ascii := plain(sc.text[sc.at:])
	for i := sc.at + done; i < len(sc.text); i++ {
		switch b := sc.text[i]; {
		case b == '"':
			text := sc.text[sc.at:i]
			sc.at = i + 1
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
func (sc *scanner) end() bool {
	sc.space()
	return sc.at == len(sc.text)
}

// integer reads a whole number without exponent that fits into T; an int must fit into 32 bits.
func integer[T int | int32 | int64](sc *scanner, dst *T) bool {
	text, ok := sc.number()
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
func (sc *scanner) number() ([]byte, bool) {
	start := sc.at
	sc.consume('-')
	if !sc.consume('0') && !sc.digits() {
		return nil, false
	}
	if sc.consume('.') && !sc.digits() {
		return nil, false
	}
	if sc.consume('e') || sc.consume('E') {
		if !sc.consume('+') {
			sc.consume('-')
		}
		if !sc.digits() {
			return nil, false
		}
	}
	return sc.text[start:sc.at], true
}

func (sc *scanner) digits() bool {
	start := sc.at
	for sc.at < len(sc.text) && sc.text[sc.at] >= '0' && sc.text[sc.at] <= '9' {
		sc.at++
	}
	return sc.at > start
}
