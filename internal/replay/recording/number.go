package recording

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Numbers reads the values of a recording.
type Numbers struct {
	// DecimalComma accepts "1,5" as a number, besides "1.5".
	DecimalComma bool
	// Thousands allows a character between groups of digits: the comma, the point with DecimalComma, or one that can be
	// nothing else: blank, apostrophe, underscore.
	Thousands bool
	// Missing are texts that mean no value, besides the usual ones. Numbers among them match any notation of the same number.
	Missing []string
}

// Value is the content of a cell: a number with its unit, which may be empty, or a word that may be the name of a state.
type Value struct {
	Number float64
	Unit   string
	// Word is not empty for a cell that is no number.
	Word string
}

// missingWords mean no value in every recording. They are in lower case.
var missingWords = map[string]bool{
	"": true, "nan": true, "-nan": true, "+nan": true, "na": true, "n/a": true, "#n/a": true, "#na": true, "null": true, "none": true,
	"nil": true, `\n`: true, "-": true, "--": true, "---": true, "?": true, "unavailable": true, "unknown": true, "missing": true,
	"#div/0!": true, "#value!": true, "#ref!": true, "#num!": true, "#name?": true, "#null!": true, "1.#qnan": true, "-1.#ind": true,
}

// IsMissing reports whether a cell has no value.
func (n *Numbers) IsMissing(cell string) bool {
	cell = trim(cell)
	if missingWords[strings.ToLower(cell)] {
		return true
	}
	if len(n.Missing) == 0 {
		return false
	}
	number, _, ok := n.number(cell)
	for _, missing := range n.Missing {
		if strings.EqualFold(cell, missing) {
			return true
		}
		if other, _, alike := n.number(missing); ok && alike && number == other {
			return true
		}
	}
	return false
}

// Read returns the value of a cell. The error is ErrMissing for a cell without a value; any other error describes what is wrong
// with the cell.
func (n *Numbers) Read(cell string) (Value, error) {
	cell = trim(cell)
	if n.IsMissing(cell) {
		return Value{}, ErrMissing
	}
	number, rest, ok := n.number(cell)
	switch {
	case ok && math.IsInf(number, 0):
		return Value{}, fmt.Errorf("not a finite number (got %q)", cell)
	case ok && rest == "":
		return Value{Number: number}, nil
	case ok:
		return Value{Number: number, Unit: rest}, nil
	case isWord(cell):
		return Value{Word: cell}, nil
	case strings.HasPrefix(strings.ToLower(strings.TrimLeft(cell, "+-")), "0x"):
		return Value{}, fmt.Errorf("hexadecimal (got %q)", cell)
	}
	return Value{}, errors.New(n.notANumber(cell))
}

// notANumber names the flag where one would help.
func (n *Numbers) notANumber(cell string) string {
	comma := Numbers{DecimalComma: true}
	if _, _, ok := comma.number(cell); ok && !n.DecimalComma {
		return fmt.Sprintf("not a number; -decimal-comma or -thousands says what the comma is (got %q)", cell)
	}
	thousands := Numbers{DecimalComma: n.DecimalComma, Thousands: true}
	if _, _, ok := thousands.number(cell); ok && !n.Thousands {
		return fmt.Sprintf("not a number without -thousands (got %q)", cell)
	}
	return fmt.Sprintf("not a number (got %q)", cell)
}

// trim cuts off blanks of every kind.
func trim(cell string) string {
	return strings.TrimFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == 0 || r == 0x1a || r == '\uFEFF' })
}

// isWord reports whether a cell is a word of letters, such as the name of a state.
func isWord(cell string) bool {
	first, _ := utf8.DecodeRuneInString(cell)
	return unicode.IsLetter(first) && len(cell) <= 64 && utf8.ValidString(cell)
}

