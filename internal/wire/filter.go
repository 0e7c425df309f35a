package wire

import (
	"bytes"
	"encoding/json"
	"io"

	"iotmon/internal/iot"
)

// DecodeFilter decodes the only message that a client may send. A list may hold at most maxItems entries. The error is an
// *iot.InvalidError. Unlike a reading, a filter with an unknown key is refused: ignoring the key would show too much.
func DecodeFilter(data []byte, maxItems int) (Filter, error) {
	var f Filter
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return Filter{}, iot.Invalid("", "no filter message: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Filter{}, iot.Invalid("", "more than one message at once")
	}
	if f.Type != TypeFilter {
		return Filter{}, iot.Invalid("type", "must be %q (got %q)", TypeFilter, f.Type)
	}
	if f.MinSeverity != "" && f.MinSeverity.Rank() < 0 {
		return Filter{}, iot.Invalid("min_severity", "must be info, warning or critical (got %q)", f.MinSeverity)
	}
	for _, list := range []struct {
		field string
		items int
	}{{"device_types", len(f.DeviceTypes)}, {"device_ids", len(f.DeviceIDs)}, {"buildings", len(f.Buildings)}, {"areas", len(f.Areas)}} {
		if list.items > maxItems {
			return Filter{}, iot.Invalid(list.field, "at most %d entries (got %d)", maxItems, list.items)
		}
	}
	for i := range f.Areas {
		if err := f.Areas[i].NormalizeFirst("areas"); err != nil {
			return Filter{}, err
		}
	}
	return f, nil
}
