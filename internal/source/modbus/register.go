package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is one of the four tables of a Modbus device.
type Kind uint8

const (
	Holding Kind = iota
	Input
	Coil
	Discrete
)

var kindNames = [...]string{Holding: "holding", Input: "input", Coil: "coil", Discrete: "discrete"}

func (k Kind) String() string { return kindNames[k] }

// bits reports whether an address of the table is one bit; otherwise it is a register of 16 bits.
func (k Kind) bits() bool { return k == Coil || k == Discrete }

// Register is one value of a device. It occupies one or several registers of 16 bits, or one bit.
type Register struct {
	Kind Kind
	// Offset is the address in a request, counted from 0.
	Offset uint16
	Type   Type
	Order  Order
	// The value is the number in the registers times Scale, plus Shift. A Scale of 0 means 1.
	Scale, Shift float64
	// Invalid lists contents of the registers, as unsigned numbers in the order of the type, with which the device says that it has no value.
	Invalid []uint64
	// Field, Tags and Unit are those of the value's mapping.Point.
	Field string
	Tags  map[string]string
	Unit  string
}

// length returns how many addresses of its table the register occupies.
func (r *Register) length() int {
	if r.Kind.bits() {
		return 1
	}
	return r.Type.registers()
}

func (r *Register) end() int { return int(r.Offset) + r.length() }

// check reports what no device could have.
func (r *Register) check() error {
	switch {
	case r.Kind.bits() && r.Type.format != formatBool:
		return fmt.Errorf("%s: the type of coils and discrete inputs is bool (got %v)", r.Field, r.Type)
	case r.end() > 1<<16:
		return fmt.Errorf("%s: ends behind the last address, 65535", r.Field)
	}
	return nil
}

type format uint8

const (
	formatBool format = iota
	formatBit
	formatInt
	formatUint
	formatFloat
	formatBCD
	formatString
)

// Type is how a value is encoded.
type Type struct {
	format format
	// size is the width in bits of a number, the length in bytes of a text, or the number of a bit, counted from the lowest.
	size int
}

// maxString is the maximum length of a text in bytes: that of one request.
const maxString = 250

var plainTypes = map[string]Type{
	"bool": {formatBool, 16}, "int16": {formatInt, 16}, "uint16": {formatUint, 16}, "int32": {formatInt, 32}, "uint32": {formatUint, 32},
	"int64": {formatInt, 64}, "uint64": {formatUint, 64}, "float32": {formatFloat, 32}, "float64": {formatFloat, 64},
	"bcd": {formatBCD, 16}, "bcd16": {formatBCD, 16}, "bcd32": {formatBCD, 32}, "bcd64": {formatBCD, 64},
}

// ParseType returns the type of a name: bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd (four decimal digits in
// one register), bcd32, bcd64, string(n) for n bytes of text, or bit(n) for a bit of a register, of which the lowest is bit(0).
func ParseType(name string) (Type, error) {
	if t, ok := plainTypes[name]; ok {
		return t, nil
	}
	kind, rest, _ := strings.Cut(name, "(")
	number, closed := strings.CutSuffix(rest, ")")
	n, err := strconv.Atoi(number)
	switch {
	case !closed || err != nil:
	case kind == "string" && n >= 1 && n <= maxString:
		return Type{formatString, n}, nil
	case kind == "bit" && n >= 0 && n <= 15:
		return Type{formatBit, n}, nil
	}
	return Type{}, fmt.Errorf("unknown type %q (allowed: bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd, bcd32, bcd64, "+
		"string(1) to string(%d), bit(0) to bit(15))", name, maxString)
}

func (t Type) String() string {
	switch t.format {
	case formatString:
		return fmt.Sprintf("string(%d)", t.size)
	case formatBit:
		return fmt.Sprintf("bit(%d)", t.size)
	}
	for name, plain := range plainTypes {
		if plain == t && name != "bcd16" {
			return name
		}
	}
	return "unknown"
}

func (t Type) registers() int {
	switch t.format {
	case formatString:
		return (t.size + 1) / 2
	case formatBit:
		return 1
	}
	return t.size / 16
}

// Order is the order in which a device sends the bytes of a value. The zero Order is Modbus' own, the highest byte first.
type Order struct {
	// wordsReversed is whether the lowest register comes first, bytesSwapped whether the low byte of a register comes first.
	wordsReversed, bytesSwapped bool
}

