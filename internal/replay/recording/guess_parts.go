package recording

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// partNames are usual names of columns with one part of a time, and the directive of that part.
var partNames = []struct {
	verb        string
	least, most float64
	names       []string
}{
	{"%Y", 1950, 2100, []string{"year", "yr", "yyyy", "yy", "jahr", "año", "annee", "年"}},
	{"%m", 1, 12, []string{"month", "mon", "mo", "mm", "monat", "mes", "mois", "月"}},
	{"%d", 1, 31, []string{"day", "dy", "dd", "dom", "tag", "dia", "jour", "mday", "日"}},
	{"%j", 1, 366, []string{"doy", "jday", "julian", "yday", "day_of_year", "dayofyear", "julian_day", "jd"}},
	{"%H", 0, 24, []string{"hour", "hr", "hh", "h", "stunde", "hora", "heure", "时"}},
	{"%M", 0, 59, []string{"minute", "min", "mn", "mi", "mm", "m", "分"}},
	{"%S", 0, 60, []string{"second", "sec", "ss", "s", "秒"}},
}

// guessParts returns columns that are called year, month, day, hour and so on.
func (t *Table) guessParts(rows []sampleRow) []TimeGuess {
	found := make(map[string]int)
	var used []int
	for _, part := range partNames {
		for i, name := range t.candidates() {
			if slices.Contains(used, i) || !slices.Contains(part.names, foldName(name)) || !within(rows, i, part.least, part.most) {
				continue
			}
			found[part.verb], used = i, append(used, i)
			break
		}
	}
	year, hasYear := found["%Y"]
	if !hasYear {
		return nil
	}
	indexes, format := []int{year}, "%Y"
	add := func(verb string) bool {
		i, ok := found[verb]
		if ok {
			indexes, format = append(indexes, i), format+" "+verb
		}
		return ok
	}
	isDate := add("%j")
	if !isDate {
		isDate = add("%m") && add("%d")
	}
	if !isDate {
		return nil
	}
	if add("%H") {
		_ = add("%M") && add("%S")
	} else if i, ok := t.minutesOfDay(rows, used); ok {
		indexes, format = append(indexes, i), format+" %H%M"
	}
	f, err := ParseFormat(format)
	if err != nil || len(fitsAll(f, column(rows, indexes...))) > 0 {
		return nil
	}
	return []TimeGuess{t.guess(TimeFormat{strftime: f}, indexes...)}
}

// fitsAll returns the cells that a format does not read.
func fitsAll(f *Format, cells []string) []string {
	return slices.DeleteFunc(slices.Clone(cells), f.plausible)
}

// minutesOfDay returns the column with numbers such as 1259 for 12:59, which beside a date is their time of the day.
func (t *Table) minutesOfDay(rows []sampleRow, used []int) (int, bool) {
	for _, i := range without(len(t.Columns), used) {
		last, rises, fits := -1.0, 0, true
		for _, r := range rows {
			n, err := strconv.ParseFloat(trim(r.cells[i]), 64)
			fits = fits && err == nil && n == float64(int(n)) && n >= 0 && n <= 2400 && int(n)%100 < 60
			if n > last {
				rises++
			}
			last = n
		}
		if fits && 10*rises > 9*len(rows) {
			return i, true
		}
	}
	return 0, false
}

// within reports whether all cells of a column are whole numbers of a range.
func within(rows []sampleRow, i int, least, most float64) bool {
	for _, r := range rows {
		n, err := strconv.ParseFloat(trim(r.cells[i]), 64)
		if err != nil || n != float64(int64(n)) || n < least || n > most {
			return false
		}
	}
	return true
}

// unixTimes reports whether all cells are Unix times of this century.
func unixTimes(cells []string) bool {
	c := clock{}
	for _, cell := range cells {
		at, err := c.read(cell)
		if _, isNumber := strconv.ParseFloat(trim(cell), 64); isNumber != nil || err != nil || at.Year() < 2000 || at.Year() >= 2100 {
			return false
		}
	}
	return len(cells) > 0
}

// guessNumbers returns a column of Unix times, or of days of Excel's calendar.
func (t *Table) guessNumbers(rows []sampleRow) []TimeGuess {
	for i := range t.candidates() {
		cells := column(rows, i)
		if unixTimes(cells) && mostlyRising(cells) {
			return []TimeGuess{t.guess(TimeFormat{}, i)}
		}
		if strings.Contains(cells[0], ".") && mostlyRising(cells) && !slices.ContainsFunc(cells, func(cell string) bool {
			n, err := strconv.ParseFloat(trim(cell), 64)
			return err != nil || n < 30_000 || n > 60_000
		}) {
			return []TimeGuess{t.guess(TimeFormat{unit: "excel"}, i)}
		}
	}
	return nil
}

