package replay

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
)

// Mapping says what becomes of the values of a recording. Columns and Long are short forms of rules, and come before Rules.
type Mapping struct {
	// Columns is the wide form: each column, or field, of the recording holds the values of one device, whose id may be a template.
	Columns map[string]iot.Device
	// Long is the long form: each row holds one reading, with the device in a column.
	Long *LongColumns
	// Rules are those of the map of a source. The field of a cell is the name of its column.
	Rules []mapping.Rule
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

// rules returns all rules for an open recording. If a column is missing, the error lists the columns and example flags.
func (m Mapping) rules(path string, r *openFile) ([]mapping.Rule, error) {
	switch {
	case m.Long != nil && len(m.Columns) > 0:
		return nil, usage("a recording is either wide or long: give columns or the long form, not both")
	case m.Long != nil && r.table == nil:
		return nil, usage("the long form is for tables: give rules with map, such as {field: value, device: \"{{id}}\", type: \"{{type}}\"}")
	case m.Long != nil:
		rule, err := m.Long.rule(r.table)
		if err != nil {
			return nil, err
		}
		return append([]mapping.Rule{rule}, m.Rules...), nil
	}
	var rules []mapping.Rule
	for _, name := range slices.Sorted(maps.Keys(m.Columns)) {
		device := m.Columns[name]
		field := name
		if r.table != nil {
			var err error
			if field, err = r.table.valueColumn(name); err != nil {
				return nil, err
			}
		}
		rule := mapping.Rule{
			Field: mapping.QuoteField(field), Device: string(device.ID), Type: device.Type, Unit: device.Unit,
			Building: device.Location.Building, Room: device.Location.Room,
		}
		if device.Location.Floor != 0 {
			rule.Floor = strconv.Itoa(device.Location.Floor)
		}
		if slices.ContainsFunc(rules, func(known mapping.Rule) bool { return known.Field == rule.Field }) {
			return nil, usage("column %q is mapped twice", field)
		}
		rules = append(rules, rule)
	}
	if rules = append(rules, m.Rules...); len(rules) == 0 && r.table != nil {
		return nil, usage("%s", suggestMapping(path, r.table))
	}
	return rules, nil
}

// valueColumn returns the field of the column with a name, or a number, that holds no times.
func (t *tableRecords) valueColumn(name string) (field string, err error) {
	i, err := t.Find(name)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(t.TimeColumns, i):
		return "", usage("column %q holds the times and cannot be a device", name)
	}
	return t.fields[i], nil
}

// rule returns the rule that says the same.
func (l *LongColumns) rule(t *tableRecords) (rule mapping.Rule, err error) {
	for _, part := range []struct{ what, name string }{{"device", l.Device}, {"value", l.Value}, {"type", l.Type}} {
		if part.name == "" {
			return rule, usage("the long form needs its %s column named (columns: %s)", part.what, recording.QuoteAll(t.Columns))
		}
	}
	column := func(name string) string {
		i, notFound := t.Find(name)
		if notFound != nil {
			err = cmp.Or(err, notFound)
			return ""
		}
		return t.fields[i]
	}
	rule.Device, rule.Field = placeholder(column(l.Device)), mapping.QuoteField(column(l.Value))
	if err != nil {
		return rule, err
	}
	rule.Type, rule.Unit = iot.DeviceType(l.Type), l.Unit
	if i, notFound := t.Find(l.Type); notFound == nil {
		rule.Type = iot.DeviceType(placeholder(t.fields[i]))
	}
	if i, notFound := t.Find(l.Unit); l.Unit != "" && notFound == nil {
		rule.Unit = placeholder(t.fields[i])
	}
	return rule, nil
}

// placeholder stands for the value of a field in templates.
func placeholder(field string) string { return "{{value " + field + "}}" }

// timed returns the layout of a table with the time of the first rule that says where it is, unless the layout says it itself.
func (m Mapping) timed(layout recording.Layout) (recording.Layout, error) {
	for i := range m.Rules {
		t := m.Rules[i].Time
		switch {
		case t == nil:
			continue
		case t.Field == "":
			return layout, usage("map: rule %d: time: needs a field: of a table, or else time_column, time_format and zone say what it is", i)
		case len(layout.TimeColumns) > 0 || strings.Contains(t.Field, "*"):
			return layout, nil
		}
		layout.TimeColumns = []string{t.Field}
		format, err := recording.ParseTimeFormat(t.Format)
		if err != nil {
			return layout, usage("map: rule %d: time: format: %w", i, err)
		}
		if layout.TimeFormat.String() == "" {
			layout.TimeFormat = format
		}
		if layout.Zone == nil && t.Zone != "" {
			if layout.Zone, err = recording.ParseZone(t.Zone); err != nil {
				return layout, usage("map: rule %d: time: zone: %w", i, err)
			}
		}
		return layout, nil
	}
	return layout, nil
}

// suggestMapping lists the columns of a recording, each with an example flag. The user has to choose: a wrong type or unit would
// produce wrong history.
func suggestMapping(path string, r *tableRecords) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	var text strings.Builder
	fmt.Fprintf(&text, "no column is mapped to a device (columns: %s; times in %s); put right what is guessed here, and repeat:",
		recording.QuoteAll(r.Columns), timeNames(r.Table))
	for i, column := range r.Columns {
		if slices.Contains(r.TimeColumns, i) {
			continue
		}
		flag := column + "=" + deviceName(name, column) + "," + guessed(column, "")
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
