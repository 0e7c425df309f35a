package nodes

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/payload"
)

// start is when the tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// edge makes the messages of an edge node as the specification wants them. Each metric has an alias, which data uses instead of the name.
type edge struct {
	group, node string
	bdSeq       uint64
	seq         uint64
	// stable keeps the aliases when the node is born again. Generation counts its births.
	stable     bool
	generation int
	now        time.Time
	// named makes data use names instead of aliases.
	named bool
	// own are the values of the node's metrics, devices those of its devices.
	own     map[string]float64
	devices map[string]map[string]float64
}

func newEdge() *edge {
	return &edge{
		group: "G", node: "N", now: start,
		own:     map[string]float64{"supply": 24},
		devices: map[string]map[string]float64{"press": {"temperature": 20, "pressure": 5}},
	}
}

func number(v float64) payload.Value {
	return payload.Value{Kind: payload.DoubleValue, Bits: math.Float64bits(v)}
}

func properties(unit string) payload.Properties {
	p := payload.Properties{Low: math.NaN(), High: math.NaN()}
	if unit != "" {
		p.Unit = []byte(unit)
	}
	return p
}

var units = map[string]string{"supply": "V", "temperature": "°C", "pressure": "bar"}

// alias is one number for each metric, which is that of another metric after every birth unless they are stable.
func (e *edge) alias(device, name string) uint64 {
	metrics := []string{"/supply", "press/temperature", "press/pressure", "oven/temperature", "press/new"}
	i := slices.Index(metrics, device+"/"+name)
	if i < 0 {
		hash := uint64(1000)
		for _, c := range device + "/" + name {
			hash = hash*31 + uint64(c)
		}
		return hash
	}
	return uint64(i+e.generation) % uint64(len(metrics))
}

func (e *edge) message(kind, device string, p payload.Payload) *source.Message {
	p.Timestamp = uint64(e.now.UnixMilli())
	topic := strings.Join([]string{Namespace, e.group, kind, e.node}, "/")
	if device != "" {
		topic += "/" + device
	}
	return &source.Message{Topic: topic, Payload: p.Append(nil), Received: e.now}
}

func (e *edge) sequenced(kind, device string, metrics ...payload.Metric) *source.Message {
	m := e.message(kind, device, payload.Payload{Seq: e.seq, HasSeq: true, Metrics: metrics})
	e.seq = (e.seq + 1) % 256
	return m
}

func (e *edge) births(device string, values map[string]float64) []payload.Metric {
	var metrics []payload.Metric
	for _, name := range slices.Sorted(maps.Keys(values)) {
		metrics = append(metrics, payload.Metric{
			Name: []byte(name), Alias: e.alias(device, name), HasAlias: true, Timestamp: uint64(e.now.UnixMilli()), Type: payload.Double,
			Value: number(values[name]), Properties: properties(units[name]),
		})
	}
	return metrics
}

func (e *edge) bd() payload.Metric {
	return payload.Metric{Name: []byte(bdSeq), Type: payload.Int64, Value: payload.Value{Kind: payload.LongValue, Bits: e.bdSeq}, Properties: properties("")}
}

func (e *edge) nodeBirth() *source.Message {
	e.seq = 0
	if !e.stable {
		e.generation++
	}
	rebirth := payload.Metric{Name: []byte("Node Control/Rebirth"), Type: payload.Boolean, Value: payload.Value{Kind: payload.BooleanValue}, Properties: properties("")}
	return e.sequenced("NBIRTH", "", append([]payload.Metric{e.bd(), rebirth}, e.births("", e.own)...)...)
}

func (e *edge) deviceBirth(device string) *source.Message {
	return e.sequenced("DBIRTH", device, e.births(device, e.devices[device])...)
}

// born returns all births.
func (e *edge) born() []*source.Message {
	messages := []*source.Message{e.nodeBirth()}
	for _, device := range slices.Sorted(maps.Keys(e.devices)) {
		messages = append(messages, e.deviceBirth(device))
	}
	return messages
}

