package recording

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Table is a recording that is being read row by row. It is not safe for concurrent use.
type Table struct {
	// Columns are the names, without blanks around them. A column without a name is called by its number, from 1.
	Columns []string
	// TimeColumns are the indexes of the columns with the time.
	TimeColumns []int
	// Notes are remarks about the detected format that may surprise the user.
	Notes []string

	layout Layout
	text   *decodedText
	lines  lineReader
	clock  clock
	// least is how many fields a row has at least: at the end of the columns some are often left out.
	least int
	// headings are the lines below the header that are no rows.
	headings []int
	cells    []string
	line     int
}

// Row is one row. Its cells are valid until the next one is read.
type Row struct {
	Line  int
	Time  time.Time
	Cells []string
}

// Open reads the beginning of a recording and detects the properties that layout does not set. The error is a *LayoutError if the
// user can correct it.
func Open(text io.Reader, layout Layout) (*Table, error) {
	t, s, err := openTable(text, layout)
	if err != nil {
		return nil, err
	}
	if err := t.findTime(s); err != nil {
		return nil, err
	}
	t.skipHeadings(s)
	return t, nil
}

// openTable does all but find the time.
func openTable(text io.Reader, layout Layout) (*Table, *sample, error) {
	decoded, err := decodeText(text, layout.Encoding)
	if err != nil {
		return nil, nil, err
	}
	return newTable(decoded, layout)
}

// newTable reads up to the first row.
func newTable(decoded *decodedText, layout Layout) (*Table, *sample, error) {
	layout.Encoding = decoded.encoding
	t := &Table{layout: layout, text: decoded}
	s := newSample(decoded, &t.layout)
	t.lines = lineReader{
		text: decoded.Reader, end: s.end, comment: t.layout.Comment, split: splitter{t.layout.Delimiter},
	}
	for range t.layout.Skip {
		if _, err := t.lines.readLine(); err == io.EOF {
			return nil, nil, mistake("-skip %d leaves nothing of %d lines", t.layout.Skip, t.lines.line)
		} else if err != nil {
			return nil, nil, mistake("skip line %d: %w", t.lines.line+1, err)
		}
	}
	if err := t.readHeader(s); err != nil {
		return nil, nil, err
	}
	return t, s, nil
}

// Next returns the next row. A *RowError concerns that row alone; io.EOF is the end; any other error is final.
func (t *Table) Next() (Row, error) {
	cells, err := t.nextCells()
	if err != nil {
		return Row{}, err
	}
	at, err := t.clock.read(t.timeCell(cells))
	if err != nil {
		return Row{}, &RowError{t.line, "timestamp", err.Error()}
	}
	return Row{Line: t.line, Time: at, Cells: cells}, nil
}

// nextCells returns the cells of the next row, as many as there are columns.
func (t *Table) nextCells() ([]string, error) {
	r, err := t.lines.next()
	if errors.Is(err, errRecordTooLong) {
		return nil, fmt.Errorf("a record has more than %d bytes; is there a quote left open after line %d?", maxRecordBytes, t.line)
	}
	if err != nil {
		return nil, err
	}
	t.line = r.line
	if slices.Contains(t.headings, r.line) {
		return t.nextCells()
	}
	cells, reason := t.lines.split.split(r.text, t.cells[:0])
	t.cells = cells
	if reason != "" {
		return nil, &RowError{r.line, "row", reason}
	}
	return t.fit(cells)
}

