package api

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// columns are the columns of a table.
type columns struct {
	names []string
	// has has the same names.
	has map[string]bool
}

func readHeader(header []string) (columns, error) {
	seen := make(map[string]bool, len(header))
	for i, name := range header {
		name = norm.NFC.String(strings.TrimSpace(name)) // As the names of an entry are.
		header[i] = name
		known := slices.Contains(fixedColumns, name) || name == columnLabels || name == columnLimits
		label, isLabel := strings.CutPrefix(name, prefixLabel)
		limit, isLimit := strings.CutPrefix(name, prefixLimit)
		switch {
		case seen[name]:
			return columns{}, fmt.Errorf("column %s is there twice", iot.Quote(name))
		case !known && !(isLabel && label != "") && !(isLimit && limit != ""):
			return columns{}, fmt.Errorf("unknown column %s (allowed: %s, %sNAME, %s, %sRULE, %s)", iot.Quote(name), strings.Join(fixedColumns, ", "),
				prefixLabel, columnLabels, prefixLimit, columnLimits)
		}
		seen[name] = true
	}
	if !seen[columnID] {
		return columns{}, fmt.Errorf("column %s is missing", columnID)
	}
	return columns{slices.Clone(header), seen}, nil
}

// edit returns the edit that a row is, and adds what is wrong with it. The cells are kept.
func (c *columns) edit(cells []string, line int, wrong *mistakes) control.Edit {
	edit := control.Edit{To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) {
		e.Labels, e.Limits = maps.Clone(e.Labels), maps.Clone(e.Limits)
		for i, column := range c.names {
			if err := c.set(&e, column, cells[i]); err != nil {
				return e, err
			}
		}
		return e, nil
	}}
	for i, column := range c.names {
		cell := cells[i]
		var err error
		switch column {
		case columnID:
			edit.Device.ID = iot.DeviceID(unguard(cell))
			err = edit.Device.Normalize()
		case columnVersion:
			edit.If, err = versionCondition(cell)
		default: // Each value is checked by itself, so that all mistakes are found.
			entry := iot.DeviceEntry{Version: 1}
			if err = c.set(&entry, column, cell); err == nil {
				err = entry.Normalize()
			}
		}
		if err != nil {
			wrong.add(err, line, column, cell)
		}
	}
	return edit
}

func versionCondition(cell string) (control.Condition, error) {
	if cell = strings.TrimSpace(cell); cell == "" {
		return control.Condition{}, nil
	}
	version, err := strconv.ParseInt(cell, 10, 64)
	if err != nil || version < 0 {
		return control.Condition{}, errors.New("must be a version, or empty")
	}
	return control.Condition{Versions: []int64{version}}, nil
}

// set sets what a column holds.
func (c *columns) set(e *iot.DeviceEntry, column, cell string) error {
	text := unguard(cell)
	cell = strings.TrimSpace(cell)
	switch column {
	case columnID, columnVersion:
		return nil
	case columnName:
		e.Name = text
		return nil
	case columnArea:
		e.Area = iot.Area(text).Canonical()
		return nil
	case columnUnit:
		e.Unit = text
		return nil
	case columnParent:
		e.Parent = iot.DeviceID(text)
		return nil
	case columnLabels:
		return setOthers(c, &e.Labels, prefixLabel, text, func(label string) (string, error) { return label, nil })
	case columnLimits:
		return setOthers(c, &e.Limits, prefixLimit, text, parseLimit)
	case columnRetired:
		retired, err := parseRetired(cell)
		e.Retired = retired
		return err
	case columnInterval:
		seconds, err := parseNumber(cell)
		if err == nil && seconds > iot.MaxInterval.Seconds() {
			err = fmt.Errorf("must be at most %s seconds, which is %v", iot.Number(iot.MaxInterval.Seconds()), iot.Lasting(iot.MaxInterval))
		}
		if err == nil {
			e.Interval = time.Duration(math.Round(seconds*1e6)) * time.Microsecond
		}
		return err
	}
	if label, ok := strings.CutPrefix(column, prefixLabel); ok {
		put(&e.Labels, label, text, cell == "")
		return nil
	}
	limit, err := parseNumber(cell)
	if err != nil {
		return err
	}
	put(&e.Limits, strings.TrimPrefix(column, prefixLimit), limit, cell == "")
	return nil
}

// setOthers sets the labels or limits that have no column of their own to those of a list. Prefix is that of the columns.
func setOthers[V any](c *columns, values *map[string]V, prefix, list string, parse func(string) (V, error)) error {
	others, err := parseList(list)
	if err != nil {
		return err
	}
	maps.DeleteFunc(*values, func(name string, _ V) bool { return !c.has[prefix+name] })
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if c.has[prefix+name] {
			return fmt.Errorf("%s has the column %s", iot.Quote(name), iot.Quote(prefix+name))
		}
		value, err := parse(others[name])
		if err != nil {
			return fmt.Errorf("%s: %w", iot.Quote(name), err)
		}
		put(values, name, value, false)
	}
	return nil
}

// put sets a key of a map, which may be nil, or removes it.
func put[V any](m *map[string]V, key string, value V, remove bool) {
	if remove {
		delete(*m, key)
		return
	}
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

func parseRetired(cell string) (bool, error) {
	switch strings.ToLower(cell) {
	case "", "false", "no", "0", "否":
		return false, nil
	case "true", "yes", "1", "是":
		return true, nil
	}
	return false, errors.New("must be true, false or empty")
}

// parseLimit parses a number, which must be there.
func parseLimit(text string) (float64, error) {
	if text == "" {
		return 0, errors.New("must be a number with a decimal point")
	}
	return parseNumber(text)
}

// parseNumber parses a number; an empty cell is 0.
func parseNumber(cell string) (float64, error) {
	if cell == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return 0, errors.New("must be a number with a decimal point, or empty")
	}
	return number, nil
}
