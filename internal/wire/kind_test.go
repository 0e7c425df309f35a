package wire_test

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func kindOf(key, value []byte, headers ...wire.Header) iot.RecordKind {
	var h wire.KindHeaders
	for _, header := range headers {
		h.Add(header.Key, header.Value)
	}
	return h.Of(key, value)
}

func header(key, value string) wire.Header { return wire.Header{Key: key, Value: []byte(value)} }

func TestKindsSurviveTheWire(t *testing.T) {
	for _, kind := range []iot.Kind{
		iot.KindReading, iot.KindTick, iot.KindStatus, iot.KindDevice, iot.KindCommand, iot.KindRule, iot.KindSettings, iot.KindLevel, "vibration",
	} {
		for _, level := range []uint8{1, 2, 255} {
			want := iot.RecordKind{Kind: kind, Level: level, Deciding: kind.Deciding()}
			value := []byte("{}")
			switch {
			case kind == iot.KindReading:
				want = iot.RecordKind{}
			case kind == iot.KindTick: // A tick has no levels and no value.
				want.Level, value = 1, nil
			case kind == iot.KindSettings && level == 1: // As versions before the kinds write them.
				want.Deciding = false
			}
			if got := kindOf(nil, value, wire.AppendKindHeaders(nil, kind, level)...); got != want {
				t.Errorf("%s of level %d: got %+v, want %+v", kind, level, got, want)
			}
		}
	}
}

// Old programs read a log until an operator says that there are none left, and a log has what they wrote.
func TestKindsOfOldProgramsAreReadAndWritten(t *testing.T) {
	tick := wire.AppendKindHeaders(nil, iot.KindTick, 1)
	if len(tick) != 1 || tick[0].Key != "iotmon-tick" {
		t.Errorf("got headers %q of a tick, want iotmon-tick alone", tick)
	}
	settings := wire.AppendKindHeaders(nil, iot.KindSettings, 1)
	if len(settings) != 1 || settings[0].Key != "iotmon-settings" {
		t.Errorf("got headers %q of settings, want iotmon-settings alone", settings)
	}
	some := []byte("{}")
	for name, test := range map[string]struct {
		got, want iot.RecordKind
	}{
		"a reading":                       {kindOf([]byte("d"), some), iot.RecordKind{}},
		"a reading with a trace":          {kindOf([]byte("d"), some, header("traceparent", "00-x")), iot.RecordKind{}},
		"a null value with a key":         {kindOf([]byte("d"), nil), iot.RecordKind{Kind: iot.KindDevice, Level: 1}},
		"an empty value with a key":       {kindOf([]byte("d"), []byte{}), iot.RecordKind{}},
		"a null value without a key":      {kindOf(nil, nil), iot.RecordKind{}},
		"a null value with an empty key":  {kindOf([]byte{}, nil), iot.RecordKind{}},
		"a tick":                          {kindOf(nil, nil, header("iotmon-tick", "")), iot.RecordKind{Kind: iot.KindTick, Level: 1}},
		"a reading with a tick's header":  {kindOf([]byte("d"), some, header("iotmon-tick", "")), iot.RecordKind{}},
		"settings":                        {kindOf(nil, some, header("iotmon-settings", "")), iot.RecordKind{Kind: iot.KindSettings, Level: 1}},
		"a kind that says reading":        {kindOf([]byte("d"), some, header("iotmon-kind", "reading"), header("iotmon-level", "7")), iot.RecordKind{}},
		"a kind beside an older header":   {kindOf(nil, some, header("iotmon-settings", ""), header("iotmon-kind", "rule")), iot.RecordKind{Kind: iot.KindRule, Level: 1}},
		"two kinds":                       {kindOf(nil, some, header("iotmon-kind", "rule"), header("iotmon-kind", "status")), iot.RecordKind{Kind: iot.KindRule, Level: 1}},
		"two levels":                      {kindOf(nil, some, header("iotmon-kind", "rule"), header("iotmon-level", "2"), header("iotmon-level", "1")), iot.RecordKind{Kind: iot.KindRule, Level: 2}},
		"a level beyond all levels":       {kindOf(nil, some, header("iotmon-kind", "status"), header("iotmon-level", "99999999999999999999")), iot.RecordKind{Kind: iot.KindStatus, Level: 255}},
		"a level that is no number":       {kindOf(nil, some, header("iotmon-kind", "status"), header("iotmon-level", "-2")), iot.RecordKind{Kind: iot.KindStatus, Level: 1}},
		"a level of 0":                    {kindOf(nil, some, header("iotmon-kind", "status"), header("iotmon-level", "0")), iot.RecordKind{Kind: iot.KindStatus, Level: 1}},
		"a kind of tomorrow":              {kindOf(nil, some, header("iotmon-kind", "vibration")), iot.RecordKind{Kind: "vibration", Level: 1}},
		"a kind of tomorrow that decides": {kindOf(nil, some, header("iotmon-kind", "calendar"), header("iotmon-deciding", "")), iot.RecordKind{Kind: "calendar", Level: 1, Deciding: true}},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, test.got, test.want)
		}
	}
}

func FuzzKindHeaders(f *testing.F) {
	f.Add("iotmon-kind", []byte("rule"), "iotmon-level", []byte("2"), []byte("{}"))
	f.Add("iotmon-level", []byte("300"), "iotmon-kind", []byte("reading"), []byte(nil))
	f.Add("iotmon-tick", []byte(nil), "iotmon-deciding", []byte("x"), []byte(nil))
	f.Fuzz(func(t *testing.T, keyA string, valueA []byte, keyB string, valueB, value []byte) {
		got := kindOf([]byte("d"), value, wire.Header{Key: keyA, Value: valueA}, wire.Header{Key: keyB, Value: valueB})
		if got.Kind == iot.KindReading && got != (iot.RecordKind{}) {
			t.Fatalf("got a reading with a level or a mark: %+v", got)
		}
		if got.Kind != iot.KindReading && got.Level == 0 {
			t.Fatalf("got %+v, want a level of at least 1", got)
		}
	})
}
