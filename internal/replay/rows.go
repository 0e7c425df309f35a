package replay

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

// cellReader converts cells to values of readings.
type cellReader struct {
	numbers *recording.Numbers
	// types are those of the system, which have the names of their states.
	types map[iot.DeviceType]iot.TypeSpec
}

// cellError is the reason why a cell has no reading: recording.ErrMissing, or an *iot.InvalidError.
type cellError struct {
	// cell is the text of the cell.
	cell string
	err  error
}

// readings appends the readings of a row to dst, and calls refused for every mapped cell without one.
func (m *rowMapping) readings(row recording.Row, cells cellReader, dst []iot.Reading, refused func(cellError)) []iot.Reading {
	if m.long {
		return m.longReading(row, cells, dst, refused)
	}
	for _, column := range m.wide {
		r := iot.Reading{Device: column.device, Time: row.Time}
		if err := cells.read(&r, row.Cells[column.index]); err != nil {
			refused(cellError{row.Cells[column.index], err})
			continue
		}
		dst = append(dst, r)
	}
	return dst
}

func (m *rowMapping) longReading(row recording.Row, cells cellReader, dst []iot.Reading, refused func(cellError)) []iot.Reading {
	cell := func(index int) string { return strings.TrimSpace(row.Cells[index]) }
	r := iot.Reading{Device: m.device, Time: row.Time}
	if m.typeIndex >= 0 {
		r.Type = iot.DeviceType(cell(m.typeIndex))
	}
	if m.unitIndex >= 0 {
		r.Unit = cell(m.unitIndex)
	}
	id := cell(m.deviceIndex)
	err := cells.read(&r, row.Cells[m.valueIndex])
	if err == nil && !utf8.ValidString(id) {
		err = iot.Invalid("device_id", "not UTF-8: say with -encoding what it is (got %q)", id)
	}
	if err != nil {
		refused(cellError{row.Cells[m.valueIndex], err})
		return dst
	}
	r.ID = iot.DeviceID(id)
	return append(dst, r)
}

// read converts the text of a cell to the value of r.
func (c cellReader) read(r *iot.Reading, cell string) error {
	value, err := c.numbers.Read(cell)
	switch {
	case err == recording.ErrMissing:
		return err
	case err != nil:
		return iot.Invalid("value", "%s", err)
	case value.Word != "":
		return c.readWord(r, value.Word)
	}
	if value.Unit == "" {
		r.Value = value.Number
		return nil
	}
	// The system decides whether the unit is that of the column, as for every text.
	r.ValueText = strconv.FormatFloat(value.Number, 'g', -1, 64) + " " + value.Unit
	return nil
}

// readWord passes on a word, which may name a state. Of a type that is known to have none it is refused here.
func (c cellReader) readWord(r *iot.Reading, word string) error {
	if spec, known := c.types[r.Type]; known && len(spec.States) == 0 {
		return iot.Invalid("value", "not a number (got %q)", word)
	}
	r.ValueText = word
	return nil
}
