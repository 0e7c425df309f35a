package recording

import (
	"strings"
	"unicode/utf8"
)

// Blanks as a delimiter means any number of blanks and tabs.
const Blanks = ' '

const (
	errBareQuote  = `bare " in non-quoted-field`
	errOpenQuote  = `extraneous or missing " in quoted-field`
	blanksAndTabs = " \t"
)

// splitter cuts one record into fields. Fields may be quoted as RFC 4180 has it; blanks in front of a quote do not count.
type splitter struct{ delimiter rune }

// split appends the fields to dst. The reason is not empty for a record that is not well-formed.
func (s splitter) split(text string, dst []string) (fields []string, reason string) {
	if s.delimiter == Blanks {
		return s.splitBlanks(text, dst)
	}
	if strings.IndexByte(text, '"') < 0 {
		return s.cut(text, dst), ""
	}
	for {
		field := strings.TrimLeft(text, s.blanks())
		if !strings.HasPrefix(field, `"`) {
			end, next := s.find(text)
			if strings.IndexByte(text[:end], '"') >= 0 {
				return dst, errBareQuote
			}
			dst = append(dst, text[:end])
			if next < 0 {
				return dst, ""
			}
			text = text[next:]
			continue
		}
		value, rest, ok := unquote(field[1:])
		if !ok {
			return dst, errOpenQuote
		}
		dst = append(dst, value)
		rest = strings.TrimLeft(rest, s.blanks())
		if rest == "" {
			return dst, ""
		}
		r, size := utf8.DecodeRuneInString(rest)
		if r != s.delimiter {
			return dst, errOpenQuote
		}
		text = rest[size:]
	}
}

// blanks returns the characters that are skipped between a delimiter and a quote.
func (s splitter) blanks() string {
	if s.delimiter == '\t' {
		return " "
	}
	return blanksAndTabs
}

// find returns where the field at the beginning of text ends and the next one begins, -1 if it is the last.
func (s splitter) find(text string) (end, next int) {
	i := strings.IndexRune(text, s.delimiter)
	if i < 0 {
		return len(text), -1
	}
	return i, i + utf8.RuneLen(s.delimiter)
}

func (s splitter) cut(text string, dst []string) []string {
	for {
		end, next := s.find(text)
		dst = append(dst, text[:end])
		if next < 0 {
			return dst
		}
		text = text[next:]
	}
}

func (s splitter) splitBlanks(text string, dst []string) ([]string, string) {
	for {
		text = strings.TrimLeft(text, blanksAndTabs)
		if text == "" {
			return dst, ""
		}
		if text[0] == '"' {
			value, rest, ok := unquote(text[1:])
			if !ok || rest != "" && !strings.ContainsRune(blanksAndTabs, rune(rest[0])) {
				return dst, errOpenQuote
			}
			dst, text = append(dst, value), rest
			continue
		}
		end := strings.IndexAny(text, blanksAndTabs)
		if end < 0 {
			end = len(text)
		}
		dst, text = append(dst, text[:end]), text[end:]
	}
}

// unquote returns the quoted text up to its closing quote and what comes after it.
func unquote(text string) (value, rest string, ok bool) {
	end := strings.IndexByte(text, '"')
	if end < 0 {
		return "", "", false
	}
	if !strings.HasPrefix(text[end+1:], `"`) {
		return text[:end], text[end+1:], true
	}
	var unescaped strings.Builder
	for {
		unescaped.WriteString(text[:end])
		text = text[end+1:]
		if !strings.HasPrefix(text, `"`) {
			return unescaped.String(), text, true
		}
		unescaped.WriteByte('"')
		text = text[1:]
		if end = strings.IndexByte(text, '"'); end < 0 {
			return "", "", false
		}
	}
}

// leavesOpen reports whether a quoted field goes on in the next line, given whether one was open before this line.
func (s splitter) leavesOpen(line string, open bool) bool {
	if strings.IndexByte(line, '"') < 0 {
		return open
	}
	for {
		if open {
			_, rest, ok := unquote(line)
			if !ok {
				return true
			}
			line, open = rest, false
		}
		// A quote opens a field only at its beginning.
		if s.delimiter == Blanks {
			i := strings.Index(" "+line, ` "`)
			if j := strings.Index(line, "\t\""); j >= 0 && (i < 0 || j+1 < i) {
				i = j + 1
			}
			if i < 0 {
				return false
			}
			line, open = line[i+1:], true
			continue
		}
		field := strings.TrimLeft(line, s.blanks())
		if strings.HasPrefix(field, `"`) {
			line, open = field[1:], true
			continue
		}
		_, next := s.find(line)
		if next < 0 {
			return false
		}
		line = line[next:]
	}
}
