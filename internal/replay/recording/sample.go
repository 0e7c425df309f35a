package recording

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// sampleRows is how many records are looked at.
const sampleRows = 500

// maxHeadings is the largest number of lines below a header that describe the columns.
const maxHeadings = 3

// sample is the beginning of a recording, from which its format is detected.
type sample struct {
	text      []byte
	end       byte
	delimiter rune
	// header has the names of the columns. headerReason describes what is wrong with it.
	header       []string
	headerLine   int
	headerReason string
	// inComment is set if the header is the last comment above the rows.
	inComment bool
	// headings are records below the header that describe the columns; rows are those after them.
	headings, rows []sampleRow
	// width is how many fields rows have, but for empty ones at the end; unnamed is 1 where the header leaves the first out.
	width, unnamed int
	notes          []string
}

type sampleRow struct {
	line  int
	text  string
	cells []string
}

// newSample reads the beginning of a text, and adds the detected properties to the layout.
func newSample(d *decodedText, layout *Layout) *sample {
	s := &sample{text: d.sample, end: lineEnd(d.sample)}
	if !d.whole {
		if last := bytes.LastIndexByte(s.text, s.end); last >= 0 {
			s.text = s.text[:last+1]
		}
	}
	if delimiter, ok := announcedDelimiter(s.text, s.end); ok {
		layout.Skip = max(layout.Skip, 1)
		if layout.Delimiter == 0 {
			layout.Delimiter = delimiter
		}
		s.notes = append(s.notes, fmt.Sprintf("line 1 says that the delimiter is %q", delimiter))
	}
	if layout.Delimiter == 0 {
		layout.Delimiter = s.detectDelimiter(*layout)
	}
	s.delimiter = layout.Delimiter
	s.cutRows(*layout)
	return s
}

// announcedDelimiter returns the delimiter in Excel's line "sep=;".
func announcedDelimiter(text []byte, end byte) (rune, bool) {
	line, _, _ := bytes.Cut(text, []byte{end})
	content := strings.Trim(strings.TrimSpace(string(line)), `"`)
	if len(content) < 5 || !strings.EqualFold(content[:4], "sep=") {
		return 0, strings.EqualFold(content, "sep=") && bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte("=\t"))
	}
	if strings.EqualFold(content[4:], `\t`) {
		return '\t', true
	}
	r, size := utf8.DecodeRuneInString(content[4:])
	return r, size == len(content)-4 && r != utf8.RuneError
}

// records splits the sample by a layout. It leaves out what cannot be read.
func (s *sample) records(layout Layout, delimiter rune) (rows []sampleRow, lastComment string) {
	lines := lineReader{
		text: bufio.NewReaderSize(bytes.NewReader(s.text), 4096), end: s.end, comment: layout.Comment, split: splitter{delimiter},
	}
	for range layout.Skip {
		if _, err := lines.readLine(); err != nil {
			return nil, ""
		}
	}
	for len(rows) < sampleRows {
		r, err := lines.next()
		if err != nil {
			break
		}
		if len(rows) == 0 {
			lastComment = lines.lastComment
		}
		cells, reason := lines.split.split(r.text, nil)
		if reason != "" && len(rows) > 0 {
			continue
		}
		rows = append(rows, sampleRow{r.line, r.text, cells})
	}
	return rows, lastComment
}

// detectDelimiter returns the candidate that cuts header and rows into the most fields, most rows into as many; or the
// comma, if there is only one column. Blanks count only where nothing else does.
func (s *sample) detectDelimiter(layout Layout) rune {
	best, most := rune(0), 1
	lonely, lonelyMost := ',', 1
	for _, candidate := range []rune{',', ';', '\t', '|', Blanks} {
		rows, _ := s.records(layout, candidate)
		if len(rows) == 0 || candidate == Blanks && (best != 0 || lonelyMost > 1) {
			continue
		}
		usual, alike := usualWidth(rows)
		if !alike {
			continue
		}
		if fields := min(len(rows[0].cells), usual); fields > most {
			best, most = candidate, fields
		}
		if usual > lonelyMost && (candidate != Blanks || usual > 2) {
			lonely, lonelyMost = candidate, usual
		}
	}
	if best == 0 {
		return lonely
	}
	return best
}

// usualWidth returns how many fields most rows have, and whether half of them have as many. The first half does not count:
// titles and comments may be there.
func usualWidth(rows []sampleRow) (width int, alike bool) {
	rows = rows[len(rows)/2:]
	counts := make(map[int]int)
	for _, r := range rows {
		counts[len(r.cells)]++
	}
	for fields, n := range counts {
		if n > counts[width] || n == counts[width] && fields > width {
			width = fields
		}
	}
	return width, 2*counts[width] >= len(rows)
}

