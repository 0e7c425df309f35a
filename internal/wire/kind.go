package wire

import (
	"strconv"

	"iotmon/internal/iot"
)

// The headers of a record of the readings' log that is not a reading.
const (
	// KindHeader has the name of the record's kind; see iot.Kind. A record without it is a reading, unless it has TickHeader or
	// SettingsHeader, or a null value.
	KindHeader = "iotmon-kind"
	// LevelHeader has the level of the record's form as a decimal number; see iot.RecordKind. Without it the level is 1.
	LevelHeader = "iotmon-level"
	// DecidingHeader marks a record of a deciding kind, for programs that do not know the kind. Its value is empty.
	DecidingHeader = "iotmon-deciding"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// AppendKindHeaders appends the headers of a record of a kind. Ticks, and settings of level 1, get the headers that versions
// before the kinds read. A request to forget a device is a null value without any header; it is not written by this function.
func AppendKindHeaders(dst []Header, kind iot.Kind, level uint8) []Header {
	switch {
	case kind == iot.KindReading:
		return dst
	case kind == iot.KindTick:
		return append(dst, Header{Key: TickHeader})
	case kind == iot.KindSettings && level <= iot.SettingsLevelWindow:
		return append(dst, Header{Key: SettingsHeader})
	}
	dst = append(dst, Header{Key: KindHeader, Value: []byte(kind.String())})
	if level > 1 {
		dst = append(dst, Header{Key: LevelHeader, Value: strconv.AppendUint(nil, uint64(level), 10)})
	}
	if kind.Deciding() {
		dst = append(dst, Header{Key: DecidingHeader})
	}
	return dst
}

// KindHeaders collects the headers that determine the kind of a record. The zero KindHeaders is that of a record without any.
type KindHeaders struct {
	kind           iot.Kind
	level          uint8
	deciding       bool
	named          bool
	tick, settings bool
}

// Add adds a header of the record. Of repeated headers the first counts.
func (h *KindHeaders) Add(key string, value []byte) {
	switch key {
	case KindHeader:
		if !h.named {
			h.kind, h.named = iot.ParseKind(string(value)), true
		}
	case LevelHeader:
		if h.level == 0 {
			h.level = parseLevel(value)
		}
	case DecidingHeader:
		h.deciding = true
	case TickHeader:
		h.tick = true
	case SettingsHeader:
		h.settings = true
	}
}

// parseLevel reads a level. A number that is too large becomes the highest level, which no program knows; what is no number
// becomes 1, because no version of iotmon wrote it.
func parseLevel(text []byte) uint8 {
	level := 0
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			return 1
		}
		level = min(10*level+int(digit-'0'), 255)
	}
	return uint8(max(level, 1))
}

// Level returns the level in the headers, 0 if there is none.
func (h *KindHeaders) Level() uint8 { return h.level }

// Of returns the kind of the record with these headers and the given key and value.
func (h *KindHeaders) Of(key, value []byte) iot.RecordKind {
	switch {
	case h.named && h.kind == iot.KindReading:
		return iot.RecordKind{}
	case h.named:
		return iot.RecordKind{Kind: h.kind, Level: max(h.level, 1), Deciding: h.deciding}
	case h.settings:
		return iot.RecordKind{Kind: iot.KindSettings, Level: 1}
	case h.tick && value == nil: // A record with a value is a reading even if it has the header of a tick.
		return iot.RecordKind{Kind: iot.KindTick, Level: 1}
	case value == nil && len(key) > 0: // An empty value is not null.
		return iot.RecordKind{Kind: iot.KindDevice, Level: 1}
	}
	return iot.RecordKind{}
}
