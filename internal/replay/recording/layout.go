package recording

import (
	"encoding/csv"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Layout is the format of a recording. A field that is zero is detected, or has its default.
type Layout struct {
	// Encoding is one that ParseEncoding returns; empty is UTF-8 or, with a byte order mark, UTF-16.
	Encoding string
	// Delimiter separates the fields; Blanks is any number of blanks and tabs; 0 is detected.
	Delimiter rune
	// Skip is the number of lines to leave out at the beginning.
	Skip int
	// Comment is the beginning of lines to leave out; empty for none.
	Comment string
	// NoHeader is set if the first line is a row. The names of the columns are then their numbers, from 1.
	NoHeader bool
	// Columns are the names of the columns, in place of those in the header; fewer name the first ones.
	Columns []string
	// TimeColumns are the names of the columns with the time, whose cells are joined by a blank. A single name that no column has
	// may be a list of names, separated by commas. Empty is detected.
	TimeColumns []string
	TimeFormat  TimeFormat
	// Date has the parts of the date that the format lacks.
	Date Date
	// Zone is the time zone of times without an offset; nil is UTC.
	Zone *time.Location
	// Numbers is the format of the values.
	Numbers Numbers
}

// IsZero reports whether everything is detected, or has its default.
func (l Layout) IsZero() bool { return reflect.ValueOf(l).IsZero() }

// ParseList reads names separated by commas; one that has a comma in it is quoted as in CSV.
func ParseList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	names, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("must be a list separated by commas, each quoted if it has a comma itself (got %q)", text)
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names, nil
}

// FormatList writes names so that ParseList reads them.
func FormatList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		if quoted[i] = name; strings.ContainsAny(name, ",\"\n") || name != strings.TrimSpace(name) || name == "" {
			quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return strings.Join(quoted, ",")
}

// ParseZone reads the name of a zone, such as Asia/Shanghai, or an offset, such as +08:00. Empty is UTC.
func ParseZone(text string) (*time.Location, error) {
	if location, err := time.LoadLocation(text); err == nil && !strings.EqualFold(text, "local") {
		return location, nil
	}
	s := scanner{text: text}
	if offset, ok := s.offset(); ok && s.pos == len(text) {
		return time.FixedZone(text, offset), nil
	}
	return nil, fmt.Errorf("unknown time zone %s (a place such as Asia/Shanghai, or an offset such as +08:00)", text)
}

// Find returns the index of the column that is called so, or whose number it is. The error shows the columns there are.
func (t *Table) Find(name string) (int, error) {
	name = strings.TrimSpace(name)
	if i := slices.Index(t.Columns, name); i >= 0 {
		if slices.Contains(t.Columns[i+1:], name) {
			return 0, mistake("two columns are called %q: say which by its number, %d or %d", name, i+1, i+2+slices.Index(t.Columns[i+1:], name))
		}
		return i, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(t.Columns) {
		return n - 1, nil
	}
	return 0, mistake("no column is called %q (columns: %s)", name, t.names())
}

// names lists the columns for a message.
func (t *Table) names() string { return QuoteAll(t.Columns) }

// maxListed bounds the names in a message.
const maxListed = 40

// QuoteAll lists names for a message. It lists the first ones only, with the number of the others.
func QuoteAll(names []string) string {
	listed := names[:min(len(names), maxListed)]
	quoted := make([]string, len(listed))
	for i, name := range listed {
		quoted[i] = strconv.Quote(name)
	}
	if more := len(names) - len(listed); more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(quoted, ", ")
}
