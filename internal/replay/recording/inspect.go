package recording

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Report describes the detected format of a recording.
type Report struct {
	// Layout reads the recording. It may lack a date that only the user can know.
	Layout Layout
	// Encoding is the encoding of the text, Others the other possible ones. Mark is set if the text begins with a byte order
	// mark.
	Encoding string
	Mark     bool
	Others   []Rendering
	// HeaderLine is 0 if there is no header.
	HeaderLine int
	Notes      []string
	// Times are the possible ways to read the times, the most likely first. The rest of the report reads them in the first way.
	Times []TimeReport
	// Rows counts the rows, Refused those that cannot be read. Refusal is the error of the first of these.
	Rows, Refused int64
	Refusal       *RowError
	Columns       []ColumnReport
	// Markers are numbers that seem to mean no value.
	Markers []string
	// flags are the flags that set the layout.
	flags []string
}

// Flags returns the flags that read the recording, without its mapping.
func (r *Report) Flags() string {
	flags := slices.Clone(r.flags)
	if len(r.Times) > 0 {
		flags = append(flags, r.Times[0].Flags())
	}
	return strings.Join(slices.DeleteFunc(flags, func(flag string) bool { return flag == "" }), " ")
}

// Inspect reads a whole recording and detects its format. It calls open twice. It does not check the properties that layout sets.
func Inspect(open func() (io.ReadCloser, error), layout Layout) (*Report, error) {
	r := &Report{}
	table, s, err := r.begin(open, layout)
	if err != nil {
		return nil, err
	}
	rows := table.sampleRows(s)
	r.Layout.Numbers = inferNumbers(rows, layout.Numbers)
	r.inferMarkers(table, rows)
	guesses, err := table.guessGiven(s, rows)
	if err != nil {
		return nil, err
	}
	if len(guesses) == 0 {
		return nil, mistake("no column looks like a time (columns: %s)%s", table.names(), table.advice(s, rows))
	}
	r.describe(table, s)
	return r, r.measure(open, guesses)
}

// guessGiven returns the possible ways to read the times, within the limits of the user's layout.
func (t *Table) guessGiven(s *sample, rows []sampleRow) ([]TimeGuess, error) {
	if len(t.layout.TimeColumns) > 0 {
		if err := t.namedTimeColumns(); err != nil {
			return nil, err
		}
	}
	if t.layout.TimeFormat == (TimeFormat{}) {
		return t.guessTimes(s, rows), nil
	}
	if err := t.layout.Date.fits(t.layout.TimeFormat); err != nil {
		return nil, mistake("%w", err)
	}
	if len(t.TimeColumns) == 0 {
		if err := t.detectTimeColumn(s, rows); err != nil {
			return nil, err
		}
	}
	return []TimeGuess{t.guess(t.layout.TimeFormat, t.TimeColumns...)}, nil
}

// begin opens the recording with the detected layout.
func (r *Report) begin(open func() (io.ReadCloser, error), layout Layout) (*Table, *sample, error) {
	text, err := open()
	if err != nil {
		return nil, nil, err
	}
	defer text.Close()
	buffered := bufio.NewReaderSize(text, sampleBytes)
	if layout.Encoding == "" {
		if layout.Encoding, r.Others, err = inferEncoding(buffered); err != nil {
			return nil, nil, err
		}
	}
	decoded, err := decodeText(buffered, layout.Encoding)
	if err != nil {
		return nil, nil, err
	}
	tried := layout
	_, r.Layout = newSample(decoded, &tried).infer(decoded, layout)
	r.Encoding, r.Mark = decoded.encoding, decoded.mark
	t, s, err := newTable(decoded, r.Layout)
	if err != nil {
		return nil, nil, err
	}
	r.Layout.Delimiter = t.layout.Delimiter
	if !t.layout.NoHeader {
		r.HeaderLine = s.headerLine
	}
	t.clock = clock{format: layout.TimeFormat, zone: layout.Zone, date: layout.Date}
	return t, s, nil
}

// inferMarkers finds numbers that seem to mean no value.
func (r *Report) inferMarkers(t *Table, rows []sampleRow) {
	found := make(map[string]bool)
	for i := range t.Columns {
		var values []float64
		for _, row := range rows {
			if number, unit, ok := r.Layout.Numbers.number(trim(row.cells[i])); ok && unit == "" {
				values = append(values, number)
			}
		}
		for _, marker := range markers {
			if suspect(marker, values) {
				found[strconv.FormatFloat(marker, 'g', -1, 64)] = true
			}
		}
	}
	for marker := range found {
		if !r.Layout.Numbers.IsMissing(marker) {
			r.Markers = append(r.Markers, marker)
		}
	}
	slices.Sort(r.Markers)
	r.Layout.Numbers.Missing = append(slices.Clone(r.Layout.Numbers.Missing), r.Markers...)
}

