package recording

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeNames are usual names of columns with times, the most likely first.
var timeNames = []string{"timestamp", "datetime", "date_time", "time", "ts", "date"}

// clockNames are usual names of columns with the time of the day beside a date.
var clockNames = []string{"time", "hour", "hr", "hh", "hhmm", "clock", "minute", "uhrzeit", "heure", "hora", "时间"}

// foldName returns a name in lower case, with one underscore between its words.
func foldName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" \t_-/.#", r) })
	return strings.Join(words, "_")
}

// findTime finds the columns with the time, and whether their times can be read.
func (t *Table) findTime(s *sample) error {
	t.clock = clock{format: t.layout.TimeFormat, zone: t.layout.Zone, date: t.layout.Date}
	if err := t.layout.Date.fits(t.layout.TimeFormat); err != nil {
		return mistake("%w", err)
	}
	rows := t.sampleRows(s)
	if len(t.layout.TimeColumns) > 0 {
		if err := t.namedTimeColumns(); err != nil {
			return err
		}
	} else if err := t.detectTimeColumn(s, rows); err != nil {
		return err
	}
	times := t.sampleTimes(rows)
	if len(rows) > 0 && len(times) == 0 {
		return t.unreadable(s, rows)
	}
	if len(t.layout.TimeColumns) == 0 && t.layout.TimeFormat == (TimeFormat{}) {
		if err := t.datesAlone(s, rows); err != nil {
			return err
		}
	}
	t.clock.backwards = backwards(times)
	return nil
}

// sampleRows returns the rows of the sample, each with as many cells as there are columns.
func (t *Table) sampleRows(s *sample) []sampleRow {
	rows := make([]sampleRow, 0, len(s.rows))
	for _, r := range s.rows {
		if len(r.cells) >= t.least {
			rows = append(rows, sampleRow{r.line, r.text, s.align(r.cells, len(t.Columns))})
		}
	}
	return rows
}

// sampleTimes returns the times of the rows that have one.
func (t *Table) sampleTimes(rows []sampleRow) []time.Time {
	c := t.clock
	var times []time.Time
	for _, r := range rows {
		if at, err := c.read(t.timeCell(r.cells)); err == nil {
			times = append(times, at)
		}
	}
	return times
}

// backwards reports whether times go back more often than forward.
func backwards(times []time.Time) bool {
	balance := 0
	for i := 1; i < len(times); i++ {
		balance += times[i].Compare(times[i-1])
	}
	return balance < 0
}

// namedTimeColumns finds the columns that the layout names.
func (t *Table) namedTimeColumns() error {
	names := t.layout.TimeColumns
	if len(names) == 1 {
		i, err := t.Find(names[0])
		if err == nil {
			t.TimeColumns = []int{i}
			return nil
		}
		list, listErr := ParseList(names[0])
		if listErr != nil {
			return mistake("-time-column: %w", listErr)
		}
		if len(list) == 1 && list[0] == names[0] {
			return err
		}
		names = list
	}
	for _, name := range names {
		i, err := t.Find(name)
		if err != nil {
			return err
		}
		if slices.Contains(t.TimeColumns, i) {
			return mistake("-time-column names %q twice", name)
		}
		t.TimeColumns = append(t.TimeColumns, i)
	}
	return nil
}

// detectTimeColumn finds the column with the times: the one that is called like it, else the only one that holds times.
func (t *Table) detectTimeColumn(s *sample, rows []sampleRow) error {
	if !s.inComment && !t.layout.NoHeader && len(t.layout.Columns) == 0 {
		for i, name := range t.Columns {
			if looksLikeTime(name) {
				return mistake("the first line looks like data, not like the names of columns (%q in field %d); put a header above it, or say -no-header", name, i+1)
			}
		}
	}
	if err := t.titleLines(s); err != nil {
		return err
	}
	for _, name := range timeNames {
		for i, column := range t.Columns {
			if foldName(column) == name && (t.layout.TimeFormat.strftime == nil || t.holdsTimes(rows, i)) {
				t.TimeColumns = []int{i}
				return nil
			}
		}
	}
	var found []int
	for i := range t.Columns {
		if t.holdsTimes(rows, i) {
			found = append(found, i)
		}
	}
	if len(found) == 1 {
		t.TimeColumns = found
		return nil
	}
	read := ""
	if t.layout.Encoding != UTF8 {
		read = fmt.Sprintf("; read as %s", strings.ToUpper(t.layout.Encoding))
	}
	return mistake("%d columns look like times; name the one with -time-column (columns: %s%s)%s", len(found), t.names(), read, t.advice(s, rows))
}

