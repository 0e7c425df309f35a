package payload

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func none() Properties { return Properties{Low: math.NaN(), High: math.NaN()} }

func float(v float64) Value { return Value{Kind: DoubleValue, Bits: math.Float64bits(v)} }

// sample has everything that a payload can have.
func sample() *Payload {
	negative := int32(-5)
	return &Payload{
		Timestamp: 1_700_000_000_123, Seq: 255, HasSeq: true,
		Metrics: []Metric{
			{Name: []byte("a/b"), Alias: 7, HasAlias: true, Timestamp: 1_700_000_000_001, Type: Double, Value: float(21.5),
				Properties: Properties{Unit: []byte("°C"), Low: -10, High: 90, Quality: 192, HasQuality: true}},
			{Alias: 9, HasAlias: true, Historical: true, Value: Value{Kind: IntValue, Bits: uint64(uint32(negative))}, Properties: none()},
			{Name: []byte("n"), Null: true, Transient: true, Type: Boolean, Properties: none()},
			{Name: []byte("t"), Type: String, Value: Value{Kind: StringValue, Bytes: []byte("ON")}, Properties: none()},
			{Name: []byte("d"), Type: DataSetType, Properties: none(), DataSet: &DataSet{
				Columns: [][]byte{[]byte("x"), []byte("y")}, Types: []Type{Int32, String},
				Rows: [][]Value{{{Kind: IntValue, Bits: 1}, {Kind: StringValue, Bytes: []byte("one")}}, {{Kind: IntValue, Bits: 2}, {}}},
			}},
			{Name: []byte("u"), Type: TemplateType, Properties: none(), Template: &Template{Metrics: []Metric{
				{Name: []byte("m"), Type: Float, Value: Value{Kind: FloatValue, Bits: uint64(math.Float32bits(1.5))}, Properties: none()},
			}}},
		},
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	var got Payload
	data := sample().Append(nil)
	if err := got.Decode(data); err != nil {
		t.Fatal(err)
	}
	if again := got.Append(nil); !bytes.Equal(again, data) {
		t.Errorf("encoded again: got %x, want %x", again, data)
	}
	m := got.Metrics[0]
	if string(m.Name) != "a/b" || m.Alias != 7 || m.Properties.High != 90 || string(m.Properties.Unit) != "°C" || m.Properties.Quality != 192 {
		t.Errorf("got %+v", m)
	}
	if rows := got.Metrics[4].DataSet.Rows; len(rows) != 2 || string(rows[0][1].Bytes) != "one" || rows[1][1].Kind != None {
		t.Errorf("got rows %+v", rows)
	}
	if got.Metrics[5].Template.Metrics[0].Type != Float {
		t.Errorf("got template %+v", got.Metrics[5].Template)
	}
}

// TestBytesOfAnotherEncoder decodes bytes that were put together by hand from the field numbers of the specification.
func TestBytesOfAnotherEncoder(t *testing.T) {
	data, err := hex.DecodeString("0880a0dfecb331" + // timestamp
		"1218" + "0a0474656d70" + "1005" + "1880a0dfecb331" + "2009" + "6500007841" + "2801" + // one float metric, is_historical behind the value
		"1803" + // seq
		"2203616263") // uuid
	if err != nil {
		t.Fatal(err)
	}
	var p Payload
	if err := p.Decode(data); err != nil {
		t.Fatal(err)
	}
	m := p.Metrics[0]
	if p.Timestamp != 1_697_545_441_280 || p.Seq != 3 || !p.HasSeq || len(p.Metrics) != 1 {
		t.Errorf("got %+v", p)
	}
	if string(m.Name) != "temp" || m.Alias != 5 || !m.HasAlias || m.Timestamp != p.Timestamp || m.Type != Float || !m.Historical {
		t.Errorf("got %+v", m)
	}
	if v, ok := p.Metrics[0].Value.Number(Float); !ok || v != 15.5 {
		t.Errorf("got %v, want 15.5", v)
	}
}

func TestTypesOfNumbers(t *testing.T) {
	integer := func(v int64) Value { return Value{Kind: IntValue, Bits: uint64(uint32(v))} }
	long := func(v int64) Value { return Value{Kind: LongValue, Bits: uint64(v)} }
	for _, c := range []struct {
		name  string
		value Value
		kind  Type
		want  float64
		ok    bool
	}{
		{"a small number extended to 32 bits", integer(-3), Int8, -3, true},
		{"a small number not extended", integer(0xfd), Int8, -3, true},
		{"16 bits", integer(0x8000), Int16, -32768, true},
		{"32 bits", integer(-1), Int32, -1, true},
		{"32 bits in the long value", long(-1), Int32, -1, true},
		{"64 bits", long(-1), Int64, -1, true},
		{"64 bits in the int value", integer(-2), Int64, -2, true},
		{"unsigned 8 bits", integer(0x1ff), UInt8, 255, true},
		{"unsigned 16 bits", integer(0xffff), UInt16, 65535, true},
		{"unsigned 32 bits", long(0xffffffff), UInt32, 4294967295, true},
		{"unsigned 64 bits", long(-1), UInt64, math.MaxUint64, true},
		{"a boolean as an integer", integer(7), Boolean, 1, true},
		{"a boolean", Value{Kind: BooleanValue, Bits: 1}, Boolean, 1, true},
		{"a date", long(1000), DateTime, 1000, true},
		{"a float", Value{Kind: FloatValue, Bits: uint64(math.Float32bits(2.5))}, Float, 2.5, true},
		{"no type", float(2.5), Unknown, 2.5, true},
		{"a text", Value{Kind: StringValue, Bytes: []byte("1")}, String, 0, false},
		{"a number of a type that has none", integer(1), DataSetType, 0, false},
	} {
		if got, ok := c.value.Number(c.kind); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestArrays(t *testing.T) {
	for _, c := range []struct {
		kind Type
		data []byte
		want []float64
	}{
		{Int8Array, []byte{0xff, 1}, []float64{-1, 1}},
		{UInt16Array, []byte{0xff, 0xff}, []float64{65535}},
		{Int32Array, []byte{0xfe, 0xff, 0xff, 0xff}, []float64{-2}},
		{FloatArray, []byte{0, 0, 0x20, 0x40}, []float64{2.5}},
		{DoubleArray, []byte{0, 0, 0, 0, 0, 0, 4, 0x40}, []float64{2.5}},
		{DateTimeArray, []byte{1, 0, 0, 0, 0, 0, 0, 0}, []float64{1}},
		{BooleanArray, []byte{10, 0, 0, 0, 0x35, 0x40}, []float64{0, 0, 1, 1, 0, 1, 0, 1, 0, 1}},
		{BooleanArray, []byte{0xff, 0xff, 0xff, 0xff, 1}, nil},
		{Int32Array, []byte{1, 2, 3}, nil},
		{StringArray, []byte("a\x00"), nil},
		{Int8Array, make([]byte, MaxCells+1), nil},
	} {
		if got, _ := (Value{Kind: BytesValue, Bytes: c.data}).Array(c.kind); !reflect.DeepEqual(got, c.want) {
			t.Errorf("array of type %d: got %v, want %v", c.kind, got, c.want)
		}
	}
}

func TestArraysOfTexts(t *testing.T) {
	for data, want := range map[string][]string{
		"ABC\x00hello\x00": {"ABC", "hello"}, "": {}, "\x00": {""}, "a\x00\x00b\x00": {"a", "", "b"}, "a": nil, "a\x00b": nil,
		strings.Repeat("\x00", MaxCells+1): nil,
	} {
		if got, ok := (Value{Kind: BytesValue, Bytes: []byte(data)}).Texts(StringArray); !reflect.DeepEqual(got, want) || ok != (want != nil) {
			t.Errorf("%.20q: got %q, %v, want %q", data, got, ok, want)
		}
	}
	if got, ok := (Value{Kind: BytesValue}).Texts(Int8Array); ok {
		t.Errorf("got %q of an array of numbers", got)
	}
}

// TestPropertiesInAnyOrder: protobuf may write the values before the keys.
func TestPropertiesInAnyOrder(t *testing.T) {
	unit := Value{Kind: StringValue, Bytes: []byte("bar")}.append(nil, propertyValue)
	properties := appendMessage(nil, propertyValues, nil)
	properties = appendMessage(properties, propertyValues, unit)
	properties = appendMessage(properties, propertyKeys, []byte("other"))
	properties = appendMessage(properties, propertyKeys, []byte("engUnit"))
	var p Payload
	if err := p.Decode(appendMessage(nil, payloadMetrics, appendMessage(nil, metricProperties, properties))); err != nil {
		t.Fatal(err)
	}
	if got := string(p.Metrics[0].Properties.Unit); got != "bar" {
		t.Errorf("got unit %q, want bar", got)
	}
}

// TestHostilePayloads shows tck-id-payloads-propertyset-keys-array-size and tck-id-payloads-propertyset-values-array-size.
func TestHostilePayloads(t *testing.T) {
	metric := func(field protowire.Number, content []byte) []byte {
		return appendMessage(nil, payloadMetrics, appendMessage(nil, field, content))
	}
	deep := appendVarint(nil, templateDefinition, 0)
	for range MaxDepth + 1 {
		deep = appendMessage(nil, templateMetrics, appendMessage(nil, metricTemplate, deep))
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"too long", make([]byte, MaxSize+1), errTooLong},
		{"too many metrics", bytes.Repeat([]byte{0x12, 0}, MaxMetrics+1), errMetrics},
		{"too many metrics in a template", metric(metricTemplate, bytes.Repeat([]byte{0x12, 0}, MaxMetrics)), errMetrics},
		{"too deep", metric(metricTemplate, deep), errDepth},
		{"too many rows", metric(metricDataSet, bytes.Repeat([]byte{0x22, 0}, MaxCells+1)), errCells},
		{"too many columns", metric(metricDataSet, bytes.Repeat([]byte{0x12, 0}, MaxCells+1)), errCells},
		{"too many types", metric(metricDataSet, appendMessage(nil, dataSetTypes, make([]byte, MaxCells+1))), errCells},
		{"a row that is too short", metric(metricDataSet, append(appendMessage(appendVarint(nil, dataSetTypes, 1), dataSetColumns, []byte("a")), 0x22, 0)), errColumns},
		{"a name that is too long", metric(metricName, bytes.Repeat([]byte("a"), MaxName+1)), errName},
		{"a name that is no text", metric(metricName, []byte{0xff}), errUTF8},
		{"a length beyond the end", []byte{0x12, 100, 0}, errNoMessage},
		{"a metric that is a number", []byte{0x10, 1}, errWireType},
		{"keys without values", metric(metricProperties, appendMessage(nil, propertyKeys, []byte("engUnit"))), errKeys},
		{"JSON", []byte(`{"timestamp": 1}`), errNoMessage},
	} {
		var p Payload
		if err := p.Decode(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCompressedPayloads(t *testing.T) {
	plain := sample().Append(nil)
	packed := func(algorithm string, body []byte) []byte {
		data := appendMessage(appendMessage(nil, payloadUUID, []byte(compressed)), payloadBody, body)
		if algorithm != "" {
			m := Metric{Name: []byte("algorithm"), Type: String, Value: Value{Kind: StringValue, Bytes: []byte(algorithm)}, Properties: none()}
			data = appendMessage(data, payloadMetrics, m.append(nil))
		}
		return data
	}
	deflate := func(content []byte) []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write(content)
		_ = w.Close()
		return b.Bytes()
	}
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, _ = w.Write(plain)
	_ = w.Close()
	for name, data := range map[string][]byte{"deflate": packed("", deflate(plain)), "named": packed("DEFLATE", deflate(plain)), "gzip": packed("GZIP", gz.Bytes())} {
		var p Payload
		if err := p.Decode(data); err != nil || len(p.Metrics) != 6 || p.Seq != 255 {
			t.Errorf("%s: got %v and %d metrics", name, err, len(p.Metrics))
		}
	}
	for name, data := range map[string][]byte{
		"unknown": packed("LZ4", plain), "not compressed": packed("", plain), "a bomb": packed("", deflate(make([]byte, MaxSize+1))),
	} {
		var p Payload
		if err := p.Decode(data); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// FuzzDecode checks that no bytes make the decoder fail or grow beyond its bounds, and that what it decodes survives being encoded.
func FuzzDecode(f *testing.F) {
	f.Add(sample().Append(nil))
	f.Add([]byte{0x12, 100, 0})
	f.Add(appendMessage(nil, payloadUUID, []byte(compressed)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again Payload
		if p.Decode(data) != nil {
			return
		}
		for i := range p.Metrics {
			m := &p.Metrics[i]
			m.Value.Number(m.Type)
			if numbers, _ := m.Value.Array(m.Type); len(numbers) > MaxCells {
				t.Fatalf("an array of %d numbers", len(numbers))
			}
			if texts, _ := m.Value.Texts(m.Type); len(texts) > MaxCells {
				t.Fatalf("an array of %d texts", len(texts))
			}
		}
		first := p.Append(nil)
		if err := again.Decode(first); err != nil {
			t.Fatalf("encoded again: %v", err)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("got %x, want %x", second, first)
		}
	})
}

// BenchmarkDecode decodes a message of 20 metrics with aliases.
func BenchmarkDecode(b *testing.B) {
	p := Payload{Timestamp: 1_700_000_000_123, Seq: 3, HasSeq: true}
	for i := range 20 {
		p.Metrics = append(p.Metrics, Metric{Alias: uint64(i), HasAlias: true, Timestamp: 1_700_000_000_123, Value: float(float64(i)), Properties: none()})
	}
	data := p.Append(nil)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
