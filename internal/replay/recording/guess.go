package recording

import (
	"slices"
	"strings"
	"time"
)

// TimeGuess is how the times of a recording may be written.
type TimeGuess struct {
	// Columns are the columns with the time, in the form of -time-column.
	Columns []string
	Format  TimeFormat
	// NeedsDate is set if the format has no date, so that -date is needed; NeedsYear if it lacks only the year.
	NeedsDate, NeedsYear bool
	// First and Last are the times of the first and the last row looked at; zero if they could not be read.
	First, Last time.Time

	indexes []int
	// flips counts how often the order of the times turns, repeated how often a time comes again; span is how far they reach.
	flips    int
	repeated int
	span     time.Duration
}

// Flags returns the flags that read the times so.
func (g *TimeGuess) Flags() string {
	column := g.Columns[0]
	if len(g.Columns) > 1 {
		column = FormatList(g.Columns)
	}
	flags := []string{"-time-column " + ShellQuote(column)}
	if text := g.Format.String(); text != "" {
		flags = append(flags, "-time-format "+ShellQuote(text))
	}
	if g.NeedsDate {
		flags = append(flags, "-date YYYY-MM-DD")
	} else if g.NeedsYear {
		flags = append(flags, "-date YYYY")
	}
	return strings.Join(flags, " ")
}

// ShellQuote returns the text as a shell passes it on unchanged.
func ShellQuote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./,:=@+", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ref returns the name of a column, for a flag. It is the number of the column if another column has the same name.
func (t *Table) ref(i int) string {
	if at, err := t.Find(t.Columns[i]); err == nil && at == i {
		return t.Columns[i]
	}
	number := make([]byte, 0, 4)
	return string(appendInt(number, i+1))
}

// guessTimes returns how the times may be written, the likeliest first. With columns named by the user, only those count.
func (t *Table) guessTimes(s *sample, rows []sampleRow) []TimeGuess {
	if len(rows) == 0 {
		return nil
	}
	var guesses []TimeGuess
	if len(t.layout.TimeColumns) > 0 {
		guesses = t.guessJoined(rows, t.TimeColumns)
	}
	for _, guess := range []func([]sampleRow) []TimeGuess{t.guessWhole, t.guessPairs, t.guessParts, t.guessNumbers, t.guessDates, t.guessYearless, t.guessPositions, t.guessClock} {
		if len(guesses) == 0 {
			guesses = guess(rows)
		}
	}
	for i := range guesses {
		t.weigh(&guesses[i], rows)
	}
	// Equal evidence leaves the order of the forms.
	slices.SortStableFunc(guesses, func(a, b TimeGuess) int {
		if a.flips != b.flips {
			return a.flips - b.flips
		}
		return int((a.span - b.span) / time.Hour)
	})
	return guesses
}

// guess returns a guess of some columns.
func (t *Table) guess(format TimeFormat, indexes ...int) TimeGuess {
	g := TimeGuess{Format: format, indexes: indexes}
	for _, i := range indexes {
		g.Columns = append(g.Columns, t.ref(i))
	}
	return g
}

// weigh reads the rows by a guess: the right one of day and month leaves the times in order and close together.
func (t *Table) weigh(g *TimeGuess, rows []sampleRow) {
	c := clock{format: g.Format, zone: t.layout.Zone, date: t.layout.Date}
	if c.date == (Date{}) {
		c.date = g.anyDate()
	}
	var times []time.Time
	for _, r := range rows {
		if at, err := c.read(joinTime(r.cells, g.indexes)); err == nil {
			times = append(times, at)
		}
	}
	if len(times) == 0 {
		return
	}
	g.First, g.Last = times[0], times[len(times)-1]
	g.span = slices.MaxFunc(times, time.Time.Compare).Sub(slices.MinFunc(times, time.Time.Compare))
	direction := 0
	g.flips, g.repeated = 0, 0
	for i := 1; i < len(times); i++ {
		step := times[i].Compare(times[i-1])
		if step != 0 && direction != 0 && step != direction {
			g.flips++
		}
		if step != 0 {
			direction = step
		} else {
			g.repeated++
		}
	}
	if g.NeedsDate || g.NeedsYear {
		g.First, g.Last = time.Time{}, time.Time{}
	}
}

// anyDate returns an arbitrary date, to read times before the user has set the right one.
func (g *TimeGuess) anyDate() Date {
	switch {
	case g.NeedsDate:
		return Date{2000, 1, 1}
	case g.NeedsYear:
		return Date{2000, 0, 0}
	}
	return Date{}
}

func column(rows []sampleRow, indexes ...int) []string {
	cells := make([]string, len(rows))
	for i, r := range rows {
		cells[i] = joinTime(r.cells, indexes)
	}
	return cells
}