// cutRows finds the header, and the lines above and below it.
func (s *sample) cutRows(layout Layout) {
	rows, lastComment := s.records(layout, layout.Delimiter)
	if len(rows) == 0 {
		return
	}
	if !layout.NoHeader {
		first := rows[0]
		s.header, s.headerLine = first.cells, first.line
		if _, reason := (splitter{layout.Delimiter}).split(first.text, nil); reason != "" {
			s.headerReason = reason
		}
		if names, _ := (splitter{layout.Delimiter}).split(lastComment, nil); len(names) > 1 && len(names) == len(first.cells) && holdsValues(first.cells) && !holdsValues(names) {
			s.header, s.inComment, s.headerReason = names, true, ""
			s.notes = append(s.notes, fmt.Sprintf("the header is the last comment, above line %d", first.line))
		} else {
			rows = rows[1:]
		}
	}
	for len(rows) > 0 && len(s.headings) < maxHeadings && !layout.NoHeader && isHeading(rows[0].cells) {
		s.headings, rows = append(s.headings, rows[0]), rows[1:]
	}
	s.rows = rows
	s.measure()
}

// measure finds out how wide the rows are.
func (s *sample) measure() {
	names := len(s.header)
	if len(s.rows) == 0 {
		s.width = names
		return
	}
	s.width, _ = usualWidth(s.rows)
	empty := func(from int) bool {
		return !slices.ContainsFunc(s.rows, func(r sampleRow) bool {
			return len(r.cells) > from && strings.TrimSpace(strings.Join(r.cells[from:], "")) != ""
		})
	}
	for s.header != nil && s.width > names && empty(s.width-1) {
		s.width--
	}
	switch {
	case s.header == nil || s.width == names:
	case s.width == names+1 && s.firstIsUnnamed():
		s.unnamed = 1
		s.notes = append(s.notes, "the rows have one field more than the header: the first column has no name and is called 1")
	case s.width > names:
		s.notes = append(s.notes, fmt.Sprintf("the header names %d columns, the rows have %d: the others are called by their numbers", names, s.width))
	default:
		s.notes = append(s.notes, fmt.Sprintf("the header names %d columns, most rows have %d: the others are empty there", names, s.width))
	}
}

// firstIsUnnamed reports whether the header has no name for the first field of the rows, such as a row number.
func (s *sample) firstIsUnnamed() bool {
	numbers, last := true, -1.0
	for _, r := range s.rows {
		value, err := new(Numbers).Read(r.cells[0])
		numbers = numbers && err == nil && value.Word == "" && value.Unit == "" && value.Number > last && value.Number == float64(int64(value.Number))
		last = value.Number
	}
	if numbers {
		return true
	}
	var c clock
	for i, name := range s.header {
		if !slices.Contains(timeNames, foldName(name)) {
			continue
		}
		shifted, plain := 0, 0
		for _, r := range s.rows {
			if len(r.cells) == s.width {
				if _, err := c.read(r.cells[i+1]); err == nil {
					shifted++
				}
				if _, err := c.read(r.cells[i]); err == nil {
					plain++
				}
			}
		}
		return shifted > plain
	}
	return false
}

// least returns how many fields a row has at least: fields at the end may be left out if no row has anything there, if
// they have no name, or if most rows leave them out.
func (s *sample) least(names []string) int {
	least := max(s.width, len(names))
	if s.width < least {
		return s.width
	}
	for least > 1 && len(s.rows) > 0 {
		named := least-1-s.unnamed < len(names) && strings.TrimSpace(names[least-1-s.unnamed]) != ""
		filled := slices.ContainsFunc(s.rows, func(r sampleRow) bool { return len(r.cells) >= least && trim(r.cells[least-1]) != "" })
		if filled || named && !slices.ContainsFunc(s.rows, func(r sampleRow) bool { return len(r.cells) >= least }) {
			break
		}
		least--
	}
	return least
}

// align cuts or fills the cells of a sample to n.
func (s *sample) align(cells []string, n int) []string {
	cells = slices.Clone(cells[:min(len(cells), n)])
	for len(cells) < n {
		cells = append(cells, "")
	}
	return cells
}

// holdsValues reports whether a cell is a number or a date.
func holdsValues(cells []string) bool {
	return slices.ContainsFunc(cells, func(cell string) bool {
		if _, isDate := parseISO(trim(cell)); isDate {
			return true
		}
		value, err := new(Numbers).Read(cell)
		return err == nil && value.Word == "" && value.Unit == ""
	})
}

// isHeading reports whether a record below the header describes the columns, such as their units: none of its cells begins like a
// value. The widths of columns in tables of the USGS, such as 5s, are not values.
func isHeading(cells []string) bool {
	some := false
	widths := true
	for _, cell := range cells {
		cell = trim(cell)
		some = some || !missingWords[strings.ToLower(cell)]
		digits := strings.TrimLeft(cell, "0123456789")
		widths = widths && cell != digits && (digits == "s" || digits == "n" || digits == "d")
	}
	begins := slices.ContainsFunc(cells, func(cell string) bool {
		cell = strings.TrimLeft(trim(cell), "+-.,")
		return cell != "" && cell[0]-'0' <= 9
	})
	return some && (widths || !begins)
}