// holdsTimes reports whether a column holds nothing but times. Numbers do not count: any could be Unix seconds.
func (t *Table) holdsTimes(rows []sampleRow, column int) bool {
	if t.layout.TimeFormat.unit != "" {
		return false
	}
	c, some := t.clock, false
	for _, r := range rows {
		cell := trim(r.cells[column])
		if missingWords[strings.ToLower(cell)] {
			continue
		}
		if _, isDate := parseISO(cell); t.layout.TimeFormat.strftime == nil && !isDate {
			return false
		}
		if _, err := c.read(cell); err != nil {
			return false
		}
		some = true
	}
	return some
}

// titleLines returns an error if lines above the header were mistaken for the header.
func (t *Table) titleLines(s *sample) error {
	if mark := s.commentMark(); t.layout.Comment == "" && mark != "" {
		return mistake("line %d begins with %q, as other lines do: -comment %s leaves them out", s.headerLine, mark, ShellQuote(mark))
	}
	line := s.lineOfHeader()
	if t.layout.NoHeader || line == 0 {
		return nil
	}
	return mistake("line %d has fewer fields (%d) than the lines below it (%d), so it is not the header; -skip %d makes line %d the header",
		s.headerLine, len(s.header), s.width, line-1, line)
}

// datesAlone is an error if the time column was found by its name, holds only dates, and another column seems to hold the
// time of the day: every reading would lie at midnight.
func (t *Table) datesAlone(s *sample, rows []sampleRow) error {
	if len(t.TimeColumns) != 1 || len(rows) == 0 {
		return nil
	}
	for _, r := range rows {
		if read, isDate := parseISO(trim(t.timeCell(r.cells))); !isDate || read.has.hour {
			return nil
		}
	}
	for i, column := range t.Columns {
		if i != t.TimeColumns[0] && slices.Contains(clockNames, strings.SplitN(foldName(column), "_", 2)[0]) {
			return mistake("column %q has dates alone, and %q looks like the time of the day; say which count with -time-column%s",
				t.Columns[t.TimeColumns[0]], column, t.advice(s, rows))
		}
	}
	return nil
}

// unreadable returns the error that no time of the sample can be read, with three lines of it and the flags that may help.
func (t *Table) unreadable(s *sample, rows []sampleRow) error {
	var names []string
	for _, i := range t.TimeColumns {
		names = append(names, t.Columns[i])
	}
	_, err := t.clock.read(t.timeCell(rows[0].cells))
	if s.inComment || t.layout.Skip > 0 || len(s.header) == 0 {
		return mistake("no time can be read in %s: line %d: %w%s", QuoteAll(names), rows[0].line, err, t.advice(s, rows))
	}
	if title := t.titleLines(s); title != nil {
		return title
	}
	return mistake("no time can be read in %s: line %d: %w%s", QuoteAll(names), rows[0].line, err, t.advice(s, rows))
}

// advice shows three lines and the flags that would read their times.
func (t *Table) advice(s *sample, rows []sampleRow) string {
	var text strings.Builder
	for _, r := range rows[:min(3, len(rows))] {
		fmt.Fprintf(&text, "\n  line %d: %s", r.line, abbreviate(r.text))
	}
	guesses := t.guessTimes(s, rows)
	if len(guesses) == 0 {
		return text.String() + "\nsay with -time-column and -time-format how times are written; iotmon replay -h has examples"
	}
	text.WriteString("\nthese flags would read them:")
	for _, g := range guesses[:min(4, len(guesses))] {
		fmt.Fprintf(&text, "\n  %s", g.Flags())
		if !g.First.IsZero() {
			fmt.Fprintf(&text, "   # line %d is %s", rows[0].line, g.First.Format("2 January 2006, 15:04:05"))
		}
	}
	return text.String()
}
