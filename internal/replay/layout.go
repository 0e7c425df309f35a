package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"iotmon/internal/replay/recording"
)

// layoutSetting is one property of the format of a recording. It is set by a flag of its name, or in the mapping file by a key of
// the same name with underscores.
type layoutSetting struct {
	name, usage string
	boolean     bool
	set         func(l *recording.Layout, text string) error
}

// layoutSettings are all settings, in the order of the keys in messages.
var layoutSettings = []layoutSetting{
	{"delimiter", "`character` between the fields, or tab, or space for any number of blanks; detected if not given", false,
		func(l *recording.Layout, text string) (err error) {
			l.Delimiter, err = parseDelimiter(text)
			return err
		}},
	{"encoding", "`encoding` of the text: utf-8, utf-16, gbk, gb18030, latin1, windows-1252 and their like " +
		"(default utf-8, or utf-16 if its byte order mark is there)", false,
		func(l *recording.Layout, text string) (err error) {
			l.Encoding, err = recording.ParseEncoding(text)
			return err
		}},
	{"skip", "how many `lines` above the header to leave out, such as a title; Excel's line sep=; is known without it", false,
		func(l *recording.Layout, text string) (err error) {
			if l.Skip, err = strconv.Atoi(text); err != nil || l.Skip < 0 {
				return fmt.Errorf("must be a number of lines (got %q)", text)
			}
			return nil
		}},
	{"comment", "leave out lines that begin with `text`, such as #; the last of them is the header if no other line is", false,
		func(l *recording.Layout, text string) error {
			l.Comment = text
			return nil
		}},
	{"no-header", "the first line is a row; columns are named 1, 2, 3 and so on, or by -columns", true,
		func(l *recording.Layout, text string) (err error) {
			l.NoHeader, err = parseBool(text)
			return err
		}},
	{"columns", "names of the columns, `A,B,…`, in place of those in the header; one with a comma in it is quoted", false,
		func(l *recording.Layout, text string) (err error) {
			l.Columns, err = recording.ParseList(text)
			return err
		}},
	{"time-column", "name or number of the column with the time, or of several, `A,B,…`, which are joined by a blank; " +
		"one with a comma in it is quoted; detected if not given", false,
		func(l *recording.Layout, text string) error {
			l.TimeColumns = nil
			if text != "" {
				l.TimeColumns = []string{text}
			}
			return nil
		}},
	{"time-format", "`format` of the time: unix, unix_ms, unix_us, unix_ns, excel, or in the notation of strftime, such as " +
		"'%d/%m/%Y %H:%M' (default: begins with the year, or Unix time)", false,
		func(l *recording.Layout, text string) (err error) {
			l.TimeFormat, err = recording.ParseTimeFormat(text)
			return err
		}},
	{"date", "`date` of the first row, 2006-01-31, for times without one; or the year, 2006, for times that lack only that", false,
		func(l *recording.Layout, text string) (err error) {
			if l.Date, err = (recording.Date{}), nil; text != "" {
				l.Date, err = recording.ParseDate(text)
			}
			return err
		}},
	{"zone", "time `zone` of times without an offset, such as Asia/Shanghai or +08:00 (default UTC)", false,
		func(l *recording.Layout, text string) (err error) {
			l.Zone, err = recording.ParseZone(text)
			return err
		}},
	{"decimal-comma", `numbers are written like "1,5"`, true,
		func(l *recording.Layout, text string) (err error) {
			l.Numbers.DecimalComma, err = parseBool(text)
			return err
		}},
	{"thousands", `numbers are written like "1,234.5", or like "1.234,5" with -decimal-comma`, true,
		func(l *recording.Layout, text string) (err error) {
			if l.Numbers.Thousands = slices.Contains(groupSeparators, text); !l.Numbers.Thousands {
				l.Numbers.Thousands, err = parseBool(text)
			}
			return err
		}},
	{"missing", "cells that mean no value besides empty ones, NaN, null, ? and their like: `-200,ERR,…`", false,
		func(l *recording.Layout, text string) error {
			list, err := recording.ParseList(text)
			l.Numbers.Missing = append(l.Numbers.Missing, list...)
			return err
		}},
}

// groupSeparators are the accepted values of -thousands. They all mean true: the separator follows from the decimal point.
var groupSeparators = []string{",", ".", "'", "’", " ", "_", "space"}

func parseBool(text string) (bool, error) {
	value, err := strconv.ParseBool(text)
	if text == "" {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("must be true or false (got %q)", text)
	}
	return value, nil
}

// parseDelimiter reads a single character, or the words tab and space; empty is 0, to be detected.
func parseDelimiter(text string) (rune, error) {
	switch strings.ToLower(text) {
	case "":
		return 0, nil
	case "tab", `\t`:
		return '\t', nil
	case "space", "blank", "blanks", "whitespace":
		return recording.Blanks, nil
	case "comma":
		return ',', nil
	case "semicolon":
		return ';', nil
	}
	delimiter, size := utf8.DecodeRuneInString(text)
	if size != len(text) || strings.ContainsRune("\"\r\n\ufffd", delimiter) {
		return 0, fmt.Errorf("must be a single character, tab or space, and no quote or end of line (got %q)", text)
	}
	return delimiter, nil
}

// layoutFlag is the flag of one setting. Its value is applied after the mapping file has been read.
type layoutFlag struct {
	*layoutSetting
	given *[]givenSetting
}

type givenSetting struct {
	*layoutSetting
	text string
}

func (f layoutFlag) String() string { return "" }

func (f layoutFlag) IsBoolFlag() bool { return f.boolean }

// Set checks the value and stores it.
func (f layoutFlag) Set(text string) error {
	var scratch recording.Layout
	if err := f.set(&scratch, text); err != nil {
		return err
	}
	*f.given = append(*f.given, givenSetting{f.layoutSetting, text})
	return nil
}

// joinThousands joins "-thousands" and a following separator to one argument. Package flag does not do it for a flag that may
// have no value.
func joinThousands(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		if (args[i] == "-thousands" || args[i] == "--thousands") && i+1 < len(args) && slices.Contains(groupSeparators, args[i+1]) {
			joined = append(joined, args[i]+"="+args[i+1])
			i++
			continue
		}
		joined = append(joined, args[i])
	}
	return joined
}