// number returns the number at the beginning of a cell and the unit after it. It returns false for other cells. Among these are
// texts that Go would parse as numbers: hexadecimal digits, underscores, names of infinity.
func (n *Numbers) number(cell string) (value float64, unit string, ok bool) {
	cell = strings.Replace(cell, "\u2212", "-", 1)
	if strings.EqualFold(strings.TrimLeft(cell, "+-"), "inf") || strings.EqualFold(strings.TrimLeft(cell, "+-"), "infinity") {
		return math.Inf(1), "", true
	}
	end := n.extent(cell)
	text, unit := cell[:end], cell[end:]
	if (text == "0" || text == "-0" || text == "+0") && (strings.HasPrefix(unit, "x") || strings.HasPrefix(unit, "X")) {
		return 0, "", false // Hexadecimal.
	}
	if text == "" || !isUnit(unit, strings.ContainsAny(text, ".,")) {
		return 0, "", false
	}
	text, ok = n.plain(strings.TrimRight(text, " \u00a0\u202f"))
	if !ok {
		return 0, "", false
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(value, 0) {
		return 0, "", false
	}
	return value, trim(unit), true
}

// extent returns the length of the number at the beginning of a cell: sign, digits, separators between digits, exponent.
func (n *Numbers) extent(cell string) int {
	i := 0
	if i < len(cell) && (cell[i] == '+' || cell[i] == '-') {
		i++
	}
	seen := false
	for i < len(cell) {
		r, size := utf8.DecodeRuneInString(cell[i:])
		switch {
		case r >= '0' && r <= '9':
			seen = true
		case r == '.' || r == ',':
		case seen && (r == 'e' || r == 'E') && isExponent(cell[i+1:]):
			i++
			if cell[i] == '+' || cell[i] == '-' {
				i++
			}
			for i < len(cell) && cell[i]-'0' <= 9 {
				i++
			}
			return i
		case seen && n.Thousands && strings.ContainsRune(separators, r) && i+size < len(cell) && cell[i+size]-'0' <= 9:
		default:
			if !seen {
				return 0
			}
			return i
		}
		i += size
	}
	if !seen {
		return 0
	}
	return i
}

// separators are the characters that can only be separators between groups of digits.
const separators = " '’_\u00a0\u202f"

func isExponent(text string) bool {
	text = strings.TrimLeft(text[:min(1, len(text))], "+-") + text[min(1, len(text)):]
	return text != "" && text[0]-'0' <= 9
}

// isUnit reports whether the text after a number may be its unit. A letter that is also a hexadecimal digit must follow a blank
// or a point: 1F is not one degree Fahrenheit.
func isUnit(text string, point bool) bool {
	unit := trim(text)
	if unit == "" {
		return true
	}
	first, _ := utf8.DecodeRuneInString(unit)
	if strings.HasPrefix(unit, "/") && strings.ContainsAny(unit, "0123456789") {
		return false // A date.
	}
	if !unicode.IsLetter(first) && !strings.ContainsRune("°%‰/º˚\"'℃℉µμΩ", first) || len(unit) > 24 {
		return false
	}
	apart := point || len(unit) < len(text)
	return apart || strings.Trim(strings.ToLower(unit), "0123456789abcdefx") != ""
}

// plain returns a number as Go writes it.
func (n *Numbers) plain(text string) (string, bool) {
	decimal, group := ".", ","
	if n.DecimalComma {
		decimal, group = ",", "."
	}
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i:]
	}
	whole, behind, hasPoint := strings.Cut(mantissa, decimal)
	if n.Thousands {
		var ok bool
		if whole, ok = ungroup(whole, group); !ok {
			return "", false
		}
	} else if n.DecimalComma && !hasPoint {
		// The point is understood where there is no comma.
		whole, behind, hasPoint = strings.Cut(mantissa, ".")
	}
	if strings.ContainsAny(behind, ".,"+separators) || strings.ContainsAny(whole, ".,") {
		return "", false
	}
	if hasPoint {
		whole += "." + behind
	}
	return whole + exponent, true
}

// ungroup removes the separators between groups of digits. The last group must have three digits, the groups between two or
// three, and all separators must be the same.
func ungroup(whole, group string) (string, bool) {
	at := strings.IndexAny(whole, group+separators)
	if at < 0 {
		return whole, true
	}
	r, _ := utf8.DecodeRuneInString(whole[at:])
	groups := strings.Split(whole, string(r))
	for i, g := range groups {
		digits := len(strings.TrimLeft(g, "+-"))
		last := i == len(groups)-1
		if i == 0 && (digits < 1 || digits > 3) || i > 0 && digits != 3 && (last || digits != 2) || strings.Trim(g, "0123456789+-") != "" {
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}
