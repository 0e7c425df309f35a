package ingest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"iotmon/internal/iot"
)

// Mapping says which readings the cells of a recording are. Either Columns or Long is set.
type Mapping struct {
	// Columns is the wide form: each column of the recording holds the values of one device.
	Columns map[string]iot.Device
	// Long is the long form: each row holds one reading, with the device in a column.
	Long *LongColumns
}

// LongColumns names the columns of the long form. Type and Unit that name no column are the type and the unit themselves,
// of every reading.
type LongColumns struct {
	Device string `yaml:"device"`
	Type   string `yaml:"type"`
	Value  string `yaml:"value"`
	Unit   string `yaml:"unit"`
}

// usageError is a mistake in what the user asked for, found before anything was sent.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// parseColumn reads "COLUMN=DEVICE,TYPE[,UNIT]". The last = counts, so a column's name may hold one.
func parseColumn(text string) (column string, device iot.Device, err error) {
	cut := strings.LastIndex(text, "=")
	fields := strings.Split(text[cut+1:], ",")
	if cut < 1 || len(fields) < 2 || len(fields) > 3 || fields[0] == "" || fields[1] == "" {
		return "", iot.Device{}, fmt.Errorf("want COLUMN=DEVICE,TYPE[,UNIT] (got %q)", text)
	}
	device = iot.Device{ID: iot.DeviceID(strings.TrimSpace(fields[0])), Type: iot.DeviceType(strings.TrimSpace(fields[1]))}
	if len(fields) == 3 {
		device.Unit = strings.TrimSpace(fields[2])
	}
	return text[:cut], device, nil
}

// parseLong reads "device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN]", in any order.
func parseLong(text string) (*LongColumns, error) {
	var long LongColumns
	parts := map[string]*string{"device": &long.Device, "type": &long.Type, "value": &long.Value, "unit": &long.Unit}
	for part := range strings.SplitSeq(text, ",") {
		name, column, found := strings.Cut(part, "=")
		target := parts[strings.TrimSpace(name)]
		if !found || target == nil {
			return nil, fmt.Errorf("want device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN] (got %q)", text)
		}
		*target = strings.TrimSpace(column)
	}
	return &long, nil
}

// wideColumn is one mapped column of the wide form.
type wideColumn struct {
	index  int
	device iot.Device
}

// rowMapping is a Mapping resolved against the columns of one recording.
type rowMapping struct {
	wide []wideColumn
	// Of the long form the index of each column, -1 for one there is not; device carries the constant type and unit.
	long                                          bool
	deviceIndex, typeIndex, valueIndex, unitIndex int
	device                                        iot.Device
	// ignored names the columns that are not sent.
	ignored []string
}

// resolve finds the mapping's columns in the recording. The error shows the columns there are, and lines to start from.
func (m Mapping) resolve(path string, r *recording) (rowMapping, error) {
	if m.Long != nil && len(m.Columns) > 0 {
		return rowMapping{}, usage("a recording is either wide or long: give columns or the long form, not both")
	}
	if m.Long != nil {
		return m.Long.resolve(r)
	}
	if len(m.Columns) == 0 {
		return rowMapping{}, usage("%s", suggestMapping(path, r))
	}
	var resolved rowMapping
	for i, column := range r.columns {
		device, ok := m.Columns[column]
		switch {
		case ok && i == r.timeIndex:
			return rowMapping{}, usage("column %q holds the times and cannot be a device", column)
		case ok && slices.Index(r.columns, column) != i:
			return rowMapping{}, usage("two columns are called %q", column)
		case ok:
			resolved.wide = append(resolved.wide, wideColumn{i, device})
		case i != r.timeIndex:
			resolved.ignored = append(resolved.ignored, column)
		}
	}
	for column := range m.Columns {
		if !slices.Contains(r.columns, column) {
			return rowMapping{}, usage("no column is called %q (columns: %s)", column, quoteAll(r.columns))
		}
	}
	return resolved, nil
}

func (l *LongColumns) resolve(r *recording) (rowMapping, error) {
	m := rowMapping{
		long:        true,
		deviceIndex: slices.Index(r.columns, l.Device),
		valueIndex:  slices.Index(r.columns, l.Value),
		typeIndex:   slices.Index(r.columns, l.Type),
		unitIndex:   -1,
	}
	for what, name := range map[string]string{"device": l.Device, "type": l.Type, "value": l.Value} {
		if name == "" {
			return m, usage("the long form needs its %s column named (columns: %s)", what, quoteAll(r.columns))
		}
		if what != "type" && !slices.Contains(r.columns, name) {
			return m, usage("no column is called %q (columns: %s)", name, quoteAll(r.columns))
		}
	}
	if m.typeIndex < 0 {
		m.device.Type = iot.DeviceType(l.Type)
	}
	if l.Unit != "" {
		m.unitIndex = slices.Index(r.columns, l.Unit)
	}
	if m.unitIndex < 0 {
		m.device.Unit = l.Unit
	}
	for i, column := range r.columns {
		if !slices.Contains([]int{r.timeIndex, m.deviceIndex, m.typeIndex, m.valueIndex, m.unitIndex}, i) {
			m.ignored = append(m.ignored, column)
		}
	}
	return m, nil
}

// suggestMapping lists the columns of a recording with a flag for each to start from. Nothing is ever sent on a guess: a
// wrong type or unit would make wrong history.
func suggestMapping(path string, r *recording) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	var text strings.Builder
	fmt.Fprintf(&text, "no column is mapped to a device (columns: %s; times in %q); put right what is guessed here, and repeat:",
		quoteAll(r.columns), r.columns[r.timeIndex])
	for i, column := range r.columns {
		if i == r.timeIndex {
			continue
		}
		device := strings.ToLower(strings.ReplaceAll(name+"_"+column, " ", "_"))
		fmt.Fprintf(&text, "\n  -map '%s=%s,%s'", column, device, guessType(column))
	}
	if slices.ContainsFunc(r.columns, func(c string) bool { return strings.Contains(strings.ToLower(c), "device") }) {
		text.WriteString("\nor, if each row names its device:\n  -long 'device=COLUMN,type=COLUMN,value=COLUMN,unit=COLUMN'")
	}
	return text.String()
}

// guessType returns the type and unit that a column's name suggests, or placeholders.
func guessType(column string) string {
	folded := strings.ToLower(column)
	for _, guess := range []struct{ word, typeAndUnit string }{
		{"temp", string(iot.Temperature) + ",°C"},
		{"thermo", string(iot.Temperature) + ",°C"},
		{"humid", string(iot.Humidity) + ",%"},
		{"press", string(iot.Pressure) + ",hPa"},
		{"current", string(iot.Current) + ",A"},
		{"switch", string(iot.Switch)},
	} {
		if strings.Contains(folded, guess.word) {
			return guess.typeAndUnit
		}
	}
	return "TYPE,UNIT"
}