var orders = map[string]Order{
	"": {}, "AB": {}, "BA": {bytesSwapped: true},
	"ABCD": {}, "CDAB": {wordsReversed: true}, "BADC": {bytesSwapped: true}, "DCBA": {true, true},
	"ABCDEFGH": {}, "GHEFCDAB": {wordsReversed: true}, "BADCFEHG": {bytesSwapped: true}, "HGFEDCBA": {true, true},
}

// ParseOrder returns the order of a name, in which A is the highest byte of the value: AB or BA; ABCD, CDAB, BADC or DCBA;
// ABCDEFGH, GHEFCDAB, BADCFEHG or HGFEDCBA. A name of four bytes means the same for values of another length: CDAB, the lowest register
// first; BADC, the low byte of each register first; DCBA, both. The empty name is ABCD.
func ParseOrder(name string) (Order, error) {
	order, ok := orders[name]
	if !ok {
		return Order{}, fmt.Errorf("unknown order %q (allowed: AB, BA, ABCD, CDAB, BADC, DCBA, ABCDEFGH, GHEFCDAB, BADCFEHG, HGFEDCBA)", name)
	}
	return order, nil
}

// arrange copies bytes as the device sends them into the order in which the highest comes first, or the other way round: it is its own inverse.
func (o Order) arrange(into, from []byte) {
	last := len(from)/2 - 1
	for word := range last + 1 {
		source := word
		if o.wordsReversed {
			source = last - word
		}
		high, low := from[2*source], from[2*source+1]
		if o.bytesSwapped {
			high, low = low, high
		}
		into[2*word], into[2*word+1] = high, low
	}
}

// Why the registers hold no value.
var (
	errNoValue  = errors.New("the device says that it has no value")
	errNoNumber = errors.New("not a number in the registers")
	errNoBCD    = errors.New("not BCD in the registers: a digit is above 9")
	errNoText   = errors.New("not UTF-8 in the registers")
)

// value decodes the bytes of the registers, as many as length says, twice. The value is a number, or else a text.
func (r *Register) value(raw []byte) (number float64, text string, err error) {
	if r.Type.format == formatString {
		return r.text(raw)
	}
	var ordered [8]byte
	r.Order.arrange(ordered[:], raw)
	bits := binary.BigEndian.Uint64(ordered[:]) >> (64 - 8*len(raw))
	for _, invalid := range r.Invalid {
		if bits == invalid {
			return 0, "", errNoValue
		}
	}
	switch r.Type.format {
	case formatBool:
		return r.bool(bits != 0), "", nil
	case formatBit:
		return r.bool(bits>>r.Type.size&1 != 0), "", nil
	case formatInt:
		shift := 64 - r.Type.size
		number = float64(int64(bits<<shift) >> shift)
	case formatUint:
		number = float64(bits)
	case formatFloat:
		number = math.Float64frombits(bits)
		if r.Type.size == 32 {
			number = widen(math.Float32frombits(uint32(bits)))
		}
	case formatBCD:
		if number, err = bcd(bits); err != nil {
			return 0, "", err
		}
	}
	if r.Scale != 0 {
		number *= r.Scale
	}
	number += r.Shift
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return 0, "", errNoNumber
	}
	return number, "", nil
}

// bool returns the number of a bit. A negative scale does not apply to bits: a contact that is closed when it should be open is a matter
// of the device type's labels.
func (r *Register) bool(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

// widen returns the shortest decimal number that is the same float32: 21.3 is not to become 21.299999237060547.
func widen(f float32) float64 {
	wide := float64(f)
	if wide == math.Trunc(wide) || wide != wide || math.IsInf(wide, 0) {
		return wide
	}
	var buffer [32]byte
	short, err := strconv.ParseFloat(string(strconv.AppendFloat(buffer[:0], wide, 'g', -1, 32)), 64)
	if err != nil {
		return wide
	}
	return short
}

// bcd returns the number whose decimal digits are the groups of four bits.
func bcd(bits uint64) (float64, error) {
	var number uint64
	for shift := 60; shift >= 0; shift -= 4 {
		digit := bits >> shift & 0xf
		if digit > 9 {
			return 0, errNoBCD
		}
		number = number*10 + digit
	}
	return float64(number), nil
}

// text decodes a text, without the NUL bytes and blanks that fill it up.
func (r *Register) text(raw []byte) (float64, string, error) {
	ordered := make([]byte, len(raw))
	r.Order.arrange(ordered, raw)
	text, _, _ := strings.Cut(string(ordered[:r.Type.size]), "\x00")
	if text = strings.Trim(text, " "); !utf8.ValidString(text) {
		return 0, "", errNoText
	}
	if text == "" {
		return 0, "", errNoValue
	}
	return 0, text, nil
}
