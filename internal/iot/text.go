package iot

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// DefaultMaxText is the default maximum length of each text of a reading, in bytes. It also bounds the alerts, summaries
// and states, which repeat these texts.
const DefaultMaxText = 128

// normalizeTexts checks location, model and firmware of r and puts them into canonical form.
func normalizeTexts(r *Reading, limit int) error {
	if fit(r.Location.Building, limit) && fit(r.Location.Room, limit) && fit(r.Metadata.Model, limit) && fit(r.Metadata.Firmware, limit) {
		return nil // Nearly always.
	}
	l, m := &r.Location, &r.Metadata
	return cmp.Or(
		normalizeText("location.building", &l.Building, limit),
		normalizeText("location.room", &l.Room, limit),
		normalizeText("metadata.model", &m.Model, limit),
		normalizeText("metadata.firmware", &m.Firmware, limit),
	)
}

// fit reports whether a text is within the limit and canonical by the quick test.
func fit(text string, limit int) bool { return len(text) <= limit && canonical(text) }

// CheckedReason returns why something is decided as it is stored: a text of one line, at most MaxReason bytes long. The error says what is wrong with it.
func CheckedReason(reason string) (string, error) {
	err := normalizeText("reason", &reason, MaxReason)
	return reason, err
}

// NeededReason returns why something is decided that needs a reason, as CheckedReason does, at most limit bytes long. One without anything that can be seen
// is missing. The error is an *InvalidError about field.
func NeededReason(field, reason string, limit int) (string, error) {
	if err := normalizeText(field, &reason, limit); err != nil {
		return "", err
	}
	if !strings.ContainsFunc(reason, visible) {
		return "", Invalid(field, "missing: say why, for those who read later why nobody was notified")
	}
	return reason, nil
}

// visible reports whether a character leaves a mark.
func visible(r rune) bool {
	const blankBraille = '\u2800'
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && r != blankBraille
}