// guessJoined returns the forms of columns that the user has named.
func (t *Table) guessJoined(rows []sampleRow, indexes []int) []TimeGuess {
	var guesses []TimeGuess
	cells := column(rows, indexes...)
	if isoTimes(cells, true) || isoTimes(cells, false) || unixTimes(cells) {
		return []TimeGuess{t.guess(TimeFormat{}, indexes...)}
	}
	for _, hasClock := range []bool{true, false} {
		for _, f := range fitting(cells, true, hasClock) {
			guesses = append(guesses, t.guess(TimeFormat{strftime: f}, indexes...))
		}
	}
	return guesses
}

// guessWhole returns the columns that hold date and time of the day.
func (t *Table) guessWhole(rows []sampleRow) []TimeGuess {
	var named, others []TimeGuess
	for i, name := range t.candidates() {
		cells := column(rows, i)
		into := &others
		if folded := foldName(name); slices.Contains(timeNames, folded) || strings.Contains(folded, "time") || strings.Contains(folded, "date") {
			into = &named
		}
		if isoTimes(cells, false) {
			continue
		}
		if isoTimes(cells, true) || slices.Contains(timeNames, foldName(name)) && unixTimes(cells) {
			*into = append(*into, t.guess(TimeFormat{}, i))
			continue
		}
		for _, f := range fitting(cells, true, true) {
			*into = append(*into, t.guess(TimeFormat{strftime: f}, i))
		}
	}
	return firstColumn(named, others)
}

// firstColumn returns the guesses of the first column that has any: those with a name count first.
func firstColumn(named, others []TimeGuess) []TimeGuess {
	all := append(named, others...)
	var first []TimeGuess
	for _, g := range all {
		if slices.Equal(g.indexes, all[0].indexes) {
			first = append(first, g)
		}
	}
	return first
}

// isoTimes reports whether nearly all cells are dates that begin with their year, with or without the time of the day.
func isoTimes(cells []string, hasClock bool) bool {
	right, wrong := 0, 0
	for _, cell := range cells {
		if cell = trim(cell); missingWords[strings.ToLower(cell)] {
			continue
		}
		if read, ok := parseISO(cell); ok && read.has.hour == hasClock && read.year >= 1950 && read.year <= 2100 {
			right++
		} else {
			wrong++
		}
	}
	return right > 0 && wrong*10 <= right+wrong
}

// maxCandidates limits the columns that are checked for times: they are among the first.
const maxCandidates = 200

// candidates returns the names of the columns that may hold times.
func (t *Table) candidates() []string { return t.Columns[:min(len(t.Columns), maxCandidates)] }

// guessPairs returns columns with a date beside a column with the time of the day.
func (t *Table) guessPairs(rows []sampleRow) []TimeGuess {
	var guesses []TimeGuess
	for _, i := range t.dateColumns(rows) {
		named := t.clockColumns(i)
		for _, j := range append(named, i+1, i-1) {
			if j < 0 || j >= len(t.Columns) || len(fitting(column(rows, j), false, true)) == 0 {
				continue
			}
			if !slices.Contains(named, j) && !writtenAsClock(column(rows, j)) {
				continue
			}
			joined := column(rows, i, j)
			if isoTimes(joined, true) {
				return []TimeGuess{t.guess(TimeFormat{}, i, j)}
			}
			for _, f := range fitting(joined, true, true) {
				guesses = append(guesses, t.guess(TimeFormat{strftime: f}, i, j))
			}
			if len(guesses) > 0 {
				return guesses
			}
		}
	}
	return nil
}

// writtenAsClock reports whether cells have the colon of a clock, or four digits with zeros in front. Other numbers beside a
// date may be anything.
func writtenAsClock(cells []string) bool {
	zero := false
	for _, cell := range cells {
		cell = trim(cell)
		if !strings.Contains(cell, ":") && len(cell) != 4 && len(cell) != 6 {
			return false
		}
		zero = zero || strings.Contains(cell, ":") || strings.HasPrefix(cell, "0")
	}
	return zero
}

// dateColumns returns the columns that hold dates without the time of the day.
func (t *Table) dateColumns(rows []sampleRow) []int {
	var found []int
	for i := range t.candidates() {
		if cells := column(rows, i); isoTimes(cells, false) || len(fitting(cells, true, false)) > 0 {
			found = append(found, i)
		}
	}
	return found
}

// clockColumns returns the columns that are called like the time of the day.
func (t *Table) clockColumns(date int) []int {
	var found []int
	for i, name := range t.candidates() {
		if i != date && slices.Contains(clockNames, strings.SplitN(foldName(name), "_", 2)[0]) {
			found = append(found, i)
		}
	}
	return found
}

// guessDates returns the columns that hold dates alone.
func (t *Table) guessDates(rows []sampleRow) []TimeGuess {
	var guesses []TimeGuess
	for _, i := range t.dateColumns(rows) {
		cells := column(rows, i)
		if isoTimes(cells, false) {
			return []TimeGuess{t.guess(TimeFormat{}, i)}
		}
		for _, f := range fitting(cells, true, false) {
			guesses = append(guesses, t.guess(TimeFormat{strftime: f}, i))
		}
		if len(guesses) > 0 {
			return guesses
		}
	}
	return nil
}
