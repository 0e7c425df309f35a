package payload

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// decode reads the known properties of a metric. Keys and values are two lists of the same length, which may be in any order in the message.
func (p *Properties) decode(f field) error {
	data, err := f.message()
	if err != nil {
		return err
	}
	// known are the places of the known keys.
	const most = 8
	var known [most]struct {
		key   string
		place int
	}
	count, keys, values := 0, 0, 0
	err = fields(data, func(f field) error {
		switch f.number {
		case propertyKeys:
			key, err := f.message()
			if err != nil {
				return err
			}
			if name := knownProperty(key); name != "" && count < most {
				known[count].key, known[count].place = name, keys
				count++
			}
			keys++
		case propertyValues:
			values++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if keys != values {
		return errKeys
	}
	if count == 0 {
		return nil
	}
	place := 0
	return fields(data, func(f field) error {
		if f.number != propertyValues {
			return nil
		}
		for i := range known[:count] {
			if known[i].place == place {
				if err := p.set(known[i].key, f); err != nil {
					return err
				}
			}
		}
		place++
		return nil
	})
}

// knownProperty returns the name of a property that has a meaning, and "" of any other.
func knownProperty(key []byte) string {
	switch string(key) {
	case "engUnit":
		return "engUnit"
	case "engLow":
		return "engLow"
	case "engHigh":
		return "engHigh"
	case "Quality", "quality":
		return "Quality"
	}
	return ""
}

// set decodes the value of a property.
func (p *Properties) set(key string, f field) error {
	data, err := f.message()
	if err != nil {
		return err
	}
	var value Value
	null, kind := false, Unknown
	err = fields(data, func(f field) error {
		switch f.number {
		case 1:
			var t uint64
			err := f.varint(&t)
			kind = Type(t)
			return err
		case propertyNull:
			return f.flag(&null)
		}
		if f.number >= propertyValue && f.number <= propertyValue+protowire.Number(StringValue-IntValue) {
			return f.value(f.number-propertyValue, &value)
		}
		return nil
	})
	if err != nil || null {
		return err
	}
	number, isNumber := value.Number(kind)
	switch {
	case key == "engUnit" && value.Kind == StringValue:
		unit := field{wire: protowire.BytesType, bytes: value.Bytes}
		p.Unit, err = unit.name()
		return err
	case !isNumber: // A property of a type that nobody expects says nothing.
	case key == "engLow":
		p.Low = number
	case key == "engHigh":
		p.High = number
	case key == "Quality":
		p.Quality, p.HasQuality = int32(number), true
	}
	return nil
}

// dataSet decodes a table.
func (d *decoder) dataSet(f field) (*DataSet, error) {
	data, err := f.message()
	if err != nil {
		return nil, err
	}
	set := new(DataSet)
	err = fields(data, func(f field) error {
		switch f.number {
		case dataSetColumns:
			column, err := f.name()
			set.Columns = append(set.Columns, column)
			if err == nil {
				err = d.cell()
			}
			return err
		case dataSetTypes:
			return set.addTypes(f)
		case dataSetRows:
			row, err := d.row(f)
			set.Rows = append(set.Rows, row)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(set.Types) != len(set.Columns) {
		return nil, errColumns
	}
	for _, row := range set.Rows {
		if len(row) != len(set.Columns) {
			return nil, errColumns
		}
	}
	return set, nil
}

// cell counts a cell, a column or a row.
func (d *decoder) cell() error {
	if d.cells++; d.cells > MaxCells {
		return errCells
	}
	return nil
}

// addTypes adds the type of a column, or several in the packed form.
func (s *DataSet) addTypes(f field) error {
	if f.wire == protowire.VarintType {
		s.Types = append(s.Types, Type(f.bits))
		return nil
	}
	packed, err := f.message()
	for err == nil && len(packed) > 0 {
		bits, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return errNoMessage
		}
		s.Types = append(s.Types, Type(bits))
		packed = packed[n:]
		if len(s.Types) > MaxCells {
			return errCells
		}
	}
	return err
}

func (d *decoder) row(f field) ([]Value, error) {
	data, err := f.message()
	if err != nil {
		return nil, err
	}
	if err := d.cell(); err != nil {
		return nil, err
	}
	var row []Value
	err = fields(data, func(f field) error {
		if f.number != rowElements {
			return nil
		}
		data, err := f.message()
		if err != nil {
			return err
		}
		if err := d.cell(); err != nil {
			return err
		}
		var value Value
		err = fields(data, func(f field) error {
			if f.number >= cellValue && f.number <= cellValue+protowire.Number(StringValue-IntValue) {
				return f.value(f.number-cellValue, &value)
			}
			return nil
		})
		row = append(row, value)
		return err
	})
	return row, err
}

// template decodes a structure that is so many levels deep.
func (d *decoder) template(f field, depth int) (*Template, error) {
	data, err := f.message()
	if err != nil {
		return nil, err
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	t := new(Template)
	err = fields(data, func(f field) error {
		switch f.number {
		case templateMetrics:
			return d.metric(f, &t.Metrics, depth)
		case templateDefinition:
			return f.flag(&t.Definition)
		}
		return nil
	})
	return t, err
}
