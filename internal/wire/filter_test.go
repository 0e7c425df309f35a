package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestFiltersDecode(t *testing.T) {
	for text, want := range map[string]wire.Filter{
		`{"type":"filter"}`: {Type: wire.TypeFilter},
		` {"type":"filter","device_ids":null,"min_severity":""} `: {Type: wire.TypeFilter},
		`{"type":"filter","device_types":["x","y"],"device_ids":["a"],"buildings":["A栋"],"min_severity":"critical"}`: {
			Type: wire.TypeFilter, DeviceTypes: []iot.DeviceType{"x", "y"}, DeviceIDs: []iot.DeviceID{"a"},
			Buildings: []string{"A栋"}, MinSeverity: iot.Critical,
		},
		`{"type":"filter","areas":["A栋",""]}`: {Type: wire.TypeFilter, Areas: []iot.Area{"A栋", ""}},
	} {
		if got, err := wire.DecodeFilter([]byte(text), 2); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestFiltersThatAreNotUnderstoodAreRefused(t *testing.T) {
	for _, test := range []struct{ text, field, reason string }{
		{``, "", "no filter message"},
		{`null`, "type", `got ""`},
		{`[]`, "", "array"},
		{`{"type":"filter"`, "", "unexpected EOF"},
		{`{}`, "type", `got ""`},
		{`{"type":"hello"}`, "type", `"hello"`},
		{`{"type":7}`, "", "number"},
		{`{"type":"filter","device_type":["x"]}`, "", `"device_type"`},
		{`{"type":"filter","device_ids":"a"}`, "", "device_ids"},
		{`{"type":"filter","device_ids":[1]}`, "", "device_ids"},
		{`{"type":"filter","min_severity":"fatal"}`, "min_severity", `"fatal"`},
		{`{"type":"filter"}{"type":"filter"}`, "", "more than one"},
		{`{"type":"filter"}]`, "", "more than one"},
		{`{"type":"filter","device_types":["a","b","c"]}`, "device_types", "got 3"},
		{`{"type":"filter","device_ids":["a","b","c"]}`, "device_ids", "got 3"},
		{`{"type":"filter","buildings":["a","b","c"]}`, "buildings", "got 3"},
		{`{"type":"filter","areas":["a","b","c"]}`, "areas", "got 3"},
		{`{"type":"filter","areas":["a","b/c"]}`, "areas", "first level"},
		{`{"type":"filter","areas":["/other"]}`, "areas", "first level"},
		{`{"type":"filter","areas":["a\u0000"]}`, "areas", "control character"},
	} {
		got, err := wire.DecodeFilter([]byte(test.text), 2)
		var invalid *iot.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != test.field || !strings.Contains(invalid.Reason, test.reason) {
			t.Errorf("%s: got %v, want field %q and a reason with %q", test.text, err, test.field, test.reason)
		}
		if !reflect.DeepEqual(got, wire.Filter{}) {
			t.Errorf("%s: a refused filter came back as %+v", test.text, got)
		}
	}
}

func FuzzDecodeFilter(f *testing.F) {
	for _, text := range []string{
		`{"type":"filter"}`,
		`{"type":"filter","device_types":["temperature_sensor"],"device_ids":["device_001"],"buildings":["A栋"],"min_severity":"warning"}`,
		`{"type":"filter","areas":["A","Ä"]}`,
		`{"type":"filter","device_ids":[]} {}`,
		`{"type":"filter","device_ids":["\ud800","\u0000"]}`,
		`null`,
	} {
		f.Add([]byte(text))
	}
	const most = 3
	f.Fuzz(func(t *testing.T, data []byte) {
		filter, err := wire.DecodeFilter(data, most)
		if err != nil {
			var invalid *iot.InvalidError
			if !errors.As(err, &invalid) || invalid.Reason == "" {
				t.Fatalf("got %#v, want an InvalidError with a reason", err)
			}
			return
		}
		if filter.Type != wire.TypeFilter || filter.MinSeverity != "" && filter.MinSeverity.Rank() < 0 ||
			max(len(filter.DeviceTypes), len(filter.DeviceIDs), len(filter.Buildings), len(filter.Areas)) > most {
			t.Fatalf("got a filter out of bounds: %+v", filter)
		}
		// An accepted filter means the same in its canonical form.
		canonical, err := json.Marshal(filter)
		if err != nil {
			t.Fatal(err)
		}
		again, err := wire.DecodeFilter(canonical, most)
		if err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if repeated, err := json.Marshal(again); err != nil || !bytes.Equal(repeated, canonical) {
			t.Fatalf("got %s, %v, want %s", repeated, err, canonical)
		}
	})
}
