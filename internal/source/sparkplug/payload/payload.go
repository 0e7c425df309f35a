// Package payload decodes and encodes the payload of Sparkplug B. It is pure, and knows nothing of topics and sessions.
package payload

import "math"

// Bounds of what Decode accepts. A message with more is an error.
const (
	// MaxSize is the maximum length of a payload in bytes.
	MaxSize = 4 << 20
	// MaxMetrics is the maximum number of metrics of a payload, those inside templates included.
	MaxMetrics = 20_000
	// MaxCells is the maximum number of cells of all datasets of a payload.
	MaxCells = 100_000
	// MaxDepth is how deep templates may be inside one another.
	MaxDepth = 8
	// MaxName is the maximum length of the name of a metric, a column or a unit in bytes.
	MaxName = 1024
)

// Type is a data type of the specification.
type Type uint32

// The data types, by the numbers of the specification.
const (
	Unknown Type = iota
	Int8
	Int16
	Int32
	Int64
	UInt8
	UInt16
	UInt32
	UInt64
	Float
	Double
	Boolean
	String
	DateTime
	Text
	UUID
	DataSetType
	Bytes
	File
	TemplateType
	PropertySet
	PropertySetList
	Int8Array
	Int16Array
	Int32Array
	Int64Array
	UInt8Array
	UInt16Array
	UInt32Array
	UInt64Array
	FloatArray
	DoubleArray
	BooleanArray
	StringArray
	DateTimeArray
)

// Numeric reports whether a value of the type is one number. DateTime is one: milliseconds since 1970.
func (t Type) Numeric() bool { return t >= Int8 && t <= Boolean || t == DateTime }

// IsText reports whether a value of the type is a text.
func (t Type) IsText() bool { return t == String || t == Text || t == UUID }

// IsArray reports whether a value of the type is an array.
func (t Type) IsArray() bool { return t >= Int8Array && t <= DateTimeArray }

// Payload is one message. What was decoded by Decode refers to its bytes: it is valid while they do not change, and until the next Decode.
type Payload struct {
	// Timestamp is when the message was sent, in milliseconds since 1970; 0 if the message does not have it.
	Timestamp uint64
	// Seq is the sequence number, HasSeq whether there is one.
	Seq     uint64
	HasSeq  bool
	Metrics []Metric

	decoder decoder
}

// Metric is one value, and in births its definition.
type Metric struct {
	// Name is nil in messages that use the alias alone.
	Name     []byte
	Alias    uint64
	HasAlias bool
	// Timestamp is when the value was acquired, in milliseconds since 1970; 0 if the metric does not have it.
	Timestamp uint64
	// Type is Unknown in messages that omit it.
	Type                        Type
	Historical, Transient, Null bool
	Properties                  Properties
	Value                       Value
	// DataSet and Template are the values of these types, else nil.
	DataSet  *DataSet
	Template *Template
}

// Properties are the properties of a metric that the specification and its users give a meaning.
type Properties struct {
	// Unit is the value of engUnit; nil if there is none.
	Unit []byte
	// Low and High are engLow and engHigh, the range of the values; NaN where there is none.
	Low, High float64
	// Quality is the value of Quality, HasQuality whether there is one.
	Quality    int32
	HasQuality bool
}

// Kind is by which field a value was sent.
type Kind uint8

// The fields of values.
const (
	None Kind = iota
	IntValue
	LongValue
	FloatValue
	DoubleValue
	BooleanValue
	StringValue
	BytesValue
)

// Value is a value as it was sent. What it means depends on its data type.
type Value struct {
	Kind Kind
	// Bits are the bits of a number.
	Bits uint64
	// Bytes are those of a text or of bytes.
	Bytes []byte
}

// DataSet is a table.
type DataSet struct {
	Columns [][]byte
	Types   []Type
	// Rows have as many cells as there are columns.
	Rows [][]Value
}

// Template is a structure of metrics.
type Template struct {
	Metrics    []Metric
	Definition bool
}

// Number returns the value as a number of the type, and false if it is none. Encoders disagree on which field a number is in and on whether
// a small signed number is extended to 32 bits, so every field is accepted, and the bits beyond those of the type are ignored.
func (v Value) Number(t Type) (float64, bool) {
	if t == Unknown {
		t = v.implied()
	}
	switch v.Kind {
	case IntValue, LongValue:
	case FloatValue:
		return float64(math.Float32frombits(uint32(v.Bits))), t.Numeric()
	case DoubleValue:
		return math.Float64frombits(v.Bits), t.Numeric()
	case BooleanValue:
		return float64(v.Bits & 1), t.Numeric()
	default:
		return 0, false
	}
	switch t {
	case Int8:
		return float64(int8(v.Bits)), true
	case Int16:
		return float64(int16(v.Bits)), true
	case Int32:
		return float64(int32(v.Bits)), true
	case Int64:
		if v.Kind == IntValue {
			return float64(int32(v.Bits)), true
		}
		return float64(int64(v.Bits)), true
	case UInt8:
		return float64(uint8(v.Bits)), true
	case UInt16:
		return float64(uint16(v.Bits)), true
	case UInt32:
		return float64(uint32(v.Bits)), true
	case UInt64, DateTime, Float, Double:
		return float64(v.Bits), true
	case Boolean:
		return float64(min(v.Bits, 1)), true
	}
	return 0, false
}

// implied returns the type of a value whose message does not say it.
func (v Value) implied() Type {
	switch v.Kind {
	case IntValue:
		return UInt32
	case LongValue:
		return UInt64
	case FloatValue:
		return Float
	case DoubleValue:
		return Double
	case BooleanValue:
		return Boolean
	case StringValue:
		return String
	}
	return Unknown
}

// NoProperties are those of a metric without properties.
func NoProperties() Properties { return Properties{Low: math.NaN(), High: math.NaN()} }
