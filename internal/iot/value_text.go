package iot

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// parseValueText converts r.ValueText to r.Value, and sets r.Unit if the text has a unit. The meaning of a text depends on
// the type: "ON" is a state of a switch but not a temperature.
func parseValueText(r *Reading, spec *TypeSpec, limit int) error {
	if err := checkSize("value", r.ValueText, limit); err != nil {
		return err
	}
	text := fold(r.ValueText)
	if text == "" {
		return Invalid("value", "missing")
	}
	number, isNumber := ParseNumber(text)
	state, isState := spec.state(text)
	switch {
	case isNumber && isState && number != state:
		return Invalid("value", "is the name of state %v of %s and also a number (got %s)", state, spec.Name, Quote(r.ValueText))
	case isState:
		r.Value = state
	case isNumber:
		r.Value = number
	default:
		value, unit, ok := splitUnit(text, spec)
		if !ok || !sameUnit(r.Unit, unit) {
			return valueError(r, spec, text)
		}
		r.Value, r.Unit = value, unit
	}
	r.ValueText = ""
	return nil
}

// fold returns a text in the form in which texts are compared: trimmed, with full-width digits and signs as ASCII.
func fold(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(norm.NFKC.String(text)), "\u2212", "-") // The typographic minus sign.
}

// state returns the value of the state that a text names: its name in any case or, if the type has two states, true or
// false.
func (s *TypeSpec) state(text string) (float64, bool) {
	for i, name := range s.States {
		if strings.EqualFold(fold(name), text) {
			return float64(i), true
		}
	}
	if len(s.States) == 2 && strings.EqualFold(text, "false") {
		return 0, true
	}
	return 1, len(s.States) == 2 && strings.EqualFold(text, "true")
}

// ParseNumber parses a decimal number. It refuses hexadecimal, NaN, infinity and commas, because 1,234 is ambiguous.
func ParseNumber(text string) (float64, bool) {
	if text == "" || strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' && r != 'e' && r != 'E'
	}) >= 0 {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil
}

// splitUnit splits a text such as "13.6 °C" if the unit can be converted to the type's.
func splitUnit(text string, spec *TypeSpec) (value float64, unit string, ok bool) {
	end := numberEnd(text)
	value, isNumber := ParseNumber(text[:end])
	unit = strings.TrimSpace(text[end:])
	_, known := convert(0, unit, spec.Unit)
	return value, unit, isNumber && known && unit != ""
}

// numberEnd returns the length of the number at the beginning of a text.
func numberEnd(text string) int {
	digits := func(at int) int {
		for at < len(text) && text[at] >= '0' && text[at] <= '9' {
			at++
		}
		return at
	}
	sign := func(at int) int {
		if at < len(text) && (text[at] == '-' || text[at] == '+') {
			at++
		}
		return at
	}
	end := digits(sign(0))
	if end < len(text) && text[end] == '.' {
		end = digits(end + 1)
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		if begin := sign(end + 1); digits(begin) > begin {
			end = digits(begin)
		}
	}
	return end
}

// sameUnit reports whether the unit field of a reading is empty or equal to the unit within its value text.
func sameUnit(beside, within string) bool {
	return beside == "" || foldUnit(beside) == foldUnit(within)
}

// valueError returns why a text is not a value of the type, and what is expected.
func valueError(r *Reading, spec *TypeSpec, text string) error {
	quoted := Quote(r.ValueText)
	if len(spec.States) > 0 {
		return Invalid("value", "no state of %s (got %s; states: %s)", spec.Name, quoted, Quote(strings.Join(spec.States, ", ")))
	}
	switch lower := strings.Trim(strings.ToLower(text), "+-"); {
	case lower == "nan" || lower == "inf" || lower == "infinity":
		return Invalid("value", "not a finite number (got %s)", quoted)
	case lower == "true" || lower == "false" || lower == "on" || lower == "off":
		return Invalid("value", "must be a number for %s; only types with states accept this (got %s)", spec.Name, quoted)
	case strings.Contains(text, ","):
		return Invalid("value", "must be a number with a point and without separators (got %s)", quoted)
	}
	return Invalid("value", "must be a number for %s (got %s)", spec.Name, quoted)
}

// normalizeStatus accepts a status in any case.
func normalizeStatus(s Status) (Status, error) {
	switch {
	case s == "":
		return Online, nil
	case strings.EqualFold(string(s), string(Online)):
		return Online, nil
	case strings.EqualFold(string(s), string(Offline)):
		return Offline, nil
	}
	return "", Invalid("status", "must be online or offline (got %s)", Quote(string(s)))
}

// normalizeQuality accepts a quality in any form of OPC: the words in any case, the names of status codes that begin with
// them, such as BadNoCommunication, the codes of OPC UA and those of OPC DA.
func normalizeQuality(q Quality) (Quality, error) {
	text := strings.TrimSpace(string(q))
	for _, known := range [...]Quality{Good, Uncertain, Bad} {
		if len(text) >= len(known) && strings.EqualFold(text[:len(known)], string(known)) && endsWord(text[len(known):]) {
			return known, nil
		}
	}
	if code, ok := parseCode(text); ok {
		if quality := qualityOfCode(code); quality != "" {
			return quality, nil
		}
	}
	return "", Invalid("quality", "must be good, uncertain, bad or a status code of OPC (got %s)", Quote(string(q)))
}

// endsWord reports whether a word ends where rest begins: names of status codes continue with a capital letter.
func endsWord(rest string) bool {
	for _, r := range rest {
		return !unicode.IsLower(r)
	}
	return true
}

// parseCode parses a status code, decimal or hexadecimal. It accepts negative numbers: some languages have no unsigned
// integers.
func parseCode(text string) (uint32, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = hex, 16
	}
	code, err := strconv.ParseInt(text, base, 64)
	return uint32(code), err == nil && code >= math.MinInt32 && code <= math.MaxUint32
}

// qualityOfCode returns the quality of a status code, empty if the code has none. OPC UA has the quality in the two highest
// of 32 bits; its reserved value counts as bad. OPC DA has it in the two highest of 8 bits, and the other 24 bits are 0.
// The code 0 is good in OPC UA and bad in OPC DA: it counts as OPC UA's, because those are the codes that are sent as JSON.
// See OPC 10000-4, 7.39, and OPC Data Access 3.0, 6.8.
func qualityOfCode(code uint32) Quality {
	if code > 0 && code <= math.MaxUint8 {
		return [...]Quality{Bad, Uncertain, "", Good}[code>>6]
	}
	return [...]Quality{Good, Uncertain, Bad, Bad}[code>>30]
}
