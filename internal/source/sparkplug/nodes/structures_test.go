package nodes

import (
	"slices"
	"strings"
	"testing"

	"iotmon/internal/source/sparkplug/payload"
)

func text(s string) payload.Value { return payload.Value{Kind: payload.StringValue, Bytes: []byte(s)} }

func packed(name string, kind payload.Type, content string) payload.Metric {
	return payload.Metric{Name: []byte(name), Type: kind, Value: payload.Value{Kind: payload.BytesValue, Bytes: []byte(content)}, Properties: properties("")}
}

func table(types []payload.Type, columns []string, rows ...[]payload.Value) payload.Metric {
	set := &payload.DataSet{Types: types, Rows: rows}
	for _, column := range columns {
		set.Columns = append(set.Columns, []byte(column))
	}
	return payload.Metric{Name: []byte("table"), Type: payload.DataSetType, Properties: properties(""), DataSet: set}
}

// born sends a birth certificate with the metrics.
func born(t *testing.T, metrics ...payload.Metric) (*edge, *host) {
	t.Helper()
	e, h := newEdge(), newHost(t, Options{})
	e.seq = 0
	h.receive(e.sequenced("NBIRTH", "", append([]payload.Metric{e.bd()}, metrics...)...))
	return e, h
}

func (h *host) wantPoints(points ...string) {
	h.t.Helper()
	if !slices.Equal(h.points, points) {
		h.t.Errorf("got %q, want %q", h.points, points)
	}
}

// Texts have no values where there is none: an empty text is not the number 0.
func TestTckPayloadsMetricDatatypeValue(t *testing.T) {
	_, h := born(t, packed("words", payload.StringArray, "ON\x00\x00OFF\x00"), packed("none", payload.StringArray, ""),
		payload.Metric{Name: []byte("empty"), Type: payload.String, Value: text(""), Properties: properties("")},
		payload.Metric{Name: []byte("word"), Type: payload.Text, Value: text("ON"), Properties: properties("")})
	h.wantPoints("G/N/words[0]=0ON", "G/N/words[2]=0OFF", "G/N/word=0ON")
	if len(h.refused) > 0 {
		t.Errorf("refused %q", h.refused)
	}
}

// An array that is none of its type is a dead letter. The other metrics of its message count, and so do later ones.
func TestAnArrayThatIsNoneIsRefused(t *testing.T) {
	for name, metric := range map[string]payload.Metric{
		"half a number":      packed("broken", payload.Int32Array, "\x01\x02\x03"),
		"fewer bits":         packed("broken", payload.BooleanArray, "\xff\x00\x00\x00\x01"),
		"a text without end": packed("broken", payload.StringArray, "ON"),
		"one number":         {Name: []byte("broken"), Type: payload.Int8Array, Value: number(1), Properties: properties("")},
	} {
		e, h := born(t, metric, packed("whole", payload.Int8Array, "\x01"))
		h.receive(e.sequenced("NDATA", "", packed("whole", payload.Int8Array, "\x02")))
		h.wantPoints("G/N/whole[0]=1", "G/N/whole[0]=2")
		if len(h.refused) != 1 || !strings.Contains(h.refused[0], `"broken" is no array of its type`) {
			t.Errorf("%s: refused %q", name, h.refused)
		}
	}
}

// The types of a DataSet must be as many as its columns, and so must the cells of each row: else nobody knows what a cell is.
func TestTckPayloadsDatasetColumnNumHeaders(t *testing.T) {
	double := []payload.Type{payload.Double}
	for name, metric := range map[string]payload.Metric{
		"tck-id-payloads-dataset-parameter-type-req":   table(nil, []string{"x"}, []payload.Value{number(1)}),
		"tck-id-payloads-dataset-types-num":            table(double, []string{"x", "y"}, []payload.Value{number(1), number(2)}),
		"tck-id-payloads-dataset-column-num-headers":   table([]payload.Type{payload.Double, payload.Double}, []string{"x"}, []payload.Value{number(1)}),
		"a row with more cells than there are columns": table(double, []string{"x"}, []payload.Value{number(1), number(2)}),
	} {
		_, h := born(t, metric)
		h.wantPoints()
		if len(h.refused) != 1 || !strings.Contains(h.refused[0], "column") {
			t.Errorf("%s: refused %q", name, h.refused)
		}
	}
}

// A cell has one of the basic types. A cell without a value, or with one of another type, is none.
// It shows tck-id-payloads-dataset-types-value.
func TestTckPayloadsTemplateDatasetValue(t *testing.T) {
	_, h := born(t, table(
		[]payload.Type{payload.Int32, payload.UInt64, payload.Float, payload.Boolean, payload.String, payload.DateTime, payload.Bytes},
		[]string{"int", "long", "float", "bool", "text", "date", "bytes"},
		[]payload.Value{
			{Kind: payload.IntValue, Bits: 0xfffffffe}, {Kind: payload.LongValue, Bits: 1 << 40}, {Kind: payload.FloatValue, Bits: 0x40200000},
			{Kind: payload.BooleanValue, Bits: 1}, text("ON"), {Kind: payload.LongValue, Bits: 1000}, {},
		},
		[]payload.Value{{}, {}, {}, {}, text(""), {}, {}},
	))
	h.wantPoints("G/N/table/int[0]=-2", "G/N/table/long[0]=1.099511627776e+12", "G/N/table/float[0]=2.5", "G/N/table/bool[0]=1", "G/N/table/text[0]=0ON",
		"G/N/table/date[0]=1000")
}

// A definition is no value, whatever message it comes in; an instance in data may have some of the members of its birth, and a member may be an array, a
// table or another instance.
// It shows tck-id-payloads-template-definition-is-definition, tck-id-payloads-template-definition-nbirth-only and
// tck-id-payloads-template-instance-is-definition.
func TestTckPayloadsTemplateInstanceMembersData(t *testing.T) {
	template := func(name string, definition bool, members ...payload.Metric) payload.Metric {
		return payload.Metric{
			Name: []byte(name), Type: payload.TemplateType, Properties: properties(""), Template: &payload.Template{Definition: definition, Metrics: members},
		}
	}
	plain := func(name string, value float64) payload.Metric {
		return payload.Metric{Name: []byte(name), Type: payload.Double, Value: number(value), Properties: properties("")}
	}
	words := packed("words", payload.StringArray, "ON\x00OFF\x00")
	e, h := born(t, template("Motor", true, plain("speed", 0), plain("torque", 0), words),
		template("motor", false, plain("speed", 1), plain("torque", 2), words, template("fan", false, plain("speed", 3))))
	h.wantPoints("G/N/motor/speed=1", "G/N/motor/torque=2", "G/N/motor/words[0]=0ON", "G/N/motor/words[1]=0OFF", "G/N/motor/fan/speed=3")
	h.points = nil
	h.receive(e.sequenced("NDATA", "", template("motor", false, plain("torque", 4)), template("Motor", true, plain("speed", 9))))
	h.wantPoints("G/N/motor/torque=4")
}
