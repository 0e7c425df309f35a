package ingest

import (
	"strings"
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/recording"
)

// cellReader makes readings of cells.
type cellReader struct {
	numbers *recording.Numbers
	// types are the system's, for the names of their states.
	types map[iot.DeviceType]iot.TypeSpec
}

// cellError says why a cell made no reading: recording.ErrMissing, or an *iot.InvalidError.
type cellError struct {
	// cell is what stood there.
	cell string
	err  error
}

// readings appends the readings of a row to dst, and tells refused about every cell that has none.
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

// read puts what a cell holds into r. A unit in the cell counts as much as that of the column, so the two must agree.
func (c cellReader) read(r *iot.Reading, cell string) error {
	value, err := c.numbers.Read(cell)
	switch {
	case err == recording.ErrMissing:
		return err
	case err != nil:
		return iot.Invalid("value", "%s", err)
	case value.Word != "":
		return c.readState(r, value.Word)
	}
	r.Value = value.Number
	if value.Unit == "" || value.Unit == r.Unit {
		return nil
	}
	if r.Unit != "" && !sameUnit(value.Unit, r.Unit) {
		return iot.Invalid("value", "has a unit other than the %q of its column (got %q)", r.Unit, cell)
	}
	r.Unit = value.Unit
	return nil
}

// sameUnit reports whether two spellings differ in nothing that counts.
func sameUnit(a, b string) bool {
	fold := func(unit string) string {
		return strings.ToLower(strings.NewReplacer(" ", "", "º", "°", "˚", "°", "℃", "°c", "℉", "°f", "deg", "°", "μ", "µ").Replace(unit))
	}
	a, b = fold(a), fold(b)
	return a == b || strings.TrimPrefix(a, "°") == strings.TrimPrefix(b, "°")
}

// readState takes the name of a state, in any case, for its value; only types with states have any.
func (c cellReader) readState(r *iot.Reading, word string) error {
	states := c.types[r.Type].States
	if len(states) == 0 {
		return iot.Invalid("value", "not a number (got %q)", word)
	}
	for i, state := range states {
		if strings.EqualFold(state, word) {
			r.Value = float64(i)
			return nil
		}
	}
	if len(states) == 2 {
		for i, name := range []string{"false", "true"} {
			if strings.EqualFold(name, word) {
				r.Value = float64(i)
				return nil
			}
		}
	}
	return iot.Invalid("value", "not a state of %s: %s (got %q)", r.Type, strings.Join(states, ", "), word)
}
