package opcua

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"iotmon/internal/iot"
)

// The built-in types of OPC UA (Part 6, 5.1.2).
const (
	typeNull = iota
	typeBoolean
	typeSByte
	typeByte
	typeInt16
	typeUInt16
	typeInt32
	typeUInt32
	typeInt64
	typeUInt64
	typeFloat
	typeDouble
	typeString
	typeDateTime
	typeGUID
	typeByteString
	typeXML
	typeNodeID
	typeExpandedNodeID
	typeStatusCode
	typeQualifiedName
	typeLocalizedText
	typeStructure
	typeDataValue
	typeVariant
	typeDiagnosticInfo
)

// minSizes are the lengths in bytes of the shortest value of each built-in type.
var minSizes = [...]int{
	1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 8, 16, 4, 4, 2, 2, 4, 6, 1, 3, 1, 1, 1,
}

// value is a decoded Variant. An array has its elements instead of a number or a text.
type value struct {
	kind byte
	// number is the value of a number; a boolean is 0 or 1, a date the seconds since 1970.
	number float64
	// text is the value of what is no number, and that of an integer that a float64 cannot hold.
	text    string
	isArray bool
	// elements are those of an array, one dimension after the other.
	elements []value
	rare     *rare
}

// rare is what few values have, kept apart because there are many values.
type rare struct {
	structure structure
	// dimensions are the lengths of an array of several dimensions.
	dimensions []uint32
}

// maxBytesShown is how many bytes of a byte string become a text.
const maxBytesShown = 512

// maxExact is the largest integer up to which a float64 holds every integer.
const maxExact = 1 << 53

// scalar decodes a value of a built-in type.
func (r *reader) scalar(kind byte, v *value) {
	v.kind = kind
	switch kind {
	case typeNull:
	case typeBoolean:
		if r.bool() {
			v.number = 1
		}
	case typeSByte:
		v.number = float64(int8(r.u8()))
	case typeByte:
		v.number = float64(r.u8())
	case typeInt16:
		v.number = float64(int16(r.u16()))
	case typeUInt16:
		v.number = float64(r.u16())
	case typeInt32:
		v.number = float64(int32(r.u32()))
	case typeUInt32:
		v.number = float64(r.u32())
	case typeInt64:
		n := int64(r.u64())
		if v.number = float64(n); n > maxExact || n < -maxExact {
			v.text = strconv.FormatInt(n, 10)
		}
	case typeUInt64:
		n := r.u64()
		if v.number = float64(n); n > maxExact {
			v.text = strconv.FormatUint(n, 10)
		}
	case typeFloat:
		v.number = float64(math.Float32frombits(r.u32()))
	case typeDouble:
		v.number = r.f64()
	default:
		r.other(kind, v)
	}
}

// other decodes a value that is no number.
func (r *reader) other(kind byte, v *value) {
	switch kind {
	case typeString, typeXML:
		v.text = r.string()
	case typeDateTime:
		if t := r.time(); t.IsZero() {
			v.kind = typeNull
		} else {
			v.number = float64(t.UnixMicro()) / 1e6
		}
	case typeGUID:
		v.text = r.guid()
	case typeByteString:
		b := r.bytes()
		v.text = hex.EncodeToString(b[:min(len(b), maxBytesShown)])
	case typeNodeID:
		v.text = r.nodeID().String()
	case typeExpandedNodeID:
		id, _, _ := r.expandedNodeID()
		v.text = id.String()
	case typeStatusCode:
		v.text = statusName(r.u32())
	case typeQualifiedName:
		_, v.text = r.qualifiedName()
	case typeLocalizedText:
		v.text = r.localizedText()
	case typeStructure:
		v.rare = &rare{structure: r.structure()}
	case typeDataValue:
		var nested dataValue
		if r.enter() {
			r.dataValue(&nested)
		}
		r.leave()
		*v = nested.value
	case typeVariant:
		if r.enter() {
			r.variant(v)
		}
		r.leave()
	case typeDiagnosticInfo:
		r.skipDiagnostics()
		v.kind = typeNull
	default:
		r.fail(fmt.Errorf("%d is no type of a value", kind))
	}
}

const (
	variantType       = 0x3f
	variantDimensions = 0x40
	variantArray      = 0x80
)

// variant decodes a Variant into v, which must be empty.
func (r *reader) variant(v *value) {
	mask := r.u8()
	kind := mask & variantType
	if mask&variantArray == 0 {
		r.scalar(kind, v)
		return
	}
	v.kind, v.isArray = kind, true
	if int(kind) >= len(minSizes) {
		r.fail(fmt.Errorf("%d is no type of a value", kind))
		return
	}
	v.elements = r.array(kind)
	if mask&variantDimensions != 0 {
		v.rare = &rare{dimensions: r.u32s()}
	}
}

// maxElements is how many elements of an array, and parts of a structure, become values; the others are skipped, and counted.
const maxElements = 4096

func (r *reader) array(kind byte) []value {
	n := r.count(minSizes[kind])
	if !r.spend(n) {
		return nil
	}
	elements := make([]value, min(n, maxElements))
	for i := range elements {
		r.scalar(kind, &elements[i])
	}
	for range n - len(elements) {
		if r.err != nil {
			break
		}
		r.scalar(kind, new(value))
	}
	if r.err != nil {
		return nil
	}
	return elements
}

// dataValue is a value with its quality and times.
type dataValue struct {
	value
	status         uint32
	source, server time.Time
}

// dataValue decodes a DataValue into d, which must be empty.
func (r *reader) dataValue(d *dataValue) {
	mask := r.u8()
	if mask&0x01 != 0 {
		if r.enter() {
			r.variant(&d.value)
		}
		r.leave()
	}
	if mask&0x02 != 0 {
		d.status = r.u32()
	}
	if mask&0x04 != 0 {
		d.source = r.time()
	}
	if mask&0x10 != 0 {
		r.u16()
	}
	if mask&0x08 != 0 {
		d.server = r.time()
	}
	if mask&0x20 != 0 {
		r.u16()
	}
}

// quality returns what a status code says of a value. Good is empty.
func quality(status uint32) iot.Quality {
	switch status >> 30 {
	case 0:
		return ""
	case 1:
		return iot.Uncertain
	}
	return iot.Bad
}

// overflowed reports whether the server has discarded values before this one, because the item's queue was full.
func overflowed(status uint32) bool {
	const isDataValue, overflow = 0x400, 0x80
	return status&0xc00 == isDataValue && status&overflow != 0
}
