package payload

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Append appends the encoded message to data. Of properties, it encodes those that Decode knows.
func (p *Payload) Append(data []byte) []byte {
	if p.Timestamp != 0 {
		data = appendVarint(data, payloadTimestamp, p.Timestamp)
	}
	for i := range p.Metrics {
		data = appendMessage(data, payloadMetrics, p.Metrics[i].append(nil))
	}
	if p.HasSeq {
		data = appendVarint(data, payloadSeq, p.Seq)
	}
	return data
}

func (m *Metric) append(data []byte) []byte {
	if m.Name != nil {
		data = appendMessage(data, metricName, m.Name)
	}
	if m.HasAlias {
		data = appendVarint(data, metricAlias, m.Alias)
	}
	if m.Timestamp != 0 {
		data = appendVarint(data, metricTimestamp, m.Timestamp)
	}
	if m.Type != Unknown {
		data = appendVarint(data, metricType, uint64(m.Type))
	}
	data = appendFlag(data, metricHistorical, m.Historical)
	data = appendFlag(data, metricTransient, m.Transient)
	data = appendFlag(data, metricNull, m.Null)
	if properties := m.Properties.append(nil); properties != nil {
		data = appendMessage(data, metricProperties, properties)
	}
	switch {
	case m.DataSet != nil:
		return appendMessage(data, metricDataSet, m.DataSet.append(nil))
	case m.Template != nil:
		return appendMessage(data, metricTemplate, m.Template.append(nil))
	}
	return m.Value.append(data, metricValue)
}

// append appends a value whose int value has the given field.
func (v Value) append(data []byte, first protowire.Number) []byte {
	if v.Kind == None {
		return data
	}
	number := first + protowire.Number(v.Kind-IntValue)
	switch v.Kind {
	case IntValue, LongValue, BooleanValue:
		return appendVarint(data, number, v.Bits)
	case FloatValue:
		return protowire.AppendFixed32(protowire.AppendTag(data, number, protowire.Fixed32Type), uint32(v.Bits))
	case DoubleValue:
		return protowire.AppendFixed64(protowire.AppendTag(data, number, protowire.Fixed64Type), v.Bits)
	}
	return appendMessage(data, number, v.Bytes)
}

func (p *Properties) append(data []byte) []byte {
	add := func(key string, kind Type, value Value) {
		data = appendMessage(data, propertyKeys, []byte(key))
		data = appendMessage(data, propertyValues, value.append(appendVarint(nil, 1, uint64(kind)), propertyValue))
	}
	if p.Unit != nil {
		add("engUnit", String, Value{Kind: StringValue, Bytes: p.Unit})
	}
	if !math.IsNaN(p.Low) {
		add("engLow", Double, Value{Kind: DoubleValue, Bits: math.Float64bits(p.Low)})
	}
	if !math.IsNaN(p.High) {
		add("engHigh", Double, Value{Kind: DoubleValue, Bits: math.Float64bits(p.High)})
	}
	if p.HasQuality {
		add("Quality", Int32, Value{Kind: IntValue, Bits: uint64(uint32(p.Quality))})
	}
	return data
}

func (s *DataSet) append(data []byte) []byte {
	data = appendVarint(data, 1, uint64(len(s.Columns)))
	for _, column := range s.Columns {
		data = appendMessage(data, dataSetColumns, column)
	}
	for _, t := range s.Types {
		data = appendVarint(data, dataSetTypes, uint64(t))
	}
	for _, row := range s.Rows {
		var cells []byte
		for _, cell := range row {
			cells = appendMessage(cells, rowElements, cell.append(nil, cellValue))
		}
		data = appendMessage(data, dataSetRows, cells)
	}
	return data
}

func (t *Template) append(data []byte) []byte {
	for i := range t.Metrics {
		data = appendMessage(data, templateMetrics, t.Metrics[i].append(nil))
	}
	return appendVarint(data, templateDefinition, protowire.EncodeBool(t.Definition))
}

func appendVarint(data []byte, number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(data, number, protowire.VarintType), v)
}

func appendFlag(data []byte, number protowire.Number, v bool) []byte {
	if !v {
		return data
	}
	return appendVarint(data, number, 1)
}

func appendMessage(data []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(data, number, protowire.BytesType), message)
}