// describe sets the flags of the layout, and the notes.
func (r *Report) describe(t *Table, s *sample) {
	add := func(when bool, name, value string) {
		if when && value != "" {
			r.flags = append(r.flags, name+" "+ShellQuote(value))
		} else if when {
			r.flags = append(r.flags, name)
		}
	}
	l := &r.Layout
	add(l.Encoding != "", "-encoding", l.Encoding)
	add(l.Skip > 0, "-skip", strconv.Itoa(l.Skip))
	add(l.Comment != "", "-comment", l.Comment)
	add(l.NoHeader, "-no-header", "")
	add(len(l.Columns) > 0, "-columns", FormatList(l.Columns))
	add(l.NoHeader || l.Delimiter == Blanks, "-delimiter", delimiterName(l.Delimiter))
	if l.Zone != nil {
		add(l.Zone.String() != "UTC", "-zone", l.Zone.String())
	}
	add(l.Date != Date{}, "-date", l.Date.String())
	add(l.Numbers.DecimalComma, "-decimal-comma", "")
	add(l.Numbers.Thousands, "-thousands", "")
	// A value that begins with a hyphen would be parsed as a flag.
	if list := FormatList(l.Numbers.Missing); list != "" {
		r.flags = append(r.flags, "-missing="+ShellQuote(list))
	}
	r.Notes = t.Notes
	for _, h := range s.headings {
		r.Notes = append(r.Notes, fmt.Sprintf("line %d below the header is not a row: %s", h.line, abbreviate(h.text)))
	}
	for i, name := range t.Columns {
		c := ColumnReport{Name: name, Ref: t.ref(i), index: i, words: make(map[string]int64)}
		for _, h := range s.headings {
			if cells := s.align(h.cells, len(t.Columns)); c.Heading == "" {
				c.Heading = trim(cells[i])
			}
		}
		r.Columns = append(r.Columns, c)
	}
}

func delimiterName(delimiter rune) string {
	switch delimiter {
	case Blanks:
		return "space"
	case '\t':
		return "tab"
	}
	return string(delimiter)
}

// measure reads the whole recording.
func (r *Report) measure(open func() (io.ReadCloser, error), guesses []TimeGuess) error {
	text, err := open()
	if err != nil {
		return err
	}
	defer text.Close()
	layout := r.Layout
	layout.TimeFormat, layout.Date = TimeFormat{}, Date{}
	table, s, err := openTable(text, layout)
	if err != nil {
		return err
	}
	for _, g := range guesses {
		r.Times = append(r.Times, newTimeReport(g, r.Layout))
	}
	// Only a complete time distinguishes a row from a heading.
	table.clock, table.TimeColumns = r.Times[0].clock, guesses[0].indexes
	table.skipHeadings(s)
	for {
		cells, err := table.nextCells()
		if err == io.EOF {
			break
		}
		r.Rows++
		if refused, ok := errors.AsType[*RowError](err); ok {
			r.refuse(refused)
			continue
		}
		if err != nil {
			return err
		}
		r.add(table, cells)
	}
	return r.finish()
}

// add counts one row.
func (r *Report) add(t *Table, cells []string) {
	for i := range r.Times {
		r.Times[i].add(t.line, cells)
	}
	for i := range r.Columns {
		if !slices.Contains(r.Times[0].indexes, i) {
			r.Columns[i].add(cells[i], &r.Layout.Numbers)
		}
	}
}

func (r *Report) refuse(refused *RowError) {
	if r.Refused++; r.Refusal == nil {
		r.Refusal = refused
	}
}

// finish moves the most likely way to read the times to the front, after all times have been read.
func (r *Report) finish() error {
	slices.SortStableFunc(r.Times, func(a, b TimeReport) int {
		return cmp.Or(cmp.Compare(a.Unread, b.Unread), cmp.Compare(a.Turns, b.Turns), cmp.Compare(a.reach(), b.reach()))
	})
	first := &r.Times[0]
	r.Times = slices.DeleteFunc(r.Times, func(t TimeReport) bool { return t.Unread > first.Unread+r.Rows/100 })
	first = &r.Times[0]
	if r.Refused += first.Unread; r.Refusal == nil || first.refusal != nil && first.refusal.Line < r.Refusal.Line {
		r.Refusal = first.refusal
	}
	r.Layout.TimeFormat = first.Format
	r.Layout.TimeColumns = []string{FormatList(first.Columns)}
	for i := range r.Columns {
		r.Columns[i].IsTime = slices.Contains(first.indexes, i)
		r.Columns[i].finish()
	}
	return nil
}
