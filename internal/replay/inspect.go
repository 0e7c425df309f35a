package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"iotmon/internal/replay/recording"
)

// inspect writes a description of a recording and what to start from to replay it. It sends nothing.
func inspect(o *Options, w io.Writer) error {
	file, err := os.Open(o.File)
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	format := o.Format
	if format == "" {
		format, err = formatOf(file)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", o.File, err)
	}
	if format == Table {
		return inspectTable(o.File, o.Layout, w)
	}
	source, err := o.open()
	if err != nil {
		return err
	}
	defer source.close()
	return inspectPayloads(o, source, w)
}

// inspectTable describes a table, with a command that replays it.
func inspectTable(path string, layout recording.Layout, w io.Writer) error {
	report, err := recording.Inspect(func() (io.ReadCloser, error) { return os.Open(path) }, layout)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var text strings.Builder
	writeForm(&text, path, report)
	writeTimes(&text, report)
	writeColumns(&text, report)
	writeCommand(&text, path, report)
	_, err = io.WriteString(w, text.String())
	return err
}

// writeForm describes the text and its lines.
func writeForm(text *strings.Builder, path string, r *recording.Report) {
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	fmt.Fprintf(text, "file       %s, %d bytes, %d rows\n", filepath.Base(path), size, r.Rows)
	fmt.Fprintf(text, "encoding   %s", r.Encoding)
	if r.Mark {
		text.WriteString(" with a byte order mark")
	}
	text.WriteByte('\n')
	for _, other := range r.Others {
		fmt.Fprintf(text, "           or %s, if %q is right\n", other.Encoding, other.Text)
	}
	delimiter := fmt.Sprintf("%q", r.Layout.Delimiter)
	if r.Layout.Delimiter == recording.Blanks {
		delimiter = "blanks"
	}
	fmt.Fprintf(text, "delimiter  %s\n", delimiter)
	header := "none: the columns have numbers"
	if r.HeaderLine > 0 {
		header = fmt.Sprintf("line %d", r.HeaderLine)
	}
	fmt.Fprintf(text, "header     %s\n", header)
	for _, note := range r.Notes {
		fmt.Fprintf(text, "           %s\n", note)
	}
	if r.Layout.Numbers.DecimalComma || r.Layout.Numbers.Thousands {
		text.WriteString("numbers    ")
		switch {
		case !r.Layout.Numbers.Thousands:
			text.WriteString("with a decimal comma, like 1,5\n")
		case r.Layout.Numbers.DecimalComma:
			text.WriteString("with a decimal comma and thousands, like 1.234,5\n")
		default:
			text.WriteString("with thousands, like 1,234.5\n")
		}
	}
}

const shownTime = "2 January 2006, 15:04:05"

// writeTimes describes the times, and other ways to read them.
func writeTimes(text *strings.Builder, r *recording.Report) {
	best := &r.Times[0]
	fmt.Fprintf(text, "time       columns %s, %s", recording.QuoteAll(best.Columns), formatName(best))
	text.WriteString(firstIs(best))
	text.WriteByte('\n')
	for i := range r.Times[1:] {
		other := &r.Times[i+1]
		why := "but then the times are less in order or further apart"
		if best.Ambiguous(other) {
			why = "which the file leaves open: choose one"
		}
		fmt.Fprintf(text, "           or %s%s, %s\n", formatName(other), firstIs(other), why)
	}
	switch {
	case best.NeedsDate:
		text.WriteString("           without a date: put it in place of YYYY-MM-DD\n")
	case best.NeedsYear:
		text.WriteString("           without a year: put it in place of YYYY\n")
	default:
		fmt.Fprintf(text, "range      %s to %s", best.Oldest.Format(time.RFC3339), best.Newest.Format(time.RFC3339))
		if r.Layout.Zone == nil {
			text.WriteString(", if times without an offset are UTC (-zone says another)")
		}
		text.WriteByte('\n')
	}
	order := "oldest first"
	switch {
	case best.Turns > 0:
		order = fmt.Sprintf("not in order: it turns %d times", best.Turns)
	case best.Backwards:
		order = "newest first"
	}
	fmt.Fprintf(text, "order      %s, mostly %v apart\n", order, best.Step)
	if best.Repeated > 0 {
		fmt.Fprintf(text, "           %d rows have the time of the row before: of one device, only the first counts\n", best.Repeated)
	}
	if r.Refused > 0 {
		fmt.Fprintf(text, "refused    %d rows, the first: %v\n", r.Refused, r.Refusal)
	}
}

// firstIs describes the time of the first row.
func firstIs(t *recording.TimeReport) string {
	if t.First.IsZero() {
		return ""
	}
	return ": the first is " + t.First.Format(shownTime)
}