// fit cuts or fills a row to as many cells as there are columns. Nothing that holds something is cut off, and nothing is
// filled up where something may be missing.
func (t *Table) fit(cells []string) ([]string, error) {
	want, got := len(t.Columns), len(cells)
	for len(cells) > want && trim(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	for len(cells) < want && len(cells) >= t.least {
		cells = append(cells, "")
	}
	t.cells = cells
	if len(cells) != want {
		return nil, &RowError{t.line, "row", fmt.Sprintf("must have %d fields (got %d)", want, got)}
	}
	return cells, nil
}

// timeCell returns the text that the time of a row is read from.
func (t *Table) timeCell(cells []string) string { return joinTime(cells, t.TimeColumns) }

// joinTime joins the cells with the time by a blank. Spreadsheets make 2018.0 of a year: such a fraction does not count
// where the time is made of several.
func joinTime(cells []string, columns []int) string {
	if len(columns) == 1 {
		return cells[columns[0]]
	}
	parts := make([]string, len(columns))
	for i, column := range columns {
		parts[i] = trim(cells[column])
		if whole, behind, ok := strings.Cut(parts[i], "."); ok && len(whole) <= 4 && strings.Trim(whole, "0123456789") == "" && strings.Trim(behind, "0") == "" {
			parts[i] = whole
		}
	}
	return strings.Join(parts, " ")
}

// Offset returns about how many bytes of the file have been read.
func (t *Table) Offset() int64 { return t.text.raw.n }

// Backwards reports whether the rows come newest first.
func (t *Table) Backwards() bool { return t.clock.backwards }

// Numbers returns how the values of the recording are written.
func (t *Table) Numbers() *Numbers { return &t.layout.Numbers }

// readHeader sets the names of the columns, from the header, from the last comment above the rows, or from the layout.
func (t *Table) readHeader(s *sample) error {
	names := s.header
	if !t.layout.NoHeader && !s.inComment {
		if _, err := t.lines.next(); err == io.EOF {
			return mistake("there is no header after %d lines", t.lines.line)
		} else if err != nil {
			return mistake("read the header: %w", err)
		}
	}
	if len(t.layout.Columns) == 0 && !t.layout.NoHeader && !s.inComment && allNumbers(names) {
		return mistake("line %d looks like data, not like the names of columns (%s); put a header above it, or say -no-header", s.headerLine, abbreviate(QuoteAll(names)))
	}
	if s.headerReason != "" {
		return mistake("read the header: line %d: %s", s.headerLine, s.headerReason)
	}
	t.Columns = make([]string, max(s.width, len(names)))
	for i := range t.Columns {
		at := i - s.unnamed
		if at >= 0 && at < len(names) {
			t.Columns[i] = trim(names[at])
		}
		if !utf8.ValidString(t.Columns[i]) {
			return t.notUTF8(t.Columns[i])
		}
	}
	if len(t.layout.Columns) > len(t.Columns) {
		return mistake("-columns names %d columns, and there are %d", len(t.layout.Columns), len(t.Columns))
	}
	for i, name := range t.layout.Columns {
		t.Columns[i] = strings.TrimSpace(name)
	}
	for i, name := range t.Columns {
		if name == "" {
			t.Columns[i] = fmt.Sprint(i + 1)
		}
	}
	t.least = s.least(names)
	t.Notes = append(t.Notes, s.notes...)
	return nil
}

// allNumbers reports whether there is nothing but numbers.
func allNumbers(cells []string) bool {
	some := false
	for _, cell := range cells {
		value, err := new(Numbers).Read(cell)
		if trim(cell) != "" && (err != nil || value.Unit != "" || value.Word != "") {
			return false
		}
		some = some || err == nil
	}
	return some
}

// notUTF8 returns the error about a name that is not UTF-8, with the possible encodings as flags.
func (t *Table) notUTF8(name string) error {
	var text strings.Builder
	for _, r := range likelyEncodings(name) {
		fmt.Fprintf(&text, "; -encoding %s reads %q", r.Encoding, r.Text)
	}
	return mistake("the names of the columns are not UTF-8: say with -encoding what they are%s", text.String())
}

// skipHeadings skips the lines below the header that describe the columns, such as their units.
func (t *Table) skipHeadings(s *sample) {
	for _, r := range s.headings {
		c := t.clock
		if _, err := c.read(t.timeCell(s.align(r.cells, len(t.Columns)))); err == nil {
			return
		}
		t.headings = append(t.headings, r.line)
		t.Notes = append(t.Notes, fmt.Sprintf("line %d below the header is not a row: %s", r.line, abbreviate(r.text)))
	}
}

// abbreviate shortens a text for a message.
func abbreviate(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + " …"
}

// without returns the list without the indexes.
func without(n int, indexes []int) []int {
	var rest []int
	for i := range n {
		if !slices.Contains(indexes, i) {
			rest = append(rest, i)
		}
	}
	return rest
}
