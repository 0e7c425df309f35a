package replay

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

// Mapping is the conversion of a recording's cells to readings. Either Columns or Long is set.
type Mapping struct {
	// Columns is the wide form: each column of the recording holds the values of one device.
	Columns map[string]iot.Device
	// Long is the long form: each row holds one reading, with the device in a column.
	Long *LongColumns
}

// LongColumns has the names of the columns of the long form. If Type or Unit is not the name of a column, it is the type or unit
// of every reading.
type LongColumns struct {
	Device string `yaml:"device"`
	Type   string `yaml:"type"`
	Value  string `yaml:"value"`
	Unit   string `yaml:"unit"`
}

// usageError is a mistake of the user, found before anything was sent.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// parseColumn parses "COLUMN=DEVICE,TYPE[,UNIT]". It cuts at the last =, because a column's name may contain one.
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

// parseLong parses "device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN]", in any order.
func parseLong(text string) (*LongColumns, error) {
	var long LongColumns
	parts := map[string]*string{"device": &long.Device, "type": &long.Type, "value": &long.Value, "unit": &long.Unit}
	list, err := recording.ParseList(text)
	if err != nil {
		return nil, err
	}
	for _, part := range list {
		name, column, found := strings.Cut(part, "=")
		target := parts[strings.TrimSpace(name)]
		if !found || target == nil {
			return nil, fmt.Errorf("want device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN] (got %q)", text)
		}
		*target = strings.TrimSpace(column)
	}
	if long == (LongColumns{}) {
		return nil, fmt.Errorf("want device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN] (got %q)", text)
	}
	return &long, nil
}

// wideColumn is one mapped column of the wide form.
type wideColumn struct {
	index  int
	device iot.Device
}

// rowMapping is a Mapping for the columns of one recording.
type rowMapping struct {
	wide []wideColumn
	// For the long form: the index of each column, -1 for none. device has the constant type and unit.
	long                                          bool
	deviceIndex, typeIndex, valueIndex, unitIndex int
	device                                        iot.Device
	// ignored has the names of the columns that are not sent.
	ignored []string
}

// resolve finds the mapping's columns in the recording. If a column is missing, the error lists the columns and example flags.
func (m Mapping) resolve(path string, r *recording.Table) (rowMapping, error) {
	if m.Long != nil && len(m.Columns) > 0 {
		return rowMapping{}, usage("a recording is either wide or long: give columns or the long form, not both")
	}
	if m.Long != nil {
		return m.Long.resolve(r)
	}
	if len(m.Columns) == 0 {
		return rowMapping{}, usage("%s", suggestMapping(path, r))
	}
	resolved := rowMapping{}
	mapped := slices.Clone(r.TimeColumns)
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		i, err := r.Find(name)
		switch {
		case err != nil:
			return rowMapping{}, err
		case slices.Contains(r.TimeColumns, i):
			return rowMapping{}, usage("column %q holds the times and cannot be a device", name)
		case slices.Contains(mapped, i):
			return rowMapping{}, usage("column %q is mapped twice", r.Columns[i])
		}
		mapped = append(mapped, i)
		resolved.wide = append(resolved.wide, wideColumn{i, m.Columns[name]})
	}
	slices.SortFunc(resolved.wide, func(a, b wideColumn) int { return a.index - b.index })
	resolved.ignored = unmapped(r, mapped)
	return resolved, nil
}

// unmapped names the columns without the indexes.
func unmapped(r *recording.Table, mapped []int) []string {
	var names []string
	for i, column := range r.Columns {
		if !slices.Contains(mapped, i) {
			names = append(names, column)
		}
	}
	return names
}

func (l *LongColumns) resolve(r *recording.Table) (rowMapping, error) {
	m := rowMapping{long: true, typeIndex: -1, unitIndex: -1}
	var err error
	for _, part := range []struct {
		what, name string
		index      *int
	}{{"device", l.Device, &m.deviceIndex}, {"value", l.Value, &m.valueIndex}, {"type", l.Type, &m.typeIndex}} {
		if part.name == "" {
			return m, usage("the long form needs its %s column named (columns: %s)", part.what, recording.QuoteAll(r.Columns))
		}
		index, notFound := r.Find(part.name)
		if notFound == nil {
			*part.index = index
		} else if part.what != "type" {
			err = cmp.Or(err, notFound)
		}
	}
	if err != nil {
		return m, err
	}
	if m.typeIndex < 0 {
		m.device.Type = iot.DeviceType(l.Type)
	}
	if index, notFound := r.Find(l.Unit); l.Unit != "" && notFound == nil {
		m.unitIndex = index
	} else {
		m.device.Unit = l.Unit
	}
	m.ignored = unmapped(r, append([]int{m.deviceIndex, m.typeIndex, m.valueIndex, m.unitIndex}, r.TimeColumns...))
	return m, nil
}

// suggestMapping lists the columns of a recording, each with an example flag. The user has to choose: a wrong type or unit would
// produce wrong history.
func suggestMapping(path string, r *recording.Table) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	var text strings.Builder
	fmt.Fprintf(&text, "no column is mapped to a device (columns: %s; times in %s); put right what is guessed here, and repeat:",
		recording.QuoteAll(r.Columns), timeNames(r))
	for _, column := range unmapped(r, r.TimeColumns) {
		flag := column + "=" + deviceName(name, column) + "," + guessType(column)
		fmt.Fprintf(&text, "\n  -map '%s'", strings.ReplaceAll(flag, "'", `'\''`))
	}
	if slices.ContainsFunc(r.Columns, func(c string) bool { return strings.Contains(strings.ToLower(c), "device") }) {
		text.WriteString("\nor, if each row names its device:\n  -long 'device=COLUMN,type=COLUMN,value=COLUMN,unit=COLUMN'")
	}
	text.WriteString("\niotmon replay -inspect says more about the recording")
	return text.String()
}

// timeNames names the columns with the time.
func timeNames(r *recording.Table) string {
	names := make([]string, len(r.TimeColumns))
	for i, column := range r.TimeColumns {
		names[i] = r.Columns[column]
	}
	return recording.QuoteAll(names)
}
