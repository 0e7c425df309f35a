package wire_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// documented is the reading of the product's description, to the letter.
const documented = `{
  "device_id": "device_001",
  "device_type": "temperature_sensor",
  "timestamp": "2024-01-30T10:30:00Z",
  "value": 25.6,
  "unit": "°C",
  "location": {
    "building": "A栋",
    "floor": 3,
    "room": "301"
  },
  "status": "online",
  "metadata": {
    "model": "IOT-TEMP-V2",
    "firmware": "1.2.3",
    "battery_level": 85
  }
}`

func documentedReading() iot.Reading {
	battery := 85.0
	return iot.Reading{
		Device: iot.Device{
			ID: "device_001", Type: iot.Temperature, Unit: "°C",
			Location: iot.Location{Building: "A栋", Floor: 3, Room: "301"},
			Metadata: iot.Metadata{Model: "IOT-TEMP-V2", Firmware: "1.2.3", BatteryLevel: &battery},
		},
		Time:   time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC),
		Value:  25.6,
		Status: iot.Online,
	}
}

func TestTheDocumentedReadingDecodes(t *testing.T) {
	var got iot.Reading
	if err := wire.NewDecoder().Decode([]byte(documented), &got); err != nil {
		t.Fatal(err)
	}
	if want := documentedReading(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadingsInAnyDialectDecode(t *testing.T) {
	at := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		fields string
		want   func(*iot.Reading)
	}{
		"unix seconds":          {`"timestamp":1706610600,"value":1`, nil},
		"unix milliseconds":     {`"timestamp":1706610600000,"value":1`, nil},
		"unix microseconds":     {`"timestamp":1706610600000000,"value":1`, nil},
		"unix nanoseconds":      {`"timestamp":1706610600000000000,"value":1`, nil},
		"another zone":          {`"timestamp":"2024-01-30T18:30:00+08:00","value":1`, nil},
		"ON":                    {`"timestamp":"2024-01-30T10:30:00Z","value":"ON"`, spelled("ON")},
		"true":                  {`"timestamp":"2024-01-30T10:30:00Z","value":true`, spelled("true")},
		"off":                   {`"timestamp":"2024-01-30T10:30:00Z","value":"off"`, spelled("off")},
		"a number in quotes":    {`"timestamp":"2024-01-30T10:30:00Z","value":"317.39"`, spelled("317.39")},
		"NaN":                   {`"timestamp":"2024-01-30T10:30:00Z","value":NaN`, spelled("NaN")},
		"-inf":                  {`"timestamp":"2024-01-30T10:30:00Z","value": -inf , "rssi": nan`, spelled("-inf")},
		"NaN elsewhere":         {`"timestamp":"2024-01-30T10:30:00Z","value":1,"a":[NaN,"NaN",Infinity,-Infinity]`, nil},
		"a word, then a number": {`"timestamp":"2024-01-30T10:30:00Z","value":true,"value":1`, nil},
		"labels as numbers": {`"timestamp":"2024-01-30T10:30:00Z","value":1,"location":{"room":301,"building":-1},"metadata":{"firmware":1.10,"model":2},"quality":192`,
			func(r *iot.Reading) {
				r.Location.Room, r.Location.Building, r.Metadata = "301", "-1", iot.Metadata{Firmware: "1.10", Model: "2"}
				r.Quality = "192"
			}},
		"numbers in quotes": {`"timestamp":"1706610600000","value":1,"location":{"floor":"3"},"metadata":{"battery_level":"85"}`, func(r *iot.Reading) {
			r.Location.Floor, r.Metadata.BatteryLevel = 3, new(85.0)
		}},
		"a floor with a point": {`"timestamp":"2024-01-30T10:30:00Z","value":1,"location":{"floor":3.0}`, func(r *iot.Reading) { r.Location.Floor = 3 }},
		"null is absent":       {`"timestamp":"2024-01-30T10:30:00Z","value":1,"unit":null,"location":null`, nil},
		"unknown keys":         {`"timestamp":"2024-01-30T10:30:00Z","value":1,"Value":7,"rssi":{"dbm":[-60]}`, nil},
		"the last counts":      {`"timestamp":"2024-01-30T10:30:00Z","value":7,"value":1`, nil},
		"escapes":              {`"timestamp":"2024-01-30T10:30:00Z","value":1,"unit":"\u00b0C"`, func(r *iot.Reading) { r.Unit = "°C" }},
	} {
		want := iot.Reading{Device: iot.Device{ID: "d"}, Time: at, Value: 1}
		if test.want != nil {
			test.want(&want)
		}
		var got iot.Reading
		if err := wire.DecodeReading([]byte(`{"device_id":"d",`+test.fields+`}`), &got); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// spelled returns a reading whose value is a text, which only its type can interpret.
func spelled(text string) func(*iot.Reading) {
	return func(r *iot.Reading) { r.Value, r.ValueText = 0, text }
}

// Some programs write a byte order mark before JSON, or zero bytes after it.
func TestMarksAndZeroBytesAroundJSONAreIgnored(t *testing.T) {
	for _, text := range []string{"\ufeff" + documented, documented + "\x00", " \ufeff " + documented + "\r\n\x00\x00\n"} {
		var got iot.Reading
		if err := wire.NewStreamDecoder().Decode([]byte(text), &got); err != nil {
			t.Errorf("%.10q: %v", text, err)
		} else if want := documentedReading(); !reflect.DeepEqual(got, want) {
			t.Errorf("%.10q: got %+v, want %+v", text, got, want)
		}
	}
}

func TestWrongReadingsAreRefusedByField(t *testing.T) {
	for _, test := range []struct{ text, field, reason string }{
		{``, "", "byte"},
		{`[1]`, "", "object"},
		{`null`, "", "object"},
		{`{"value":1`, "", "byte 10"},
		{`{"value":1} {}`, "", "byte"},
		{`{}`, "value", "missing"},
		{`{"value":null}`, "value", "missing"},
		{`{"value":""}`, "value", "missing"},
		{`{"value":[1]}`, "value", "[1]"},
		{`{"value":-true}`, "", "byte"},
		{`{"value":nano}`, "", "byte"},
		{`{"value":1e999}`, "value", "finite"},
		{`{"value":1,"device_id":7}`, "device_id", "string"},
		{`{"value":1,"timestamp":"yesterday"}`, "timestamp", "yesterday"},
		{`{"value":1,"timestamp":"2024-01-30T10:30:00"}`, "timestamp", "Z for UTC"},
		{`{"value":1,"timestamp":20240130}`, "timestamp", "looks like a date"},
		{`{"value":1,"timestamp":true}`, "timestamp", "true"},
		{`{"value":1,"location":{"floor":NaN}}`, "location.floor", "whole"},
		{`{"value":1,"location":{"floor":3000000000}}`, "location.floor", "whole"},
		{`{"value":1,"location":"A"}`, "location", "object"},
		{`{"value":1,"location":{"floor":1.5}}`, "location.floor", "whole"},
		{`{"value":1,"metadata":{"battery_level":"full"}}`, "metadata.battery_level", "number"},
		{`{"value":1,"historical":1}`, "historical", "true or false"},
		{"{\"value\":1,\"device_id\":\"\xb1\xc3\"}", "", "UTF-8"},
		{"{\"value\":1,\"location\":{\"room\":\"\xff\"}}", "", "UTF-8"},
		{`{"value":1,"device_id":"` + strings.Repeat("x", wire.MaxMessage) + `"}`, "", "longer"},
	} {
		var r iot.Reading
		err := wire.DecodeReading([]byte(test.text), &r)
		var invalid *iot.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != test.field || !strings.Contains(invalid.Reason, test.reason) {
			t.Errorf("%.60s: got %v, want field %q and a reason with %q", test.text, err, test.field, test.reason)
		}
	}
}

// drawReading draws any reading that a catalog could admit.
func drawReading(t *rapid.T) iot.Reading {
	r := iot.Reading{
		Device: iot.Device{
			ID:   iot.DeviceID(rapid.StringN(1, 20, 128).Draw(t, "id")),
			Type: iot.DeviceType(rapid.StringN(1, 20, -1).Draw(t, "type")),
			Unit: rapid.SampledFrom([]string{"", "°C", "%"}).Draw(t, "unit"),
			Location: iot.Location{
				Building: rapid.String().Draw(t, "building"),
				Floor:    rapid.IntRange(-3, 100).Draw(t, "floor"),
				Room:     rapid.SampledFrom([]string{"", "301"}).Draw(t, "room"),
			},
			Metadata: iot.Metadata{Model: rapid.SampledFrom([]string{"", "V2"}).Draw(t, "model"), Firmware: "1"},
		},
		Time:       drawTime(t, "time"),
		Value:      rapid.Float64().Draw(t, "value"),
		Status:     rapid.SampledFrom([]iot.Status{iot.Online, iot.Offline}).Draw(t, "status"),
		ValueText:  rapid.SampledFrom([]string{"", "", "ON", "true", "1", "\\"}).Draw(t, "spelling"),
		Quality:    rapid.SampledFrom([]iot.Quality{"", iot.Good, iot.Bad}).Draw(t, "quality"),
		Historical: rapid.Bool().Draw(t, "historical"),
	}
	if r.ValueText != "" {
		r.Value = 0
	}
	if rapid.Bool().Draw(t, "battery") {
		level := rapid.Float64Range(0, 100).Draw(t, "level")
		r.Metadata.BatteryLevel = &level
	}
	if rapid.Bool().Draw(t, "received") {
		r.ReceivedAt = drawTime(t, "received at")
	}
	return r
}

func drawTime(t *rapid.T, label string) time.Time {
	return time.UnixMicro(rapid.Int64Range(1, 253e15).Draw(t, label)).UTC()
}

func TestReadingsSurviveTheWire(t *testing.T) {
	decoder := wire.NewStreamDecoder()
	rapid.Check(t, func(t *rapid.T) {
		want := drawReading(t)
		text := wire.AppendReading(nil, &want)
		var got iot.Reading
		if err := decoder.Decode(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %+v, want %+v", text, got, want)
		}
	})
}

func FuzzDecodeReading(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"value":-0.0e+1,"location":{},"floor":1,"metadata":{"battery_level":1}}`))
	f.Add([]byte(`{"value":1,"value":null,"unit":"\ud800","timestamp":1e18}`))
	f.Add([]byte(`{"value":true,"value":1,"quality":192,"location":{"floor":"3","room":301}}`))
	f.Add([]byte(`{"value":"ON","timestamp":"2024-01-30 24:00"}`))
	f.Add([]byte("\ufeff{\"value\":-NaN,\"a\":[\"nan\",inf]}\x00"))
	f.Add([]byte(`{"value":1,"serial":[1,{"a":[[]],"b":null},true,"x"],"location":{"building":"A","at":{"x":1}},"metadata":{"m":{}}}`))
	decoder := wire.NewStreamDecoder()
	f.Fuzz(func(t *testing.T, data []byte) {
		var fast, general iot.Reading
		fastErr := decoder.Decode(data, &fast)
		generalErr := wire.DecodeGeneral(data, &general)
		if (fastErr == nil) != (generalErr == nil) || fastErr != nil && fastErr.Error() != generalErr.Error() {
			t.Fatalf("fast: %v, general: %v", fastErr, generalErr)
		}
		if fastErr != nil {
			if text := fastErr.Error(); len(text) > 2500 || !utf8.ValidString(text) {
				t.Fatalf("refused by %d bytes: %q", len(text), text)
			}
			return
		}
		if !reflect.DeepEqual(fast, general) || math.Signbit(fast.Value) != math.Signbit(general.Value) {
			t.Fatalf("fast: %+v, general: %+v", fast, general)
		}
		if fast.Time.Year() < 1970 || fast.Time.Year() > 9998 || !fast.ReceivedAt.IsZero() && (fast.ReceivedAt.Year() < 1 || fast.ReceivedAt.Year() > 9998) {
			return // No catalog admits it.
		}
		if !reflect.DeepEqual(decodedTwice(t, decoder, data), general) {
			t.Fatalf("when the device is known: got %+v, want %+v", fast, general)
		}
		var again iot.Reading
		if err := decoder.Decode(wire.AppendReading(nil, &fast), &again); err != nil {
			t.Fatalf("encoded again: %v", err)
		} else if !reflect.DeepEqual(again, fast) {
			t.Fatalf("encoded again: got %+v, want %+v", again, fast)
		}
	})
}

// FuzzAdmittedReading decodes and admits arbitrary bytes, as the log's readers do. An admitted reading is short when it is
// encoded, and decoding it again returns the same reading, which is admitted unchanged.
func FuzzAdmittedReading(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"device_id":"\u202ed","device_type":"switch_sensor","timestamp":"2024-01-30T24:00:00+0800","value":"on","quality":"0x80000000"}`))
	f.Add([]byte(`{"device_id":"Gera\u0308t","device_type":"temperature_sensor","timestamp":1706610600000,"value":"77 ºF","location":{"building":"\"\\\u2028<"}}`))
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		f.Fatal(err)
	}
	admission := iot.Admission{Catalog: catalog, Skew: 10 * time.Second}
	appended := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, again iot.Reading
		if wire.DecodeReading(data, &r) != nil || admission.Admit(&r, appended) != nil {
			return
		}
		text := wire.AppendReading(nil, &r)
		if len(text) > 2500 {
			t.Fatalf("admitted a reading of %d bytes: %s", len(text), text)
		}
		if err := wire.DecodeReading(text, &again); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%s: got %+v, %v, want %+v", text, again, err, r)
		}
		if err := admission.Admit(&again, appended); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("admitted again: got %+v, %v, want %+v", again, err, r)
		}
	})
}

