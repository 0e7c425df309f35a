package wire

import (
	"math"
	"strconv"
	"unsafe"
)

// exactDigits is the number of decimal digits that a float64 always preserves: two different numbers of at most 15 digits
// are two different float64s. So a decimal of at most 15 digits that parses to f is the shortest that does.
const exactDigits = 15

// powers holds the powers of ten up to exactDigits, which float64 represents exactly.
var powers = [exactDigits + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// appendFloat appends f as ECMAScript would write it: in the shortest form that parses to f.
func appendFloat(dst []byte, f float64) []byte {
	if text, ok := appendDecimal(dst, f); ok {
		return text
	}
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendDecimal appends f if it has at most four decimals, as measured values usually do; false if it has more.
func appendDecimal(dst []byte, f float64) ([]byte, bool) {
	for decimals, power := range powers[:5] {
		digits := math.RoundToEven(f * power)
		if !(math.Abs(digits) < powers[exactDigits]) || digits == 0 && math.Signbit(f) {
			break
		}
		if digits/power != f {
			continue
		}
		start := len(dst)
		dst = strconv.AppendInt(dst, int64(digits), 10)
		if decimals == 0 {
			return dst, true
		}
		if digits < 0 {
			start++
		}
		return pointed(dst, start, decimals), true
	}
	return dst, false
}

// pointed inserts the decimal point into the digits from start on, and leading zeros if there are too few.
func pointed(text []byte, start, decimals int) []byte {
	for len(text)-start <= decimals {
		text = append(text, 0)
		copy(text[start+1:], text[start:])
		text[start] = '0'
	}
	text = append(text, 0)
	point := len(text) - 1 - decimals
	copy(text[point+1:], text[point:])
	text[point] = '.'
	return text
}

// float reads a number.
func (sc *scanner) float(dst *float64) bool {
	text, ok := sc.number()
	if !ok {
		return false
	}
	if value, ok := decimal(text); ok {
		*dst = value
		return true
	}
	// ParseFloat keeps no reference to its argument; its errors hold a copy.
	value, err := strconv.ParseFloat(unsafe.String(&text[0], len(text)), 64)
	*dst = value
	return err == nil
}

// decimal parses a number of few digits without an exponent. Both operands of the division are exact, so the quotient is
// the nearest float64, as strconv.ParseFloat would return.
func decimal(text []byte) (float64, bool) {
	if len(text) > exactDigits {
		return 0, false
	}
	var digits int64
	decimals, afterPoint := 0, false
	for i, b := range text {
		switch {
		case b >= '0' && b <= '9':
			digits = 10*digits + int64(b-'0')
			if afterPoint {
				decimals++
			}
		case b == '.':
			afterPoint = true
		case b == '-' && i == 0:
		default:
			return 0, false
		}
	}
	value := float64(digits) / powers[decimals]
	if text[0] == '-' {
		value = -value
	}
	return value, true
}
