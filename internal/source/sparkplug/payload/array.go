package payload

import (
	"bytes"
	"encoding/binary"
	"math"
)

// width is how many bytes an element of an array has; 0 for other types. Booleans have bits, and texts have any length.
func (t Type) width() int {
	switch t {
	case Int8Array, UInt8Array:
		return 1
	case Int16Array, UInt16Array:
		return 2
	case Int32Array, UInt32Array, FloatArray:
		return 4
	case Int64Array, UInt64Array, DoubleArray, DateTimeArray:
		return 8
	}
	return 0
}

// Array returns the numbers of an array, and false if the type is no array of numbers, the bytes are none, or there are more than
// MaxCells. Texts returns those of texts.
func (v Value) Array(t Type) ([]float64, bool) {
	if v.Kind != BytesValue {
		return nil, false
	}
	if t == BooleanArray {
		return booleans(v.Bytes)
	}
	width := t.width()
	if width == 0 || len(v.Bytes)%width != 0 || len(v.Bytes)/width > MaxCells {
		return nil, false
	}
	numbers := make([]float64, 0, len(v.Bytes)/width)
	for rest := v.Bytes; len(rest) > 0; rest = rest[width:] {
		numbers = append(numbers, element(t, rest))
	}
	return numbers, true
}

// Texts returns the texts of an array, each of which ends with a zero byte. It returns false if the type is another one, the last text has no end, or there
// are more than MaxCells.
func (v Value) Texts(t Type) ([]string, bool) {
	if v.Kind != BytesValue || t != StringArray || len(v.Bytes) > 0 && v.Bytes[len(v.Bytes)-1] != 0 {
		return nil, false
	}
	count := bytes.Count(v.Bytes, []byte{0})
	if count > MaxCells {
		return nil, false
	}
	texts := make([]string, 0, count)
	for text := range bytes.SplitAfterSeq(v.Bytes, []byte{0}) {
		if len(text) > 0 {
			texts = append(texts, string(text[:len(text)-1]))
		}
	}
	return texts, true
}

// element decodes the first element of an array.
func element(t Type, data []byte) float64 {
	order := binary.LittleEndian
	switch t {
	case Int8Array:
		return float64(int8(data[0]))
	case UInt8Array:
		return float64(data[0])
	case Int16Array:
		return float64(int16(order.Uint16(data)))
	case UInt16Array:
		return float64(order.Uint16(data))
	case Int32Array:
		return float64(int32(order.Uint32(data)))
	case UInt32Array:
		return float64(order.Uint32(data))
	case FloatArray:
		return float64(math.Float32frombits(order.Uint32(data)))
	case Int64Array:
		return float64(int64(order.Uint64(data)))
	case DoubleArray:
		return math.Float64frombits(order.Uint64(data))
	}
	return float64(order.Uint64(data))
}

// booleans decodes bits, the most significant of each byte first, after their number in 4 bytes.
func booleans(data []byte) ([]float64, bool) {
	if len(data) < 4 {
		return nil, false
	}
	count := uint64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if uint64(len(data)) != (count+7)/8 || count > MaxCells {
		return nil, false
	}
	numbers := make([]float64, count)
	for i := range numbers {
		numbers[i] = float64(data[i/8] >> (7 - i%8) & 1)
	}
	return numbers, true
}