func formatName(t *recording.TimeReport) string {
	if format := t.Format.String(); format != "" {
		return recording.ShellQuote(format)
	}
	return "ISO 8601 or Unix time"
}

// writeColumns describes the columns with values.
func writeColumns(text *strings.Builder, r *recording.Report) {
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.IsTime {
			continue
		}
		fmt.Fprintf(text, "column     %q: ", c.Name)
		if c.Numbers > 0 {
			fmt.Fprintf(text, "%d numbers, %v to %v", c.Numbers, c.Min, c.Max)
			if c.Unit != "" {
				fmt.Fprintf(text, " %s", c.Unit)
			}
		} else {
			text.WriteString("no numbers")
		}
		if c.Missing > 0 {
			fmt.Fprintf(text, ", %d without a value", c.Missing)
		}
		if c.Words > 0 {
			fmt.Fprintf(text, ", %d texts such as %s", c.Words, recording.QuoteAll(c.Examples[:min(3, len(c.Examples))]))
		}
		if c.Counter {
			text.WriteString("; they number the rows")
		}
		text.WriteByte('\n')
	}
	if len(r.Markers) > 0 {
		fmt.Fprintf(text, "missing    %s: numbers far from all others, which seem to mean no value\n", strings.Join(r.Markers, ", "))
	}
}

// writeCommand writes a command to start from.
func writeCommand(text *strings.Builder, path string, r *recording.Report) {
	text.WriteString("\nTo start from; put right the devices, types and units:\n\niotmon replay")
	if flags := r.Flags(); flags != "" {
		text.WriteString(" " + flags)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if long := longForm(r); long != "" {
		fmt.Fprintf(text, " \\\n  -long %s", recording.ShellQuote(long))
	} else {
		taken := make(map[string]bool)
		for i := range r.Columns {
			if c := &r.Columns[i]; mappable(c) {
				device := deviceName(name, c.Name)
				for n := 2; taken[device]; n++ {
					device = fmt.Sprintf("%s-%d", deviceName(name, c.Name), n)
				}
				taken[device] = true
				fmt.Fprintf(text, " \\\n  -map %s", recording.ShellQuote(c.Ref+"="+device+","+columnType(c)))
			}
		}
	}
	fmt.Fprintf(text, " \\\n  %s\n", recording.ShellQuote(path))
}

// mappable reports whether a column holds values.
func mappable(c *recording.ColumnReport) bool {
	cells := c.Numbers + c.Words + c.Missing
	return !c.IsTime && (!c.Counter && c.Numbers*50 >= cells && (c.Numbers > 1 || cells < 3) && c.Numbers >= c.Words || isSwitch(c))
}

// isSwitch reports whether a column holds nothing but the names of a switch's states.
func isSwitch(c *recording.ColumnReport) bool {
	for _, word := range c.Examples {
		if !strings.EqualFold(word, "on") && !strings.EqualFold(word, "off") && !strings.EqualFold(word, "true") && !strings.EqualFold(word, "false") {
			return false
		}
	}
	return len(c.Examples) > 0 && c.Numbers == 0
}

// longForm returns the -long flag of a recording whose rows name their device: times repeat, one column has values, and
// one has a few words.
func longForm(r *recording.Report) string {
	var value, device *recording.ColumnReport
	values := 0
	for i := range r.Columns {
		c := &r.Columns[i]
		switch {
		case c.IsTime || c.Counter:
		case c.Numbers > c.Words:
			value = c
			values++
		case c.Numbers == 0 && c.Distinct() > 1 && int64(c.Distinct()) < r.Rows/2 && device == nil:
			device = c
		}
	}
	if values != 1 || device == nil || r.Times[0].Repeated == 0 {
		return ""
	}
	kind, unit, _ := strings.Cut(columnType(value), ",")
	return recording.FormatList([]string{"device=" + device.Ref, "type=" + kind, "value=" + value.Ref, "unit=" + unit})
}

// deviceName makes a device id from the names of a file and a column, of characters that need no quotes in a flag.
func deviceName(file, column string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(file + "_" + column) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '-':
			name.WriteRune(r)
		case !strings.HasSuffix(name.String(), "_"):
			name.WriteByte('_')
		}
	}
	const most = 100
	id := strings.Trim(name.String(), "_")
	for len(id) > most {
		_, size := utf8.DecodeLastRuneInString(id)
		id = id[:len(id)-size]
	}
	return id
}

// columnType returns the type and unit that a column suggests, or placeholders.
func columnType(c *recording.ColumnReport) string {
	if isSwitch(c) {
		return "switch_sensor"
	}
	return guessed(c.Name+" "+c.Heading, c.Unit)
}
