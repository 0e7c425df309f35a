package payload

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields, by message.
const (
	payloadTimestamp = 1
	payloadMetrics   = 2
	payloadSeq       = 3
	payloadUUID      = 4
	payloadBody      = 5

	metricName       = 1
	metricAlias      = 2
	metricTimestamp  = 3
	metricType       = 4
	metricHistorical = 5
	metricTransient  = 6
	metricNull       = 7
	metricProperties = 9
	metricValue      = 10 // The values follow: int, long, float, double, boolean, string, bytes.
	metricBytes      = 16
	metricDataSet    = 17
	metricTemplate   = 18

	propertyKeys   = 1
	propertyValues = 2

	propertyNull  = 2
	propertyValue = 3 // The values follow.

	dataSetColumns = 2
	dataSetTypes   = 3
	dataSetRows    = 4

	rowElements = 1
	cellValue   = 1 // The values follow.

	templateMetrics    = 2
	templateDefinition = 5
)

var (
	errTooLong   = fmt.Errorf("longer than %d bytes", MaxSize)
	errMetrics   = fmt.Errorf("more than %d metrics", MaxMetrics)
	errCells     = fmt.Errorf("datasets of more than %d cells", MaxCells)
	errDepth     = fmt.Errorf("templates more than %d levels deep", MaxDepth)
	errName      = fmt.Errorf("a name of more than %d bytes", MaxName)
	errUTF8      = errors.New("a name that is not UTF-8")
	errWireType  = errors.New("a field of a wrong type")
	errColumns   = errors.New("a dataset whose rows have not as many cells as there are columns")
	errKeys      = errors.New("properties with more keys than values, or the other way round")
	errNoMessage = errors.New("not a Sparkplug B payload")
)

// decoder counts what a payload has of the things that are bounded.
type decoder struct {
	metrics, cells int
}

// Decode replaces p by what is in data. The memory of p is used again. After an error p is undefined.
func (p *Payload) Decode(data []byte) error {
	if len(data) > MaxSize {
		return errTooLong
	}
	plain, err := decompress(data)
	if err != nil {
		return err
	}
	*p = Payload{Metrics: p.Metrics[:0]}
	return fields(plain, func(f field) error {
		switch f.number {
		case payloadTimestamp:
			return f.varint(&p.Timestamp)
		case payloadSeq:
			p.HasSeq = true
			return f.varint(&p.Seq)
		case payloadMetrics:
			return p.decoder.metric(f, &p.Metrics, 0)
		}
		return nil
	})
}

// field is one field of a message: bits if it is a number, else bytes.
type field struct {
	number protowire.Number
	wire   protowire.Type
	bits   uint64
	bytes  []byte
}

// fields calls visit for each field of a message.
func fields(data []byte, visit func(field) error) error {
	for len(data) > 0 {
		var f field
		var n int
		f.number, f.wire, n = protowire.ConsumeTag(data)
		if n < 0 {
			return errNoMessage
		}
		data = data[n:]
		switch f.wire {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(data)
			f.bits = uint64(bits)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		default: // A group, which the format does not have.
			n = protowire.ConsumeFieldValue(f.number, f.wire, data)
			f.number = 0
		}
		if n < 0 {
			return errNoMessage
		}
		data = data[n:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

func (f *field) varint(to *uint64) error {
	if f.wire != protowire.VarintType {
		return errWireType
	}
	*to = f.bits
	return nil
}

func (f *field) flag(to *bool) error {
	if f.wire != protowire.VarintType {
		return errWireType
	}
	*to = f.bits != 0
	return nil
}

func (f *field) message() ([]byte, error) {
	if f.wire != protowire.BytesType {
		return nil, errWireType
	}
	return f.bytes, nil
}

// name returns a text that may become part of a name.
func (f *field) name() ([]byte, error) {
	switch {
	case f.wire != protowire.BytesType:
		return nil, errWireType
	case len(f.bytes) > MaxName:
		return nil, errName
	case !utf8.Valid(f.bytes):
		return nil, errUTF8
	}
	return f.bytes, nil
}

// value stores a value whose field is the given one after the int value.
func (f *field) value(after protowire.Number, to *Value) error {
	kind := Kind(after) + IntValue
	want := protowire.BytesType
	switch kind {
	case IntValue, LongValue, BooleanValue:
		want = protowire.VarintType
	case FloatValue:
		want = protowire.Fixed32Type
	case DoubleValue:
		want = protowire.Fixed64Type
	}
	if f.wire != want {
		return errWireType
	}
	*to = Value{Kind: kind, Bits: f.bits, Bytes: f.bytes}
	switch kind {
	case IntValue:
		to.Bits = uint64(uint32(f.bits))
	case BooleanValue:
		to.Bits = min(f.bits, 1)
	}
	return nil
}

// metric appends the metric in a field to metrics.
func (d *decoder) metric(f field, metrics *[]Metric, depth int) error {
	data, err := f.message()
	if err != nil {
		return err
	}
	if d.metrics++; d.metrics > MaxMetrics {
		return errMetrics
	}
	*metrics = append(*metrics, Metric{Properties: NoProperties()})
	m := &(*metrics)[len(*metrics)-1]
	return fields(data, func(f field) (err error) {
		switch f.number {
		case metricName:
			m.Name, err = f.name()
			return err
		case metricAlias:
			m.HasAlias = true
			return f.varint(&m.Alias)
		case metricTimestamp:
			return f.varint(&m.Timestamp)
		case metricType:
			var t uint64
			err = f.varint(&t)
			m.Type = Type(t)
			return err
		case metricHistorical:
			return f.flag(&m.Historical)
		case metricTransient:
			return f.flag(&m.Transient)
		case metricNull:
			return f.flag(&m.Null)
		case metricProperties:
			return m.Properties.decode(f)
		case metricDataSet:
			m.Value, m.Template = Value{}, nil
			m.DataSet, err = d.dataSet(f)
			return err
		case metricTemplate:
			m.Value, m.DataSet = Value{}, nil
			m.Template, err = d.template(f, depth+1)
			return err
		}
		if f.number >= metricValue && f.number <= metricBytes {
			m.DataSet, m.Template = nil, nil
			return f.value(f.number-metricValue, &m.Value)
		}
		return nil
	})
}
