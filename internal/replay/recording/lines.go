package recording

import (
	"bufio"
	"io"
	"strings"
)

const (
	// sampleBytes is how much of a recording is looked at to find out how it is written.
	sampleBytes = 256 << 10
	// maxRecordBytes bounds one record, so that a quote left open cannot pull a whole file into memory.
	maxRecordBytes = 1 << 20
)

// lineReader reads records: lines, or several where a quoted field has line breaks in it.
type lineReader struct {
	text *bufio.Reader
	// end is the byte that ends a line: a carriage return only where there is no other.
	end   byte
	split splitter
	// comment is the beginning of lines that are not records; empty for none.
	comment string
	// lastComment is the last such line, without that beginning.
	lastComment string
	// line is the number of the last line read.
	line int
	long []byte
}

// record is one record as text, with the line on which it begins.
type record struct {
	line int
	text string
}

// next returns the next record that is neither blank nor a comment; io.EOF is the end.
func (l *lineReader) next() (record, error) {
	for {
		text, err := l.readLine()
		if err != nil {
			return record{}, err
		}
		if l.comment != "" && strings.HasPrefix(text, l.comment) {
			l.lastComment = strings.TrimSpace(strings.TrimLeft(text, l.comment))
			continue
		}
		if isBlank(text, l.split.delimiter) {
			continue
		}
		first := l.line
		text, err = l.finish(text)
		return record{first, text}, err
	}
}

// finish reads on while a quoted field is open.
func (l *lineReader) finish(text string) (string, error) {
	if strings.IndexByte(text, '"') < 0 || !l.split.leavesOpen(text, false) {
		return text, nil
	}
	var whole strings.Builder
	whole.WriteString(text)
	for open := true; open; {
		line, err := l.readLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		if whole.Len()+len(line) >= maxRecordBytes {
			return "", errRecordTooLong
		}
		whole.WriteByte('\n')
		whole.WriteString(line)
		open = l.split.leavesOpen(line, true)
	}
	return whole.String(), nil
}

// readLine returns the next line without its end.
func (l *lineReader) readLine() (string, error) {
	part, err := l.text.ReadSlice(l.end)
	for l.long = l.long[:0]; err == bufio.ErrBufferFull; {
		if l.long = append(l.long, part...); len(l.long) > maxRecordBytes {
			return "", errRecordTooLong
		}
		part, err = l.text.ReadSlice(l.end)
	}
	if len(l.long) > 0 {
		l.long = append(l.long, part...)
		part = l.long
	}
	if err == io.EOF && len(part) > 0 {
		err = nil
	}
	if err != nil {
		return "", err
	}
	l.line++
	return trimLineEnd(string(part)), nil
}

// trimLineEnd cuts off the end of a line, and the character with which DOS ended a file.
func trimLineEnd(line string) string {
	line = strings.TrimRight(line, "\x00\x1a")
	line = strings.TrimSuffix(line, "\n")
	return strings.TrimSuffix(line, "\r")
}

// isBlank reports whether a line has nothing but blanks and delimiters.
func isBlank(line string, delimiter rune) bool {
	return strings.TrimFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == delimiter }) == ""
}

// lineEnd returns the byte that ends the lines of a text.
func lineEnd(sample []byte) byte {
	end := byte('\n')
	for _, b := range sample {
		switch b {
		case '\n':
			return '\n'
		case '\r':
			end = '\r'
		}
	}
	return end
}