func BenchmarkDecodeReading(b *testing.B) {
	r := documentedReading()
	text := wire.AppendReading(nil, &r)
	for _, path := range []struct {
		name   string
		decode func([]byte, *iot.Reading) error
	}{{"known", wire.NewStreamDecoder().Decode}, {"fast", wire.NewDecoder().Decode}, {"general", wire.DecodeGeneral}} {
		b.Run(path.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := path.decode(text, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeMore decodes a reading with unknown fields.
func BenchmarkDecodeMore(b *testing.B) {
	r := documentedReading()
	text := wire.AppendReading(nil, &r)
	text = append(text[:len(text)-1], `,"serial":"SN-0001","tags":["line 1","hall 2"],"raw":{"adc":1023,"gain":[1,2.5]}}`...)
	decoder := wire.NewDecoder()
	b.ReportAllocs()
	for b.Loop() {
		if err := decoder.Decode(text, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendReading(b *testing.B) {
	r := documentedReading()
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = wire.AppendReading(text[:0], &r)
	}
}

// A remembered object is not used for another object that begins with the same bytes.
func TestRememberedObjectsAreTheSame(t *testing.T) {
	decoder := wire.NewDecoder()
	for _, location := range []string{
		`{"building":"A","floor":1}`, `{"building":"A}","floor":1}`, `{"building":"A"}`, `{"building":"A","floor":1,"room":"}"}`, `{}`,
		`{"building":"A","floor":1}`, `{"building":"A}","floor":1}`, `{"building":"A","floor":1,"room":"}"}`, `{"building":"A"}`, `{}`,
	} {
		text := []byte(`{"device_id":"d","device_type":"t","timestamp":"2024-01-30T10:30:00Z","value":1,"location":` + location + `,"unit":"x"}`)
		var got, want iot.Reading
		if err := decoder.Decode(text, &got); err != nil {
			t.Fatal(err)
		}
		if err := wire.DecodeReading(text, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", location, got, want)
		}
	}
}

// Remembered objects of a device do not change its later readings.
func TestRememberedPartsDoNotChangeLaterReadings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decoder := wire.NewStreamDecoder()
		ids := rapid.SliceOfN(rapid.SampledFrom([]iot.DeviceID{"a", "b", "a\"b", ""}), 1, 20).Draw(t, "ids")
		for _, id := range ids {
			want := drawReading(t)
			want.ID = id
			if rapid.Bool().Draw(t, "same as ever") {
				want = iot.Reading{Device: iot.Device{ID: id, Type: "t", Unit: "u"}, Time: want.Time, Value: want.Value, ReceivedAt: want.ReceivedAt}
			}
			text := wire.AppendReading(nil, &want)
			if rapid.Bool().Draw(t, "another form") {
				text = append([]byte{' '}, text...)
			}
			var got iot.Reading
			if err := decoder.Decode(text, &got); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got %+v, want %+v", text, got, want)
			}
		}
	})
}

// decodedTwice returns the reading that a decoder returns for a text that it has just decoded.
func decodedTwice(t *testing.T, decoder *wire.Decoder, text []byte) iot.Reading {
	t.Helper()
	var r iot.Reading
	for range 2 {
		if err := decoder.Decode(text, &r); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