// cutText cuts a text that is longer than limit bytes between two characters, and ends it with an ellipsis.
func cutText(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// normalizeText puts a text into Unicode's form NFC, without white space around it. Texts that look equal then are equal,
// so one filter matches all of them.
func normalizeText(field string, text *string, limit int) error {
	if fit(*text, limit) {
		return nil // Nearly always.
	}
	if err := checkSize(field, *text, limit); err != nil {
		return err
	}
	if !utf8.ValidString(*text) {
		return Invalid(field, "not valid UTF-8 (got %s)", Quote(*text))
	}
	clean := norm.NFC.String(strings.TrimFunc(*text, unicode.IsSpace))
	if err := checkSize(field, clean, limit); err != nil {
		return err
	}
	for _, r := range clean {
		if kind := unfit(r); kind != "" {
			return Invalid(field, "contains %s, %U (got %s)", kind, r, Quote(clean))
		}
	}
	*text = clean
	return nil
}

func checkSize(field, text string, limit int) error {
	if len(text) > limit {
		return Invalid(field, "longer than %d bytes (got %d)", limit, len(text))
	}
	return nil
}

// Canonical returns the id in the form that admitted readings have, so that a device is found by the id as it was sent.
func (id DeviceID) Canonical() DeviceID { return DeviceID(norm.NFC.String(string(id))) }

// normalizeID checks an id and puts it into form NFC; see normalizeKey.
func normalizeID(id *DeviceID) error {
	return normalizeKey("device_id", (*string)(id), MaxIDLength)
}

// normalizeKey checks a text by which people and programs refer to something, such as an id or the name of a rule, and puts
// it into form NFC. The text must not be empty. Characters that would make two different keys look equal are refused: people
// see them in pages, URLs, exports and messages.
func normalizeKey(field string, key *string, limit int) error {
	text := *key
	if text != "" && fit(text, limit) && text[0] != '.' {
		return nil // Nearly always.
	}
	switch {
	case text == "":
		return Invalid(field, "missing")
	case fit(text, limit) && text[0] != '.':
		return nil // Nearly always.
	case len(text) > limit:
		return checkSize(field, text, limit)
	case !utf8.ValidString(text):
		return Invalid(field, "not valid UTF-8 (got %s)", Quote(text))
	case text == "." || text == "..":
		return Invalid(field, "must not be %q: it cannot be part of a URL", text)
	case strings.TrimFunc(text, unicode.IsSpace) != text:
		return Invalid(field, "has white space around it (got %s)", Quote(text))
	}
	text = norm.NFC.String(text)
	if err := checkSize(field, text, limit); err != nil {
		return err
	}
	before := rune(0)
	for at, r := range text {
		kind := unfit(r)
		if kind == "" {
			kind = unfitInID(r, before, text[at+utf8.RuneLen(r):])
		}
		if kind != "" {
			return Invalid(field, "contains %s, %U (got %s)", kind, r, Quote(text))
		}
		before = r
	}
	*key = text
	return nil
}

// unfit returns why no text may contain the rune, empty if it may: nobody can type, see or store it, or it changes the
// order in which the rest is displayed.
func unfit(r rune) string {
	switch {
	case unicode.Is(unicode.Cc, r), r == '\u2028', r == '\u2029':
		return "a control character"
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return "a character that changes the direction of writing"
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		return "a code point that is not a character"
	case r == '\u200b', r == '\u2060', r == '\ufeff', r >= '\u2061' && r <= '\u2064', r >= 0xe0000 && r <= 0xe007f:
		return "an invisible character"
	}
	return ""
}

// unfitInID returns why an id may not contain the rune although other texts may, empty if it may. Joiners are allowed
// between two letters of a script that needs them.
func unfitInID(r, before rune, after string) string {
	next, _ := utf8.DecodeRuneInString(after)
	switch {
	case (r == zeroWidthJoiner || r == zeroWidthNonJoiner) && joining(before) && joining(next):
		return ""
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return "an invisible character"
	case unicode.Is(unicode.Zs, r) && r != ' ' && r != '\u3000':
		return "a space other than the usual one"
	case r == utf8.RuneError:
		return "U+FFFD, which replaces bytes lost in a conversion"
	}
	return ""
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// joining reports whether r belongs to a script that uses joiners within words.
func joining(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Devanagari, unicode.Bengali,
		unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam,
		unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// canonical is the quick test for canonical form: printable ASCII and common letters that do not combine with others,
// without white space around. False means that only the full test can decide.
func canonical(text string) bool {
	if len(text) == 0 {
		return true
	}
	if text[0] == ' ' || text[len(text)-1] == ' ' {
		return false
	}
	if len(text) < 8 {
		return printable(text, 0)
	}
	for at := 0; ; at += 8 {
		at = min(at, len(text)-8) // The last eight may overlap with those before.
		// A byte is not printable if its high bit is set, if it is less than a space, or if it is DEL.
		if word := eight(text[at:]); (word|(word-' '*everyByte)|(word+everyByte))&highBits != 0 {
			return common(text[at:])
		}
		if at == len(text)-8 {
			return true
		}
	}
}

// printable reports whether a text is canonical from the index on, byte by byte.
func printable(text string, at int) bool {
	for ; at < len(text); at++ {
		if text[at] < ' ' || text[at] > '~' {
			return common(text[at:])
		}
	}
	return true
}

// eight returns the first eight bytes as one word; the compiler turns it into a single load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// common reports whether all runes of a text are visible, never combine and are their own canonical form: printable ASCII,
// Chinese, and Latin, Greek and Cyrillic letters.
func common(text string) bool {
	for _, r := range text {
		switch {
		case r >= ' ' && r <= '~':
		case r >= 0x4e00 && r <= 0x9fff: // CJK unified ideographs.
		case r >= 0xb0 && r <= 0x17f: // From the degree sign to the end of Latin Extended-A.
		case r >= 0x391 && r <= 0x3c9 && r != 0x3a2: // Greek.
		case r >= 0x410 && r <= 0x44f: // Cyrillic.
		default:
			return false
		}
	}
	return true
}

// maxQuoted is the maximum number of bytes that an error message quotes from a text. Messages go into headers, logs and
// HTTP answers.
const maxQuoted = 48

// Quote returns a text as an error message shows it: in quotes, truncated, with unprintable characters escaped.
func Quote(text string) string {
	if len(text) <= maxQuoted {
		return strconv.Quote(text)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.Quote(text[:cut]) + "…"
}

// QuoteNames lists names for an error message: sorted, the first few of many, each truncated.
func QuoteNames(names iter.Seq[string]) string {
	const most = 8
	sorted := slices.Sorted(names)
	more := max(0, len(sorted)-most)
	quoted := make([]string, 0, most+1)
	for _, name := range sorted[:len(sorted)-more] {
		quoted = append(quoted, Quote(name))
	}
	if more > 0 {
		quoted = append(quoted, fmt.Sprintf("%d more", more))
	}
	if len(quoted) == 0 {
		return "none"
	}
	return strings.Join(quoted, ", ")
}
