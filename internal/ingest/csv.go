package ingest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// sampleBytes is how much of a recording is looked at to find its delimiter and its time column.
	sampleBytes = 64 << 10
	// maxRecordBytes bounds one record, so that a quote left open cannot pull a whole file into memory.
	maxRecordBytes = 1 << 20
)

// CSVLayout says how a recording is written. What is left zero is detected, or is the default.
type CSVLayout struct {
	// Delimiter separates the fields; 0 is detected.
	Delimiter rune
	// TimeColumn names the column with the time; empty is detected.
	TimeColumn string
	// Zone is where times without an offset were taken; nil is UTC.
	Zone *time.Location
	// DecimalComma makes "1,5" a number. The point is understood all the same.
	DecimalComma bool
}

// recording is a CSV file that is being read row by row. Its memory does not grow with the file.
type recording struct {
	file    *os.File
	size    int64
	limit   *recordLimit
	csv     *csv.Reader
	columns []string
	// timeIndex is the column with the time.
	timeIndex int
	clock     timeReader
}

// recordRow is one row; cells are valid until the next one is read.
type recordRow struct {
	line  int
	time  time.Time
	cells []string
}

// rowError says why one row was refused. The rows after it can still be read.
type rowError struct {
	line          int
	field, reason string
}

func (e *rowError) Error() string { return fmt.Sprintf("line %d: %s: %s", e.line, e.field, e.reason) }

// openRecording opens a CSV file and finds out what layout leaves open. The caller closes it.
func openRecording(path string, layout CSVLayout) (*recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r, err := newRecording(file, layout)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	r.file = file
	if info, err := file.Stat(); err == nil {
		r.size = info.Size()
	}
	return r, nil
}

// newRecording reads the header of a CSV text and finds out what layout leaves open.
func newRecording(text io.Reader, layout CSVLayout) (*recording, error) {
	buffered := bufio.NewReaderSize(text, sampleBytes)
	sample, err := peekSample(buffered)
	if err != nil {
		return nil, err
	}
	delimiter := layout.Delimiter
	if delimiter == 0 {
		delimiter = detectDelimiter(sample)
	}
	limit := &recordLimit{source: buffered, left: maxRecordBytes}
	r := &recording{limit: limit, csv: newCSVReader(limit, delimiter), clock: timeReader{zone: layout.Zone}}
	header, err := r.csv.Read()
	if err != nil {
		return nil, usage("read the header: %w", err)
	}
	r.columns = make([]string, len(header))
	for i, name := range header {
		if !utf8.ValidString(name) {
			return nil, usage("the names of the columns are not UTF-8; save the recording as UTF-8")
		}
		r.columns[i] = strings.TrimSpace(name)
	}
	r.timeIndex, err = findTimeColumn(r.columns, sampleRows(sample, delimiter), layout)
	return r, err
}

// newCSVReader returns a reader that reuses its record and expects every row to be as long as the first.
func newCSVReader(text io.Reader, delimiter rune) *csv.Reader {
	r := csv.NewReader(text)
	r.Comma = delimiter
	r.ReuseRecord = true
	return r
}

// peekSample returns the beginning of the text without consuming it, but for a byte order mark.
func peekSample(text *bufio.Reader) ([]byte, error) {
	sample, err := text.Peek(sampleBytes)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the beginning: %w", err)
	}
	switch {
	case bytes.HasPrefix(sample, []byte("\xEF\xBB\xBF")):
		sample = sample[3:]
		if _, err := text.Discard(3); err != nil {
			return nil, fmt.Errorf("skip the byte order mark: %w", err)
		}
	case bytes.HasPrefix(sample, []byte("\xFF\xFE")), bytes.HasPrefix(sample, []byte("\xFE\xFF")):
		return nil, usage("the text is UTF-16; save it as UTF-8")
	}
	if len(bytes.TrimSpace(sample)) == 0 {
		return nil, usage("the recording is empty")
	}
	return sample, nil
}

// detectDelimiter returns the candidate that cuts the header into the most fields, and most of the rows after it into as
// many; or the comma, if there is only one column.
func detectDelimiter(sample []byte) rune {
	best, most := ',', 1
	for _, candidate := range []rune{',', ';', '\t', '|'} {
		rows := sampleRows(sample, candidate)
		if len(rows) == 0 {
			continue
		}
		fields, alike := len(rows[0]), 0
		for _, row := range rows {
			if len(row) == fields {
				alike++
			}
		}
		if fields > most && 2*alike > len(rows) {
			best, most = candidate, fields
		}
	}
	return best
}

// sampleRows returns the first rows of a sample, header included, without the one that its end may have cut.
func sampleRows(sample []byte, delimiter rune) [][]string {
	const enough = 20
	if len(sample) >= sampleBytes-3 {
		sample = sample[:bytes.LastIndexByte(sample, '\n')+1]
	}
	r := newCSVReader(bytes.NewReader(sample), delimiter)
	r.ReuseRecord = false
	var rows [][]string
	for len(rows) < enough {
		row, err := r.Read()
		if err != nil {
			if parse, ok := errors.AsType[*csv.ParseError](err); ok && parse.Err == csv.ErrFieldCount {
				rows = append(rows, row)
				continue
			}
			break
		}
		rows = append(rows, row)
	}
	return rows
}

// next returns the next row. A *rowError concerns that row alone; io.EOF is the end; any other error is final.
func (r *recording) next() (recordRow, error) {
	r.limit.left = maxRecordBytes
	cells, err := r.csv.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		if parse.Err == csv.ErrFieldCount {
			reason := fmt.Sprintf("must have %d fields (got %d)", len(r.columns), len(cells))
			return recordRow{}, &rowError{parse.StartLine, "row", reason}
		}
		return recordRow{}, &rowError{parse.StartLine, "row", parse.Err.Error()}
	}
	if err == errRecordTooLong {
		return recordRow{}, fmt.Errorf("a record has more than %d bytes; is there a quote left open before byte %d?",
			maxRecordBytes, r.csv.InputOffset())
	}
	if err != nil {
		return recordRow{}, err
	}
	line, _ := r.csv.FieldPos(0)
	at, err := r.clock.read(cells[r.timeIndex])
	if err != nil {
		return recordRow{}, &rowError{line, "timestamp", err.Error()}
	}
	return recordRow{line: line, time: at, cells: cells}, nil
}

// offset returns how many bytes of the file have been read.
func (r *recording) offset() int64 { return r.csv.InputOffset() }

// close closes the file. It was only read, so an error could not mean a loss.
func (r *recording) close() { _ = r.file.Close() }

var errRecordTooLong = errors.New("record too long")

// recordLimit fails once more has been read than a record may be long; whoever reads the records renews what is left.
type recordLimit struct {
	source io.Reader
	left   int
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRecordTooLong
	}
	n, err := l.source.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
