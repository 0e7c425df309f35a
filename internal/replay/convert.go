package replay

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// converter makes readings of the records of one recording. It is not safe for concurrent use.
type converter struct {
	records
	mapper *mapping.Mapper
	// columns are the indexes of the values for which there are rules; nil if that differs from record to record.
	columns []int
	// types are those of the system, which have the names of their states.
	types map[iot.DeviceType]iot.TypeSpec
	// unmapped is called with the field of each value for which there is no rule.
	unmapped func(field string)

	point  mapping.Point
	result mapping.Result
}

// valueError is the reason why a value has no reading: recording.ErrMissing, or an *iot.InvalidError.
type valueError struct {
	// written is the text of the value.
	written string
	err     error
}

// convert appends the readings of a record to dst, and calls refused for every mapped value without one.
func (c *converter) convert(r record, dst []iot.Reading, refused func(valueError)) []iot.Reading {
	c.mapper.Begin(r.values)
	if c.columns == nil {
		for i := range r.values {
			dst = c.one(&r.values[i], dst, refused)
		}
		return dst
	}
	for _, i := range c.columns {
		dst = c.one(&r.values[i], dst, refused)
	}
	return dst
}

// one appends the reading of a value.
func (c *converter) one(written *mapping.Point, dst []iot.Reading, refused func(valueError)) []iot.Reading {
	c.point = *written // The record keeps what is written, for templates: 007 is a number as a value, and not as a name.
	if err := c.value(&c.point); err != nil {
		refused(valueError{written.ValueText, err})
		return dst
	}
	err := c.mapper.Map(&c.point, &c.result)
	switch {
	case c.result.Outcome == mapping.Unmatched && !written.Note:
		c.unmapped(written.Field)
		return dst
	case c.result.Outcome != mapping.Read:
		return dst
	case err == nil:
		err = c.check(&c.result.Reading)
	}
	if err != nil {
		refused(valueError{written.ValueText, err})
		return dst
	}
	return append(dst, c.result.Reading)
}

// check refuses what the system could only misunderstand, or would refuse without knowing why.
func (c *converter) check(r *iot.Reading) error {
	for _, text := range []struct{ field, text string }{
		{"device_id", string(r.ID)}, {"device_type", string(r.Type)}, {"unit", r.Unit}, {"location.building", r.Location.Building},
		{"location.room", r.Location.Room}, {"metadata.model", r.Metadata.Model}, {"metadata.firmware", r.Metadata.Firmware},
	} {
		if !utf8.ValidString(text.text) {
			return iot.Invalid(text.field, "not UTF-8: say with -encoding what it is (got %q)", text.text)
		}
	}
	if r.Time.IsZero() {
		return iot.Invalid("timestamp", "missing: a recording needs the time of each reading; the time of a rule says where it is")
	}
	first, _ := utf8.DecodeRuneInString(r.ValueText)
	if spec, known := c.types[r.Type]; known && len(spec.States) == 0 && unicode.IsLetter(first) {
		return iot.Invalid("value", "not a number (got %q)", r.ValueText)
	}
	return nil
}

// converter returns the converter of an open recording by the rules. unmapped is called with the field of each value of a payload without a rule.
func (r *openFile) converter(rules *mapping.Rules, types map[iot.DeviceType]iot.TypeSpec, unmapped func(string)) *converter {
	c := &converter{records: r.records, mapper: rules.Mapper(), types: types, unmapped: unmapped}
	if r.table == nil {
		return c
	}
	c.columns = []int{}
	for i := range r.table.values {
		if _, mapped, _ := c.mapper.Device(&r.table.values[i]); mapped {
			c.columns = append(c.columns, i)
		}
	}
	return c
}

// unsent names the columns of a table that neither hold the time nor are used by a rule.
func (c *converter) unsent(t *tableRecords, rules *mapping.Rules) []string {
	var names []string
	for i, name := range t.Columns {
		if !slices.Contains(c.columns, i) && !slices.Contains(t.TimeColumns, i) && !rules.Reads(t.fields[i]) {
			names = append(names, name)
		}
	}
	return names
}