// mostlyRising reports whether numbers rise, or fall, from nearly every cell to the next.
func mostlyRising(cells []string) bool {
	rises, falls, last := 0, 0, 0.0
	for i, cell := range cells {
		n, err := strconv.ParseFloat(trim(cell), 64)
		if err != nil {
			return false
		}
		if i > 0 && n > last {
			rises++
		} else if i > 0 && n < last {
			falls++
		}
		last = n
	}
	return 10*max(rises, falls) >= 9*(len(cells)-1) || max(rises, falls) > 0 && min(rises, falls) == 0
}

// guessYearless returns columns with times that lack only their year.
func (t *Table) guessYearless(rows []sampleRow) []TimeGuess {
	var guesses []TimeGuess
	for i := range t.candidates() {
		cells := column(rows, i)
		for _, text := range yearless {
			f, err := ParseFormat(text)
			if err == nil && len(fitsAll(f, cells))*10 <= len(cells) {
				g := t.guess(TimeFormat{strftime: f}, i)
				g.NeedsYear = true
				guesses = append(guesses, g)
			}
		}
		if len(guesses) > 0 {
			break
		}
	}
	return guesses
}

// guessPositions returns the first columns of rows without names that look like year, month, day, hour and minute, if they
// make every row later than the one before.
func (t *Table) guessPositions(rows []sampleRow) []TimeGuess {
	if !t.layout.NoHeader || len(t.layout.Columns) > 0 {
		return nil
	}
	var text []string
	var indexes []int
	at := 0
	for _, part := range []struct {
		verb        string
		least, most float64
	}{{"%Y", 1950, 2100}, {"%m", 1, 12}, {"%d", 1, 31}, {"%H", 0, 24}, {"%M", 0, 59}, {"%S", 0, 60}} {
		// Some networks put the day of the year beside the year, and month and day all the same.
		if at == 1 && isDayOfYear(rows) {
			at++
		}
		if at >= len(t.Columns) || !within(rows, at, part.least, part.most) {
			break
		}
		text, indexes = append(text, part.verb), append(indexes, at)
		at++
	}
	for ; len(text) >= 3; text, indexes = text[:len(text)-1], indexes[:len(indexes)-1] {
		f, err := ParseFormat(strings.Join(text, " "))
		if err != nil {
			return nil
		}
		g := t.guess(TimeFormat{strftime: f}, indexes...)
		if t.weigh(&g, rows); g.flips == 0 && g.repeated == 0 && g.span > 0 {
			return []TimeGuess{g}
		}
	}
	return nil
}

// isDayOfYear reports whether the first four columns are year, day of the year, month and day.
func isDayOfYear(rows []sampleRow) bool {
	for _, r := range rows {
		if len(r.cells) < 4 {
			return false
		}
		day, err := time.Parse("2006 1 2", joinTime(r.cells, []int{0, 2, 3}))
		if number, notNumber := strconv.Atoi(trim(r.cells[1])); err != nil || notNumber != nil || day.YearDay() != number {
			return false
		}
	}
	return true
}

// guessClock returns the columns with the time of the day where there is no date: one column, or the first ones of rows
// without names that look like hour, minute, second and microsecond.
func (t *Table) guessClock(rows []sampleRow) []TimeGuess {
	for i, name := range t.candidates() {
		if !slices.Contains(clockNames, strings.SplitN(foldName(name), "_", 2)[0]) {
			continue
		}
		for _, f := range fitting(column(rows, i), false, true) {
			g := t.guess(TimeFormat{strftime: f}, i)
			g.NeedsDate = true
			return []TimeGuess{g}
		}
	}
	if len(t.Columns) < 4 || !within(rows, 0, 0, 24) || !within(rows, 1, 0, 59) {
		return nil
	}
	text, indexes := "%H %M", []int{0, 1}
	if within(rows, 2, 0, 59) {
		text, indexes = text+" %S", append(indexes, 2)
		if within(rows, 3, 0, 999_999) && !within(rows, 3, 0, 999) {
			text, indexes = text+" %f", append(indexes, 3)
		}
	}
	f, err := ParseFormat(text)
	if err != nil {
		return nil
	}
	g := t.guess(TimeFormat{strftime: f}, indexes...)
	g.NeedsDate = true
	return []TimeGuess{g}
}
