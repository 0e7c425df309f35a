package nodes

import (
	"fmt"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/payload"
)

// device is a device of an edge node, or the edge node itself.
type device struct {
	id string
	// topic is group/node or group/node/device, tags the same as tags of points, which nothing may change.
	topic   string
	tags    map[string]string
	metrics map[string]*metric
	// fields are the names and units of the values of the last birth, for reports.
	fields []fieldName
	// nulls are the names of those values that are null at present; nil for none.
	nulls map[string]struct{}
	// status is what was last reported; empty if nothing was.
	status iot.Reported
	// born is whether the device was born in the present session.
	born bool
}

// metric is what a birth says about a metric.
type metric struct {
	name     string
	kind     payload.Type
	unit     string
	low      float64
	high     float64
	alias    uint64
	hasAlias bool
	device   *device
	// silent metrics are for commands: their values are no measurements.
	silent bool
}

type fieldName struct{ name, unit string }

func newDevice(n *node, id string) *device {
	d := &device{id: id, topic: n.name(), tags: map[string]string{"group": n.group, "node": n.id}, metrics: make(map[string]*metric)}
	if id != "" {
		d.topic += "/" + id
		d.tags["device"] = id
	}
	return d
}

// bdSeq is the metric that numbers the sessions of an edge node.
const bdSeq = "bdSeq"

func (s *Nodes) bdSeq() (uint64, bool) {
	for i := range s.decoded.Metrics {
		m := &s.decoded.Metrics[i]
		if string(m.Name) == bdSeq && (m.Value.Kind == payload.LongValue || m.Value.Kind == payload.IntValue) {
			return m.Value.Bits, true
		}
	}
	return 0, false
}

// nodeBirth processes an NBIRTH, which is in m and decoded.
func (s *Nodes) nodeBirth(n *node, m *source.Message) {
	now, seq := m.Received, uint8(s.decoded.Seq)
	hash := s.hash(m.Payload)
	if n.state == online && n.certain && n.last[seq] == hash {
		s.finish(m, len(s.effects)) // The same message once more.
		return
	}
	number, has := s.bdSeq()
	if problem := n.twins(number, has, now); problem != nil {
		s.problem(problem)
	}
	again := n.state == online && has == n.hasBD && number == n.bdSeq
	if !again {
		if n.state == online {
			n.previous, n.changed = n.bdSeq, now
		}
		n.session = max(now.UnixMilli(), n.session+1)
	}
	doubt := s.confirm(n, number, now)
	n.state, n.certain, n.bdSeq, n.hasBD, n.born = online, true, number, has, s.decoded.Timestamp
	n.last[seq], n.next = hash, seq+1
	n.devicesBy, n.beat = time.Time{}, now.Add(s.o.Heartbeat)
	for _, d := range n.devices {
		d.born = false
		n.devicesBy = now.Add(s.o.ReorderTimeout + s.o.AnswerTimeout)
	}
	s.birth(n, n.own, m)
	for _, w := range s.takeEarlier(n) {
		s.uncertain(n, w, "it was sent before the birth certificate of its edge node")
	}
	s.release(n)
	if doubt != nil {
		s.ask(n, now, doubt)
		n.request.doubt = now
	}
}

// birth makes the decoded metrics those of a device that is online, and sends their values.
func (s *Nodes) birth(n *node, d *device, m *source.Message) {
	begin := len(s.effects)
	d.born = true
	problem := s.define(n, d)
	s.values(n, d, m, true, true)
	s.turn(n, d, iot.ReportedOnline, "birth certificate", m.Received)
	s.finish(m, begin)
	if problem != nil {
		s.problem(problem)
	}
}

// twins returns a problem if births of two sessions alternate: then two programs use the name of the same edge node.
func (n *node) twins(number uint64, has bool, now time.Time) error {
	if n.state == online && has && n.hasBD && number != n.bdSeq && number == n.previous && !n.changed.IsZero() && now.Sub(n.changed) < 10*time.Minute {
		return fmt.Errorf("edge node %s: births of the sessions %d and %d alternate; do two edge nodes have this name?", n.name(), n.bdSeq, number)
	}
	return nil
}

// define makes the decoded metrics those of a device. The error is that there are too many.
func (s *Nodes) define(n *node, d *device) error {
	for _, old := range d.metrics {
		if old.hasAlias && n.aliases[old.alias] == old {
			delete(n.aliases, old.alias)
		}
	}
	n.metrics -= len(d.metrics)
	s.metrics -= len(d.metrics)
	before := d.metrics
	d.metrics = make(map[string]*metric, len(s.decoded.Metrics))
	problem := s.defineAll(n, d, before, "", s.decoded.Metrics)
	n.metrics += len(d.metrics)
	s.metrics += len(d.metrics)
	return problem
}

// defineAll defines metrics, those inside templates with the name of the template before their own. Before are the former ones.
func (s *Nodes) defineAll(n *node, d *device, before map[string]*metric, prefix string, metrics []payload.Metric) error {
	for i := range metrics {
		m := &metrics[i]
		if m.Name == nil {
			continue
		}
		if s.metrics+len(d.metrics) >= s.o.MaxMetrics {
			return fmt.Errorf("edge node %s: not all its metrics are known: all edge nodes together may have %d", n.name(), s.o.MaxMetrics)
		}
		name := prefix + string(m.Name)
		known := before[name]
		if known == nil {
			known = &metric{name: name, device: d, silent: prefix == "" && control(name)}
		}
		known.kind, known.unit = m.Type, string(m.Properties.Unit)
		known.low, known.high = m.Properties.Low, m.Properties.High
		known.alias, known.hasAlias = m.Alias, m.HasAlias && prefix == ""
		if known.hasAlias {
			n.aliases[m.Alias] = known
		}
		d.metrics[name] = known
		if m.Template != nil && !m.Template.Definition {
			if err := s.defineAll(n, d, before, name+"/", m.Template.Metrics); err != nil {
				return err
			}
		}
	}
	return nil
}

