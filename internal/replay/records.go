package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
)

// Format is what a recording consists of.
type Format string

// Table is rows of cells, such as CSV. JSONLines has a JSON text in each line, LineProtocol a point of InfluxDB's line protocol.
const (
	Table        Format = "csv"
	JSONLines    Format = "json"
	LineProtocol Format = "line"
)

// parseFormat reads the name of a format; empty is one to be detected.
func parseFormat(text string) (Format, error) {
	if f := Format(text); text == "" || slices.Contains([]Format{Table, JSONLines, LineProtocol}, f) {
		return f, nil
	}
	return "", fmt.Errorf("must be csv, json or line (got %q)", text)
}

// formatOf detects the format of a file by its name, or by how it begins.
func formatOf(file *os.File) (Format, error) {
	switch strings.ToLower(filepath.Ext(file.Name())) {
	case ".json", ".jsonl", ".ndjson":
		return JSONLines, nil
	case ".line", ".lines", ".lp", ".influx":
		return LineProtocol, nil
	}
	begin := make([]byte, 64)
	n, err := file.ReadAt(begin, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	if strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(string(begin[:n]), "\uFEFF"), " \t\r\n"), "{") {
		return JSONLines, nil
	}
	return Table, nil
}

// record is what a recording says at once: the cells of a row, or the values of a payload.
type record struct {
	line int
	// values are as they are written.
	values []mapping.Point
}

// records reads a recording record by record.
type records interface {
	// next returns the next record, whose values are valid until the one after it. A *recording.RowError concerns that record alone; io.EOF is
	// the end; any other error is final.
	next() (record, error)
	// value replaces what is written by what it means. The error is recording.ErrMissing for no value, or an *iot.InvalidError.
	value(p *mapping.Point) error
	// Offset returns about how many bytes have been read.
	Offset() int64
	// Backwards reports whether the newest record comes first.
	Backwards() bool
}

// openFile is a recording that is read from a file.
type openFile struct {
	records
	// table is nil if the recording is none.
	table *tableRecords
	file  *os.File
	size  int64
}

// open opens the file and detects what the options do not say about it. The caller closes it.
func (o *Options) open() (*openFile, error) {
	file, err := os.Open(o.File)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := &openFile{file: file}
	if err := o.read(r); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.File, err), file.Close())
	}
	if info, err := file.Stat(); err == nil {
		r.size = info.Size()
	}
	return r, nil
}

// read makes the reader of an open file.
func (o *Options) read(r *openFile) (err error) {
	format := o.Format
	if format == "" {
		if format, err = formatOf(r.file); err != nil {
			return err
		}
	}
	if format != Table {
		if !o.Layout.IsZero() {
			return usage("delimiter, header, time columns, zone and the like are for tables, and this is %s: a rule of map says with time where the time is", formatNames[format])
		}
		r.records = newPayloads(r.file, format, o.Topic)
		return nil
	}
	layout, err := o.Mapping.timed(o.Layout)
	if err != nil {
		return err
	}
	table, err := recording.Open(r.file, layout)
	if err != nil {
		return err
	}
	r.table = newTableRecords(table, o.Topic)
	r.records = r.table
	return nil
}

var formatNames = map[Format]string{JSONLines: "lines of JSON", LineProtocol: "the line protocol"}

// close closes the file. It was only read, so an error could not mean a loss.
func (r *openFile) close() { _ = r.file.Close() }

// tableRecords reads a table. Each cell is a value, whose field is the name of its column.
type tableRecords struct {
	*recording.Table
	fields []string
	values []mapping.Point
}

func newTableRecords(table *recording.Table, topic string) *tableRecords {
	t := &tableRecords{Table: table, fields: fieldsOf(table), values: make([]mapping.Point, len(table.Columns))}
	for i, field := range t.fields {
		t.values[i] = mapping.Point{Field: field, Topic: topic}
	}
	return t
}

// fieldsOf returns the fields of the columns: the name, or the number of a column from 1 if another one has its name.
func fieldsOf(table *recording.Table) []string {
	fields := slices.Clone(table.Columns)
	for i, name := range table.Columns {
		if number := strconv.Itoa(i + 1); slices.Index(table.Columns, name) < i && !slices.Contains(fields, number) {
			fields[i] = number
		}
	}
	return fields
}

func (t *tableRecords) next() (record, error) {
	row, err := t.Next()
	if err != nil {
		return record{}, err
	}
	for i := range t.values {
		p := &t.values[i]
		p.Time, p.ValueText = row.Time, strings.TrimSpace(row.Cells[i])
		p.Empty = p.ValueText == ""
	}
	return record{row.Line, t.values}, nil
}

// value reads a cell: a number, a number with its unit, of which the system decides whether it is that of the type, or a word.
func (t *tableRecords) value(p *mapping.Point) error {
	value, err := t.Numbers().Read(p.ValueText)
	switch {
	case err == recording.ErrMissing:
		return err
	case err != nil:
		return iot.Invalid("value", "%s", err)
	}
	p.ValueText = value.Word
	if value.Unit != "" {
		p.ValueText = strconv.FormatFloat(value.Number, 'g', -1, 64) + " " + value.Unit
	} else if value.Word == "" {
		p.Value = value.Number
	}
	return nil
}
