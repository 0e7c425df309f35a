package iot

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// parseValueText turns r.ValueText into r.Value, and r.Unit if the spelling has one. What a text means depends on the type: "ON"
// is a state of a switch and no temperature.
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

// fold returns a text as it is compared: without white space around it, with the digits and signs of other keyboards as ASCII.
func fold(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(norm.NFKC.String(text)), "\u2212", "-") // The minus sign of typesetters.
}

// state returns the value of the state that a text names: by its name in any case and, where there are two, true or false.
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

// ParseNumber reads a decimal number, as people and devices write it. It takes no hexadecimal, no NaN and no infinity, and
// no comma: 1,234 is two numbers.
func ParseNumber(text string) (float64, bool) {
	if text == "" || strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' && r != 'e' && r != 'E'
	}) >= 0 {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil
}

// splitUnit splits a text such as "13.6 °C" if the unit is one of the type.
func splitUnit(text string, spec *TypeSpec) (value float64, unit string, ok bool) {
	end := numberEnd(text)
	value, isNumber := ParseNumber(text[:end])
	unit = strings.TrimSpace(text[end:])
	_, known := convert(0, unit, spec.Unit)
	return value, unit, isNumber && known && unit != ""
}

// numberEnd returns where the number ends that a text begins with.
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

// sameUnit reports whether the unit that a reading names beside its value is the one in the value, or none.
func sameUnit(beside, within string) bool {
	return beside == "" || foldUnit(beside) == foldUnit(within)
}

// valueError says why a text is no value of the type, and what would be one.
func valueError(r *Reading, spec *TypeSpec, text string) error {
	quoted := Quote(r.ValueText)
	if len(spec.States) > 0 {
		return Invalid("value", "no state of %s (got %s; states: %s)", spec.Name, quoted, Quote(strings.Join(spec.States, ", ")))
	}
	switch lower := strings.Trim(strings.ToLower(text), "+-"); {
	case lower == "nan" || lower == "inf" || lower == "infinity":
		return Invalid("value", "not a finite number (got %s)", quoted)
	case lower == "true" || lower == "false" || lower == "on" || lower == "off":
		return Invalid("value", "must be a number for %s; only a type with states takes this (got %s)", spec.Name, quoted)
	case strings.Contains(text, ","):
		return Invalid("value", "must be a number with a point and without separators (got %s)", quoted)
	}
	return Invalid("value", "must be a number, %s takes no other text (got %s)", spec.Name, quoted)
}

// normalizeStatus reads a status in any case.
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

// normalizeQuality reads a quality in any of the spellings of OPC: the words in any case, the names of status codes that
// begin with them, such as BadNoCommunication, the codes of OPC UA and those of OPC DA.
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

// endsWord reports whether a word ends where rest begins: the names of status codes go on with a capital.
func endsWord(rest string) bool {
	for _, r := range rest {
		return !unicode.IsLower(r)
	}
	return true
}

// parseCode reads a status code, decimal or hexadecimal, signed by those whose language has no other numbers.
func parseCode(text string) (uint32, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = hex, 16
	}
	code, err := strconv.ParseInt(text, base, 64)
	return uint32(code), err == nil && code >= math.MinInt32 && code <= math.MaxUint32
}

// qualityOfCode returns what a status code says, empty if it says nothing. OPC UA has the quality in the two highest of 32
// bits, and what is reserved there counts as bad. OPC DA has it in the two highest of 8, and the rest is 0. They meet in 0,
// which is good to one and bad to the other: it is taken as OPC UA's, whose codes are the ones that travel as JSON.
// See OPC 10000-4, 7.39, and OPC Data Access 3.0, 6.8.
func qualityOfCode(code uint32) Quality {
	if code > 0 && code <= math.MaxUint8 {
		return [...]Quality{Bad, Uncertain, "", Good}[code>>6]
	}
	return [...]Quality{Good, Uncertain, Bad, Bad}[code>>30]
}
