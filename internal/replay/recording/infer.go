package recording

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// commentMarks are usual beginnings of comment lines.
var commentMarks = []string{"#", "%", "//", "!", "*", ";"}

// inferEncoding returns the most likely encoding of a text, and the other possible ones.
func inferEncoding(text *bufio.Reader) (name string, others []Rendering, err error) {
	head, err := text.Peek(sampleBytes)
	if err != nil && err != io.EOF {
		return "", nil, err
	}
	if hasMark(head) || detectEncoding(head) != UTF8 {
		return "", nil, nil
	}
	// The sample may end in the middle of a character.
	whole := head
	for i := 0; i < utf8.UTFMax && !utf8.Valid(whole) && len(whole) > 0 && len(head) == sampleBytes; i++ {
		whole = whole[:len(whole)-1]
	}
	if utf8.Valid(whole) {
		return "", nil, nil
	}
	fitting := likelyEncodings(string(head))
	if len(fitting) == 0 {
		return "latin1", nil, nil
	}
	for i := range fitting {
		fitting[i].Text = firstForeign(fitting[i].Text)
	}
	return fitting[0].Encoding, fitting[1:], nil
}

// firstForeign returns the field around the first letter that is not ASCII.
func firstForeign(text string) string {
	at := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	if at < 0 {
		return ""
	}
	const ends = ",;\t|\r\n"
	begin := strings.LastIndexAny(text[:at], ends) + 1
	end := strings.IndexAny(text[at:], ends)
	if end < 0 {
		end = len(text) - at
	}
	return abbreviate(strings.Trim(text[begin:at+end], ` "`))
}

// infer adds to a layout how many lines are above the header, and whether there is a header, as far as the sample shows it.
func (s *sample) infer(d *decodedText, given Layout) (*sample, Layout) {
	layout := given
	again := func() *sample {
		tried := layout
		return newSample(d, &tried)
	}
	if mark := s.commentMark(); layout.Comment == "" && mark != "" {
		layout.Comment = mark
		s = again()
	}
	if line := s.lineOfHeader(); layout.Skip == 0 && line > 0 {
		layout.Skip = line - 1
		s = again()
	}
	if !layout.NoHeader && !s.inComment && looksLikeRow(s.header) {
		layout.NoHeader = true
		s = again()
	}
	return s, layout
}

// commentMark returns the beginning of the first line if it marks a comment: the line is no header, and other lines begin in the
// same way.
func (s *sample) commentMark() string {
	if len(s.header) == 0 {
		return ""
	}
	text := string(s.text)
	for _, mark := range commentMarks {
		if mark == string(s.delimiter) || !strings.HasPrefix(text, mark) || !strings.Contains(text, string(s.end)+mark) {
			continue
		}
		if len(s.header) != s.width || s.width == 1 || s.headerIsBelow(mark) {
			return mark
		}
	}
	return ""
}

// headerIsBelow reports whether, below lines that begin with a mark, one follows that is no row.
func (s *sample) headerIsBelow(mark string) bool {
	for _, r := range slices.Concat(s.headings, s.rows) {
		if !strings.HasPrefix(r.text, mark) {
			return !looksLikeRow(r.cells) && isHeading(r.cells)
		}
	}
	return false
}

// lineOfHeader returns the line of the header if lines above it were mistaken for the header, else 0.
func (s *sample) lineOfHeader() int {
	if s.inComment || len(s.header) == 0 || len(s.rows) == 0 {
		return 0
	}
	narrow := s.width > 2*len(s.header) || len(s.header) == 1 && s.width > 1
	named := len(s.headings) > 0 && len(s.header) < s.width && len(s.headings[0].cells) >= s.width
	if !narrow && !named {
		return s.lineOfNames()
	}
	for _, r := range slices.Concat(s.headings, s.rows) {
		if len(r.cells) >= s.width-1 {
			return r.line
		}
	}
	return 0
}

// lineOfNames returns the line of the first record that is as wide as the rows and has nothing but names, where the lines
// above it are narrower; else 0.
func (s *sample) lineOfNames() int {
	const far = 20
	if len(s.header) >= s.width {
		return 0
	}
	for _, r := range s.rows[:min(far, len(s.rows))] {
		if len(r.cells) >= s.width {
			if isHeading(r.cells) {
				return r.line
			}
			return 0
		}
	}
	return 0
}

// looksLikeRow reports whether most of the cells are numbers or times, rather than names of columns.
func looksLikeRow(cells []string) bool {
	values, some := 0, 0
	for _, cell := range cells {
		if cell = trim(cell); cell == "" {
			continue
		}
		some++
		value, err := new(Numbers).Read(cell)
		if err == nil && value.Word == "" && value.Unit == "" || looksLikeTime(cell) {
			values++
		}
	}
	return 2*values > some
}

// looksLikeTime reports whether a cell is a date, with or without the time of the day, in any form that people write.
func looksLikeTime(cell string) bool {
	if _, isDate := parseISO(cell); isDate {
		return true
	}
	if !strings.ContainsAny(cell, "0123456789") || strings.Trim(cell, "0123456789.") == "" {
		return false
	}
	return len(fitting([]string{cell}, true, true)) > 0 || len(fitting([]string{cell}, true, false)) > 0
}

// inferNumbers returns how the values of the rows are written: with the one of comma and thousands that reads the most.
func inferNumbers(rows []sampleRow, given Numbers) Numbers {
	best, most := given, -1
	for _, n := range []Numbers{{}, {DecimalComma: true}, {Thousands: true}, {DecimalComma: true, Thousands: true}} {
		n.DecimalComma, n.Thousands, n.Missing = n.DecimalComma || given.DecimalComma, n.Thousands || given.Thousands, given.Missing
		read := 0
		for _, r := range rows {
			for _, cell := range r.cells {
				if _, unit, ok := n.number(trim(cell)); ok && unit == "" {
					read++
				}
			}
		}
		if read > most {
			best, most = n, read
		}
	}
	return best
}

// markers are numbers that mean no value in many recordings. One of them is reported only if it is far from all other values.
var markers = []float64{
	-99, -99.9, -99.99, -200, -999, -999.9, -999.99, -6999, -7999, -8888, -9900, -9999, -9999.9, -99999, -999999, -32768,
	99.9, 999, 999.9, 9999, 9999.9, 99999, 999999, 32767, 65535, 1e6, 1e20,
}

// suspect reports whether the smallest or largest of the values of a column is a marker: it comes again, and the others lie
// closer together than it lies to them.
func suspect(marker float64, values []float64) bool {
	least, most, times := math.Inf(1), math.Inf(-1), 0
	for _, v := range values {
		if v == marker {
			times++
			continue
		}
		least, most = min(least, v), max(most, v)
	}
	if times == 0 || math.IsInf(least, 1) {
		return false
	}
	distance := max(least-marker, marker-most)
	return distance > 2*(most-least) && distance > 50
}