// control reports whether a metric is for commands, or the number of the session: then its values are no measurements.
func control(name string) bool {
	return name == bdSeq || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/")
}

// deviceBirth processes a DBIRTH, which is in m and decoded.
func (s *Nodes) deviceBirth(n *node, id string, m *source.Message) {
	d := n.devices[id]
	if d == nil {
		if len(n.devices) >= s.o.MaxDevices {
			err := iot.Invalid("topic", "edge node %s has more than %d devices", iot.Quote(n.name()), s.o.MaxDevices)
			s.problem(err)
			begin := len(s.effects)
			s.refuse(m, err)
			s.finish(m, begin)
			return
		}
		d = newDevice(n, id)
		n.devices[id] = d
	}
	s.birth(n, d, m)
}

// deviceDeath processes a DDEATH, which is in m and decoded.
func (s *Nodes) deviceDeath(n *node, id string, m *source.Message) {
	begin := len(s.effects)
	if d := n.devices[id]; d != nil {
		d.born = false
		s.turn(n, d, iot.ReportedOffline, "death certificate of the device", earlier(s.decoded.Timestamp, m.Received))
	}
	s.finish(m, begin)
}

// nodeDeath processes an NDEATH, which is in m and decoded. One of another session than the present may be late, or may be earlier than
// the birth of its session, because MQTT keeps the order of messages within a topic only: then the node is asked.
func (s *Nodes) nodeDeath(n *node, m *source.Message) {
	now, begin := m.Received, len(s.effects)
	number, has := s.bdSeq()
	n.death = death{bdSeq: number, at: now}
	switch {
	case n.state != online:
	case has && n.hasBD && number == n.bdSeq:
		for _, w := range s.takeWaiting(n) {
			s.uncertain(n, w, "messages before it are missing")
		}
		s.offline(n, "death certificate of the edge node", now)
	default:
		s.ask(n, now, fmt.Errorf("edge node %s: a death certificate of session %d while session %d is online", n.name(), number, n.bdSeq))
		n.request.doubt = now
	}
	s.finish(m, begin)
}

// confirm returns why the birth of a session may be one of a node that is dead already: its death certificate came shortly before it, but
// may have been sent after it. If the node sends another birth when it is asked, it lives.
func (s *Nodes) confirm(n *node, number uint64, now time.Time) error {
	n.request.answered()
	if n.death.at.IsZero() || n.death.suspect || number != n.death.bdSeq || now.Sub(n.death.at) > s.o.ReorderTimeout+s.o.AnswerTimeout {
		n.death = death{}
		return nil
	}
	n.death.suspect = true
	return fmt.Errorf("edge node %s: the death certificate of session %d came before its birth certificate", n.name(), number)
}

// offline reports that an edge node and all its devices are gone.
func (s *Nodes) offline(n *node, reason string, at time.Time) {
	n.state, n.certain, n.devicesBy = dead, false, time.Time{}
	n.request = request{}
	s.turn(n, n.own, iot.ReportedOffline, reason, at)
	for _, d := range n.devices {
		d.born = false
		s.turn(n, d, iot.ReportedOffline, reason, at)
	}
}

// turn reports the status of a device, unless it is what was last reported of the same session.
func (s *Nodes) turn(n *node, d *device, status iot.Reported, reason string, at time.Time) {
	if d.status == status || d.status == "" && status == iot.ReportedOffline {
		return
	}
	d.status = status
	s.report(n, d, &iot.StatusReport{Status: status, Reason: reason, Time: at}, false, func(fieldName) bool { return true })
}

// still says that what is online goes on to be so: Sparkplug sends a value only when it changes.
func (s *Nodes) still(n *node, now time.Time) {
	s.stillOf(n, n.own, now)
	for _, d := range n.devices {
		s.stillOf(n, d, now)
	}
}

func (s *Nodes) stillOf(n *node, d *device, now time.Time) {
	if !d.born || d.status != iot.ReportedOnline {
		return
	}
	null := func(f fieldName) bool { _, null := d.nulls[f.name]; return null }
	s.report(n, d, &iot.StatusReport{Status: iot.ReportedOnline, Reason: "no change", Time: now}, true, func(f fieldName) bool { return !null(f) })
	if len(d.nulls) > 0 {
		s.report(n, d, &iot.StatusReport{Status: iot.ReportedBad, Reason: "null", Time: now}, true, null)
	}
}

// report reports the status of those values of a device that are among.
func (s *Nodes) report(n *node, d *device, report *iot.StatusReport, own bool, among func(fieldName) bool) {
	points := make([]mapping.Point, 0, len(d.fields))
	for _, f := range d.fields {
		if among(f) {
			points = append(points, mapping.Point{Topic: d.topic, Tags: d.tags, Field: f.name, Unit: f.unit, Time: report.Time})
		}
	}
	if len(points) == 0 {
		return
	}
	report.Session = n.session
	s.send(&source.Message{Topic: d.topic, Tags: d.tags, Points: points, Received: report.Time, Report: report, Own: own})
}
