package httpsource

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

// The shapes: how other programs send values. The rules of ingest.map make readings of the values.
const (
	shapeTelegraf    = "Telegraf"
	shapeThingsBoard = "ThingsBoard"
	shapeLine        = "the line protocol of InfluxDB"
)

// foreign is one element of a batch in the shape of another program: its points, one for each value.
type foreign struct {
	shape  string
	points []mapping.Point
}

// metric is an element as Telegraf (the first four fields) or ThingsBoard (the last two) sends it.
type metric struct {
	Name      string                     `json:"name"`
	Tags      map[string]string          `json:"tags"`
	Fields    map[string]json.RawMessage `json:"fields"`
	Timestamp json.RawMessage            `json:"timestamp"`

	Values map[string]json.RawMessage `json:"values"`
	TS     json.RawMessage            `json:"ts"`
}

// unwrap returns the elements of {"metrics":[…]}, as Telegraf sends a batch; false if the text is something else. It stops after
// limit+1.
func unwrap(text []byte, limit int) ([][]byte, bool) {
	if !bytes.Contains(text, []byte(`"metrics"`)) {
		return nil, false
	}
	var batch struct {
		Metrics json.RawMessage `json:"metrics"`
		Value   json.RawMessage `json:"value"`
	}
	if json.Unmarshal(text, &batch) != nil || len(batch.Metrics) == 0 || batch.Metrics[0] != '[' || batch.Value != nil {
		return nil, false
	}
	return splitText(batch.Metrics, limit), true
}

// parseForeign parses an element that is not a reading, and reports whether it has the shape of another program. The tags are those
// of the request's URL, for ThingsBoard, which sends none in the body. The error is an *iot.InvalidError.
func parseForeign(element []byte, tags map[string]string) (*foreign, bool, error) {
	var m metric
	if json.Unmarshal(element, &m) != nil {
		return nil, false, nil
	}
	switch {
	case m.Fields != nil && m.Name != "":
		f := &foreign{shape: shapeTelegraf}
		return f, true, f.add(&m, m.Fields, m.Timestamp, "timestamp")
	case m.Values != nil && m.TS != nil:
		f := &foreign{shape: shapeThingsBoard}
		m.Name, m.Tags = "", tags
		return f, true, f.add(&m, m.Values, m.TS, "ts")
	}
	return nil, false, nil
}

// add adds a point for each value that is a number, a boolean or a text, all with the time at. Field atField is where that time was.
func (f *foreign) add(m *metric, values map[string]json.RawMessage, at json.RawMessage, atField string) error {
	if len(at) == 0 {
		return iot.Invalid(atField, "missing")
	}
	t, problem := wire.ParseTime(strings.Trim(string(at), `"`))
	if problem != "" {
		return iot.Invalid(atField, "%s (got %s)", problem, iot.Quote(string(at)))
	}
	for _, field := range slices.Sorted(maps.Keys(values)) {
		raw := values[field]
		p := mapping.Point{Measurement: m.Name, Field: field, Tags: m.Tags, Time: t}
		switch {
		case json.Unmarshal(raw, &p.Value) == nil && raw[0] != 'n':
		case raw[0] == 't' || raw[0] == 'f':
			p.ValueText = string(raw)
		case raw[0] == '"' && json.Unmarshal(raw, &p.ValueText) == nil && p.ValueText != "":
		default:
			continue // Null, an array and an object are not values.
		}
		f.points = append(f.points, p)
	}
	return nil
}

// tagsOf returns the parameters of the request's URL as tags.
func tagsOf(r *http.Request) map[string]string {
	query := r.URL.Query()
	tags := make(map[string]string, len(query))
	for name := range query {
		tags[name] = query.Get(name)
	}
	return tags
}

// parseLine parses a line of InfluxDB's line protocol. The error is an *iot.InvalidError.
func parseLine(line []byte) (*foreign, error) {
	f := &foreign{shape: shapeLine}
	d := lineprotocol.NewDecoderWithBytes(line)
	if !d.Next() {
		return nil, iot.Invalid("", "not a line of the line protocol: %v", d.Err())
	}
	name, err := d.Measurement()
	p := mapping.Point{Measurement: string(name), Tags: map[string]string{}}
	for err == nil {
		key, value, tagErr := d.NextTag()
		if err = tagErr; key == nil {
			break
		}
		p.Tags[string(key)] = string(value)
	}
	for err == nil {
		key, value, fieldErr := d.NextField()
		if err = fieldErr; key == nil {
			break
		}
		p.Field = string(key)
		p.Value, p.ValueText = lineValue(value)
		f.points = append(f.points, p)
	}
	if err != nil {
		return nil, iot.Invalid("", "not a line of the line protocol: %v", iot.Quote(err.Error()))
	}
	at, problem := lineTime(d)
	if problem != "" {
		return nil, iot.Invalid("timestamp", "%s", problem)
	}
	if d.Next() {
		return nil, iot.Invalid("", "not a line of the line protocol: another point follows in it")
	}
	for i := range f.points {
		f.points[i].Time = at
	}
	return f, nil
}

// lineValue returns a value of the line protocol: a number or, of a boolean or a string, the text. An empty string becomes a
// space, which admission rejects as missing.
func lineValue(value lineprotocol.Value) (number float64, spelling string) {
	switch v := value.Interface().(type) {
	case float64:
		return v, ""
	case int64:
		return float64(v), ""
	case uint64:
		return float64(v), ""
	case bool:
		if v {
			return 0, "true"
		}
		return 0, "false"
	case string:
		if v == "" {
			return 0, " "
		}
		return 0, v
	}
	return 0, " "
}

// lineTime returns the time of a line: Unix time, whose unit is recognized by its size. The text says what is wrong, if anything.
func lineTime(d *lineprotocol.Decoder) (time.Time, string) {
	raw, err := d.TimeBytes()
	if err != nil {
		return time.Time{}, iot.Quote(err.Error())
	}
	if len(raw) == 0 {
		return time.Time{}, "missing: the line must say when its values were measured"
	}
	return wire.ParseTime(string(raw))
}

// fields returns the set of the points' field names.
func (f *foreign) fields() map[string]bool {
	names := make(map[string]bool, len(f.points))
	for i := range f.points {
		names[f.points[i].Field] = true
	}
	return names
}

// unmapped returns the error for an element none of whose points has a rule. It lists the names that a rule could use.
func (f *foreign) unmapped(rules int) error {
	measurement, tags := "", "none"
	if len(f.points) > 0 {
		measurement, tags = f.points[0].Measurement, iot.QuoteNames(maps.Keys(f.points[0].Tags))
	}
	what := "no rule of ingest.map matches any of them"
	if rules == 0 {
		what = "add rules to ingest.map that say which devices they are"
	}
	return iot.Invalid("", "in the shape of %s: measurement %s, fields %s, tags %s; %s",
		f.shape, iot.Quote(measurement), iot.QuoteNames(maps.Keys(f.fields())), tags, what)
}