// data changes a value of a device, "" for the node itself, and returns the message of it.
func (e *edge) data(device, name string, value float64) *source.Message {
	kind := "NDATA"
	if device == "" {
		e.own[name] = value
	} else {
		kind = "DDATA"
		e.devices[device][name] = value
	}
	m := payload.Metric{Timestamp: uint64(e.now.UnixMilli()), Value: number(value), Properties: properties("")}
	if e.named {
		m.Name = []byte(name)
	} else {
		m.Alias, m.HasAlias = e.alias(device, name), true
	}
	return e.sequenced(kind, device, m)
}

func (e *edge) nodeDeath() *source.Message {
	return e.message("NDEATH", "", payload.Payload{Metrics: []payload.Metric{e.bd()}})
}

func (e *edge) deviceDeath(device string) *source.Message { return e.sequenced("DDEATH", device) }

// host runs Nodes and keeps what follows from the effects.
type host struct {
	t     *testing.T
	nodes *Nodes
	now   time.Time
	// latest are the newest values by group/node/device/metric, all counts them, and points are in the order in which they came.
	latest map[string]float64
	times  map[string]time.Time
	units  map[string]string
	points []string
	// status is what was reported last.
	status   map[string]iot.StatusReport
	refused  []string
	problems []string
	rebirths []string
	done     int
}

func newHost(t *testing.T, o Options) *host {
	return &host{
		t: t, nodes: New(o), now: start,
		latest: make(map[string]float64), times: make(map[string]time.Time), units: make(map[string]string), status: make(map[string]iot.StatusReport),
	}
}

// receive processes messages, each a millisecond after the one before.
func (h *host) receive(messages ...*source.Message) {
	h.t.Helper()
	for _, m := range messages {
		copied := *m
		h.now = h.now.Add(time.Millisecond)
		copied.Received = h.now
		h.apply(h.nodes.Receive(&copied))
	}
}

// wait lets time pass.
func (h *host) wait(d time.Duration) { h.until(h.now.Add(d)) }

func (h *host) until(end time.Time) {
	for h.now.Before(end) {
		h.now = h.now.Add(min(100*time.Millisecond, end.Sub(h.now)))
		h.apply(h.nodes.Tick(h.now))
	}
}

func (h *host) apply(effects []Effect) {
	for _, e := range effects {
		switch {
		case e.Rebirth != "":
			h.rebirths = append(h.rebirths, e.Rebirth)
		case e.Problem != nil:
			h.problems = append(h.problems, e.Problem.Error())
		case e.Send.Invalid != nil:
			h.refused = append(h.refused, e.Send.Invalid.Error())
		default:
			h.sent(e.Send)
		}
		if e.Send != nil && e.Send.Done != nil {
			e.Send.Done(nil)
		}
	}
}

func (h *host) sent(m *source.Message) {
	for _, p := range m.Points {
		key := p.Topic + "/" + p.Field
		if m.Report != nil {
			h.status[key] = *m.Report
			continue
		}
		h.points = append(h.points, fmt.Sprintf("%s=%v%s", key, p.Value, p.ValueText))
		h.units[key] = p.Unit
		if !p.Time.Before(h.times[key]) {
			h.latest[key], h.times[key] = p.Value, p.Time
		}
	}
}

// wantState compares the newest values and the statuses with the state of an edge node.
func (h *host) wantState(e *edge, status iot.Reported) {
	h.t.Helper()
	check := func(topic string, values map[string]float64) {
		h.t.Helper()
		for name, want := range values {
			key := topic + "/" + name
			if got, ok := h.latest[key]; !ok || got != want {
				h.t.Errorf("%s: got %v, want %v", key, got, want)
			}
			if got := h.status[key].Status; got != status {
				h.t.Errorf("%s: got status %q, want %q", key, got, status)
			}
		}
	}
	check(e.group+"/"+e.node, e.own)
	for device, values := range e.devices {
		check(e.group+"/"+e.node+"/"+device, values)
	}
}

func (h *host) want(what string, got, want int) {
	h.t.Helper()
	if got != want {
		h.t.Errorf("%s: got %d, want %d (problems %q, refused %q)", what, got, want, h.problems, h.refused)
	}
}
