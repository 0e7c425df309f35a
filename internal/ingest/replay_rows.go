package ingest

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// errEmptyCell means that the recording has no value there.
var errEmptyCell = errors.New("empty cell")

// numberFormat reads the values of a recording.
type numberFormat struct{ decimalComma bool }

// parse reads a number, or a switch's state as 0 or 1. The error is errEmptyCell for what stands for a missing value.
func (f numberFormat) parse(cell string) (float64, error) {
	cell = strings.TrimSpace(cell)
	switch strings.ToLower(cell) {
	case "", "nan", "na", "n/a", "null", "none", "-":
		return 0, errEmptyCell
	case "on", "true":
		return 1, nil
	case "off", "false":
		return 0, nil
	}
	number := cell
	if f.decimalComma {
		number = strings.Replace(number, ",", ".", 1)
	}
	value, err := strconv.ParseFloat(number, 64)
	switch {
	case math.IsInf(value, 0):
		return 0, iot.Invalid("value", "not a finite number (got %q)", cell)
	case err != nil:
		return 0, iot.Invalid("value", "not a number (got %q)", cell)
	case math.IsNaN(value):
		return 0, errEmptyCell
	}
	return value, nil
}

// readings appends the readings of a row to dst, and tells refused about every cell that has none: errEmptyCell, or the
// *iot.InvalidError of a cell that cannot be read.
func (m *rowMapping) readings(row recordRow, format numberFormat, dst []iot.Reading, refused func(error)) []iot.Reading {
	if m.long {
		return m.longReading(row, format, dst, refused)
	}
	for _, column := range m.wide {
		value, err := format.parse(row.cells[column.index])
		if err != nil {
			refused(err)
			continue
		}
		dst = append(dst, iot.Reading{Device: column.device, Time: row.time, Value: value})
	}
	return dst
}

func (m *rowMapping) longReading(row recordRow, format numberFormat, dst []iot.Reading, refused func(error)) []iot.Reading {
	value, err := format.parse(row.cells[m.valueIndex])
	if err != nil {
		refused(err)
		return dst
	}
	cell := func(index int) string { return strings.TrimSpace(row.cells[index]) }
	r := iot.Reading{Device: m.device, Time: row.time, Value: value}
	id := cell(m.deviceIndex)
	if !utf8.ValidString(id) {
		refused(iot.Invalid("device_id", "not UTF-8 (got %q)", id))
		return dst
	}
	r.ID = iot.DeviceID(id)
	if m.typeIndex >= 0 {
		r.Type = iot.DeviceType(cell(m.typeIndex))
	}
	if m.unitIndex >= 0 {
		r.Unit = cell(m.unitIndex)
	}
	return append(dst, r)
}
