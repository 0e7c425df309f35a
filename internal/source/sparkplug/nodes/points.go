package nodes

import (
	"strconv"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/payload"
)

// values sends the values of the decoded metrics, and returns how many of them have an alias of unknown meaning. In a birth they become
// what reports of the device are about. If the meaning of aliases is not certain, names alone count.
func (s *Nodes) values(n *node, d *device, m *source.Message, birth, certain bool) (unknown int) {
	c := collector{device: d, points: make([]mapping.Point, 0, len(s.decoded.Metrics)), sent: s.decoded.Timestamp, birth: birth, interval: s.o.Heartbeat}
	if birth {
		d.nulls = nil
	}
	for i := range s.decoded.Metrics {
		v := &s.decoded.Metrics[i]
		var known *metric
		switch {
		case v.Name != nil:
			known = d.metrics[string(v.Name)]
		case certain && v.HasAlias:
			known = n.aliases[v.Alias]
		}
		if v.Name == nil && (known == nil || known.device != d) {
			unknown++
			continue
		}
		if v.Transient || known != nil && known.silent || known == nil && control(string(v.Name)) {
			continue
		}
		if known != nil && v.Properties.Unit != nil && string(v.Properties.Unit) != known.unit {
			known.unit = string(v.Properties.Unit)
		}
		c.metric(known, "", v, v)
	}
	if birth {
		d.fields = c.fields
	}
	if c.broken != nil {
		s.refuse(m, c.broken)
	}
	if len(c.points) > 0 {
		s.send(&source.Message{Topic: d.topic, Tags: d.tags, Points: c.points, Received: m.Received})
	}
	for historical, nulls := range c.nulls {
		if len(nulls) > 0 {
			s.send(&source.Message{
				Topic: d.topic, Tags: d.tags, Points: nulls, Received: m.Received,
				Report: &iot.StatusReport{Status: iot.ReportedBad, Reason: "null", Session: n.session, Historical: historical == 1},
			})
		}
	}
	return unknown
}

// collector makes points of metrics.
type collector struct {
	device *device
	points []mapping.Point
	// nulls are metrics without a value: those of the present, and historical ones.
	nulls  [2][]mapping.Point
	fields []fieldName
	sent   uint64
	birth  bool
	// interval is how often the values come at least, with what is said when they do not change.
	interval time.Duration
	// broken is why the first array that cannot be decoded is none; nil if all can.
	broken error
}

// metric adds the values of a metric, or of a member of a template: then outer is the metric of the payload. Known is nil if no birth has
// defined it. Prefix is the name of the template, with a slash behind it.
func (c *collector) metric(known *metric, prefix string, v, outer *payload.Metric) {
	p := mapping.Point{Topic: c.device.topic, Tags: c.device.tags, Historical: outer.Historical || v.Historical, Time: c.time(v, outer), Interval: c.interval}
	kind := v.Type
	if known != nil {
		p.Field, p.Unit = known.name, known.unit
		if kind == payload.Unknown {
			kind = known.kind
		}
	} else {
		p.Field, p.Unit = prefix+string(v.Name), string(v.Properties.Unit)
	}
	if kind == payload.Boolean && p.Unit == "" {
		p.Unit = "bool"
	}
	p.Quality = quality(&v.Properties)
	switch {
	case v.Null:
		c.null(p)
	case v.DataSet != nil:
		c.dataSet(p, v.DataSet)
	case v.Template != nil:
		if v.Template.Definition {
			return
		}
		for i := range v.Template.Metrics {
			member := &v.Template.Metrics[i]
			if member.Name != nil {
				name := p.Field + "/" + string(member.Name)
				c.metric(c.device.metrics[name], p.Field+"/", member, outer)
			}
		}
	case kind.IsArray():
		c.array(p, kind, v.Value)
	default:
		c.value(p, known, kind, v.Value)
	}
}

// array adds the elements of an array as name[index].
func (c *collector) array(p mapping.Point, kind payload.Type, value payload.Value) {
	name := p.Field
	element := func(i int, number float64, text string) {
		p.Field, p.Value, p.ValueText = name+"["+strconv.Itoa(i)+"]", number, text
		c.add(p)
	}
	if numbers, ok := value.Array(kind); ok {
		for i, number := range numbers {
			element(i, number, "")
		}
		return
	}
	texts, ok := value.Texts(kind)
	if !ok && c.broken == nil {
		c.broken = iot.Invalid("metric", "%s is no array of its type, or has more than %d elements", iot.Quote(name), payload.MaxCells)
	}
	for i, text := range texts {
		if text != "" {
			element(i, 0, text)
		}
	}
}

// value adds one value.
func (c *collector) value(p mapping.Point, known *metric, kind payload.Type, value payload.Value) {
	if number, ok := value.Number(kind); ok {
		p.Value = number
		// NaN is no limit: comparisons with it are false.
		if p.Quality == "" && known != nil && (number < known.low || number > known.high) {
			p.Quality = iot.Uncertain
		}
		c.add(p)
		return
	}
	if value.Kind == payload.StringValue && len(value.Bytes) > 0 { // A point without a text would be the number 0.
		p.ValueText = string(value.Bytes)
		c.add(p)
	}
}

// dataSet adds the cells of a table as name/column[row].
func (c *collector) dataSet(p mapping.Point, set *payload.DataSet) {
	name := p.Field
	for i, row := range set.Rows {
		for j, cell := range row {
			p.Field = name + "/" + string(set.Columns[j]) + "[" + strconv.Itoa(i) + "]"
			p.Value, p.ValueText = 0, ""
			if cell.Kind != payload.None {
				c.value(p, nil, set.Types[j], cell)
			}
		}
	}
}

func (c *collector) add(p mapping.Point) {
	c.points = append(c.points, p)
	c.field(&p)
	if len(c.device.nulls) > 0 && !p.Historical {
		delete(c.device.nulls, p.Field)
	}
}

func (c *collector) null(p mapping.Point) {
	i := 0
	if p.Historical {
		i = 1
	}
	c.nulls[i] = append(c.nulls[i], p)
	c.field(&p)
	if known := c.device.metrics[p.Field]; known != nil && !p.Historical { // So there are not more of them than metrics.
		if c.device.nulls == nil {
			c.device.nulls = make(map[string]struct{})
		}
		c.device.nulls[known.name] = struct{}{}
	}
}

func (c *collector) field(p *mapping.Point) {
	if c.birth {
		c.fields = append(c.fields, fieldName{p.Field, p.Unit})
	}
}

// time returns when a value was acquired: zero if its message does not say it.
func (c *collector) time(v, outer *payload.Metric) time.Time {
	for _, timestamp := range [...]uint64{v.Timestamp, outer.Timestamp, c.sent} {
		if at := moment(timestamp); !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// quality converts the code of a quality. The specification has 0 for bad, 192 for good and 500 for stale; programs that pass on the codes
// of OPC send others.
func quality(p *payload.Properties) iot.Quality {
	switch code := p.Quality; {
	case !p.HasQuality || code >= 192 && code < 256:
		return ""
	case code >= 64 && code < 192:
		return iot.Uncertain
	}
	return iot.Bad
}
