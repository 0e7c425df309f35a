package nodes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug/payload"
)

// TestBirthsAndData shows tck-id-payloads-alias-birth-requirement, tck-id-payloads-alias-data-cmd-requirement,
// tck-id-payloads-metric-datatype-not-req, tck-id-payloads-metric-datatype-req and tck-id-payloads-name-requirement.
func TestBirthsAndData(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	h.wantState(e, iot.ReportedOnline)
	h.receive(e.data("press", "temperature", 21), e.data("", "supply", 23.5), e.data("press", "pressure", 6))
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
	h.want("refused", len(h.refused), 0)
	if got := h.units["G/N/press/pressure"]; got != "bar" {
		t.Errorf("unit of a value sent by its alias: got %q, want bar", got)
	}
}

// TestTckPayloadsSequenceNumIncrementing: after 255 comes 0.
// It shows tck-id-topics-dbirth-seq, tck-id-topics-ddata-seq-num and tck-id-topics-ndata-seq-num.
func TestTckPayloadsSequenceNumIncrementing(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	for i := range 300 {
		h.receive(e.data("press", "temperature", float64(i)), e.data("", "supply", float64(i)), e.deviceBirth("press"))
	}
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
}

func TestTckOperationalBehaviorHostReorderingSuccess(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	first, second, third := e.data("press", "temperature", 21), e.data("", "supply", 22), e.data("press", "temperature", 23)
	h.receive(third, second)
	if h.latest["G/N/press/temperature"] != 20 {
		t.Error("a message was processed before the one that was sent before it")
	}
	h.wait(1900 * time.Millisecond)
	h.receive(first)
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
}

func TestTckOperationalBehaviorHostReorderingStart(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.data("press", "temperature", 21) // It is lost.
	h.receive(e.data("press", "temperature", 22))
	h.wait(1900 * time.Millisecond)
	h.want("rebirth requests before the timeout", len(h.rebirths), 0)
}

func TestTckOperationalBehaviorHostReorderingRebirth(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.data("press", "temperature", 21) // It is lost.
	h.receive(e.data("press", "temperature", 22))
	h.wait(2100 * time.Millisecond)
	if want := []string{"spBv1.0/G/NCMD/N"}; !slices.Equal(h.rebirths, want) {
		t.Errorf("got requests %q, want %q", h.rebirths, want)
	}
	e.now = h.now
	h.receive(e.born()...)
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 1)
}

func TestTckOperationalBehaviorHostReorderingParam(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{ReorderTimeout: 10 * time.Second})
	h.receive(e.born()...)
	e.data("press", "temperature", 21) // It is lost.
	h.receive(e.data("press", "temperature", 22))
	h.wait(9 * time.Second)
	h.want("rebirth requests before the timeout", len(h.rebirths), 0)
	h.wait(2 * time.Second)
	h.want("rebirth requests", len(h.rebirths), 1)
}

// TestAliasesAfterALoss: a birth that gives the aliases another meaning may be among the lost messages, so values with aliases alone are not
// guessed. They go to the dead letters. Values with names count.
func TestAliasesAfterALoss(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.data("press", "temperature", 21) // It is lost.
	byAlias := e.data("press", "temperature", 22)
	e.named = true
	h.receive(byAlias, e.data("press", "pressure", 7))
	h.wait(3 * time.Second)
	h.want("refused", len(h.refused), 1)
	if got := h.latest["G/N/press/temperature"]; got != 20 {
		t.Errorf("temperature: got %v, want that of the birth", got)
	}
	if got := h.latest["G/N/press/pressure"]; got != 7 {
		t.Errorf("pressure: got %v, want 7", got)
	}
}

func TestUnknownAlias(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.devices["press"]["new"] = 1
	h.receive(e.data("press", "new", 2))
	h.want("refused", len(h.refused), 1)
	h.want("rebirth requests", len(h.rebirths), 1)
	e.now = h.now
	h.receive(e.born()...)
	h.receive(e.data("press", "new", 3))
	if got := h.latest["G/N/press/new"]; got != 3 {
		t.Errorf("got %v, want 3", got)
	}
}

// TestOneRequestIsPending: a node that needs a rebirth again and again, or does not answer, is not flooded with requests.
func TestOneRequestIsPending(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	for range 600 {
		e.seq += 3
		e.seq %= 256
		h.receive(e.data("press", "temperature", 22))
		h.wait(time.Second)
	}
	if got := len(h.rebirths); got < 3 || got > 20 {
		t.Errorf("got %d requests in ten minutes, want a few", got)
	}
	if !slices.ContainsFunc(h.problems, func(p string) bool { return strings.Contains(p, "does not answer") }) {
		t.Errorf("problems: got %q, want one that says it", h.problems)
	}
}

// TestTckOperationalBehaviorEdgeNodeTerminationHostActionNdeath shows
// tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-offline,
// tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale,
// tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline,
// tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale, tck-id-payloads-ndeath-seq and
// tck-id-topics-ndeath-seq.
func TestTckOperationalBehaviorEdgeNodeTerminationHostActionNdeath(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	h.wait(time.Second)
	died := h.now
	h.receive(e.nodeDeath())
	h.wantState(e, iot.ReportedOffline) // The node and all its devices.
	for _, key := range []string{"G/N/supply", "G/N/press/temperature", "G/N/press/pressure"} {
		if got := h.status[key].Time; got.Before(died) {
			t.Errorf("%s: got time %v, want that of the host", key, got)
		}
	}
	before := h.status["G/N/press/temperature"].Session
	e.bdSeq, e.now = 1, h.now
	h.receive(e.born()...)
	h.wantState(e, iot.ReportedOnline)
	if after := h.status["G/N/press/temperature"].Session; after <= before {
		t.Errorf("got session %d after %d, want a higher one", after, before)
	}
}

// TestTckTopicsNbirthBdseqMatching: the death certificate of an earlier session does not end the present one.
// It shows tck-id-payloads-ndeath-bdseq.
func TestTckTopicsNbirthBdseqMatching(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	late := e.nodeDeath()
	e.bdSeq, e.now = 1, h.now
	h.receive(e.born()...)
	h.receive(late)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests, to be sure", len(h.rebirths), 1)
	e.now = h.now
	h.receive(e.born()...)
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 1)
}

// TestDeathOfAnUnknownSessionWithoutAnAnswer: some edge nodes put a wrong number into their death certificate.
func TestDeathOfAnUnknownSessionWithoutAnAnswer(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.bdSeq++
	h.receive(e.nodeDeath())
	h.wantState(e, iot.ReportedOnline)
	h.wait(20 * time.Second)
	h.wantState(e, iot.ReportedOffline)
	h.want("rebirth requests", len(h.rebirths), 2)
}

// TestDataEndsTheDoubt: a node that goes on to send is alive, even if it does not answer requests.
func TestDataEndsTheDoubt(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.bdSeq++
	h.receive(e.nodeDeath())
	for range 60 {
		h.wait(time.Second)
		h.receive(e.data("press", "temperature", 22))
	}
	h.wantState(e, iot.ReportedOnline)
}

// TestDeathOvertakesBirth: MQTT keeps the order of messages within a topic only.
func TestDeathOvertakesBirth(t *testing.T) {
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("known %v", known), func(t *testing.T) {
			e, h := newEdge(), newHost(t, Options{})
			if known {
				h.receive(e.born()...)
				e.bdSeq++
			}
			births := e.born()
			h.receive(e.nodeDeath())
			h.receive(births...)
			h.wait(30 * time.Second)
			h.wantState(e, iot.ReportedOffline)
		})
		t.Run(fmt.Sprintf("known %v, and it lives", known), func(t *testing.T) {
			e, h := newEdge(), newHost(t, Options{})
			h.receive(e.born()...)
			if known {
				e.bdSeq++
				h.receive(e.born()...)
			}
			h.receive(e.nodeDeath())
			h.receive(e.born()...) // The number of the session was not changed.
			h.wait(10 * time.Second)
			e.now = h.now
			h.receive(e.born()...) // The answer.
			h.wait(time.Minute)
			h.wantState(e, iot.ReportedOnline)
		})
	}
}

// TestDeviceBirthOvertakesNodeBirth shows tck-id-payloads-dbirth-order, tck-id-payloads-ddata-order and tck-id-payloads-ndata-order.
func TestDeviceBirthOvertakesNodeBirth(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	births := e.born()
	data := e.data("press", "temperature", 22)
	h.receive(births[1], data, births[0])
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
	h.want("refused", len(h.refused), 0)
}

func TestDuplicates(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	births := e.born()
	data := e.data("press", "temperature", 22)
	h.receive(births[0], births[0], births[1], births[0], births[1], data, births[0], data, births[1])
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
	h.want("points", len(h.points), 4)
}

func TestBirthWithoutDeath(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	e.bdSeq, e.now = 1, start.Add(time.Second)
	delete(e.devices, "press")
	h.receive(e.born()...)
	if got := h.status["G/N/press/temperature"].Status; got != iot.ReportedOnline {
		t.Errorf("a device whose birth is to come: got %q, want online", got)
	}
	h.wait(10 * time.Second)
	if got := h.status["G/N/press/temperature"].Status; got != iot.ReportedOffline {
		t.Errorf("a device that was not born again: got %q, want offline", got)
	}
	h.wantState(e, iot.ReportedOnline)
}

// TestTwoNodesOfOneName shows tck-id-intro-edge-node-id-uniqueness and tck-id-topic-structure-namespace-unique-edge-node-descriptor.
func TestTwoNodesOfOneName(t *testing.T) {
	a, b, h := newEdge(), newEdge(), newHost(t, Options{})
	a.bdSeq, b.bdSeq = 7, 40
	b.devices = nil
	for range 100 {
		h.receive(a.born()...)
		h.receive(b.born()...)
		h.receive(a.data("press", "temperature", 1), b.data("", "supply", 2))
		h.wait(time.Second)
	}
	if !slices.ContainsFunc(h.problems, func(p string) bool { return strings.Contains(p, "do two edge nodes have this name") }) {
		t.Errorf("problems: got %q, want one that says it", h.problems)
	}
	if got := len(h.rebirths); got > 20 {
		t.Errorf("got %d rebirth requests in two minutes, want a few", got)
	}
}

// TestTckOperationalBehaviorEdgeNodeTerminationHostActionDdeath shows
// tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline and
// tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale.
func TestTckOperationalBehaviorEdgeNodeTerminationHostActionDdeath(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	e.devices["oven"] = map[string]float64{"temperature": 300}
	h.receive(e.born()...)
	h.wait(5 * time.Second)
	e.now = h.now
	sent := h.now.Truncate(time.Millisecond)
	h.receive(e.deviceDeath("press"))
	if got := h.status["G/N/press/temperature"]; got.Status != iot.ReportedOffline || !got.Time.Equal(sent) {
		t.Errorf("got %+v, want offline at %v", got, sent)
	}
	for _, key := range []string{"G/N/oven/temperature", "G/N/supply"} {
		if got := h.status[key].Status; got != iot.ReportedOnline {
			t.Errorf("%s: got %q, want online", key, got)
		}
	}
	h.receive(e.deviceBirth("press"))
	h.wantState(e, iot.ReportedOnline)
}

// TestHostStartsLater: the births were sent before the host was there.
func TestHostStartsLater(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	e.born()
	h.receive(e.data("press", "temperature", 21), e.data("press", "temperature", 22))
	h.want("rebirth requests", len(h.rebirths), 1)
	e.now = h.now
	h.receive(e.born()...)
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 1)
	h.want("refused", len(h.refused), 2)
}

// TestDataBeforeTheBirthByName: values with names are kept until the birth says what they are.
func TestDataBeforeTheBirthByName(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	e.named = true
	e.born()
	h.receive(e.data("", "supply", 21))
	h.want("points", len(h.points), 0)
	e.now = start.Add(time.Second)
	h.receive(e.born()...)
	if !slices.Contains(h.points, "G/N/supply=21") || h.units["G/N/supply"] != "V" {
		t.Errorf("got %q with units %v, want the value from before the birth with its unit", h.points, h.units)
	}
	h.want("refused", len(h.refused), 0)
}

func TestConnectionIsLost(t *testing.T) {
	dead, alive, h := newEdge(), newEdge(), newHost(t, Options{})
	alive.node = "M"
	h.receive(dead.born()...)
	h.receive(alive.born()...)
	h.apply(h.nodes.Lost(h.now))
	h.wantState(alive, iot.ReportedBad)
	h.wait(3 * time.Second)
	h.nodes.Connected(h.now)
	h.want("rebirth requests", len(h.rebirths), 0)
	h.wait(3 * time.Second)
	h.want("rebirth requests", len(h.rebirths), 2)
	alive.now = h.now
	h.receive(alive.born()...)
	h.wait(time.Minute)
	h.wantState(alive, iot.ReportedOnline)
	h.wantState(dead, iot.ReportedOffline)
}

// TestRetainedMessages shows tck-id-topics-nbirth-mqtt.
func TestRetainedMessages(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	birth := e.born()[0]
	birth.Retained = true
	h.receive(birth)
	h.want("points", len(h.points), 0)
	h.want("rebirth requests", len(h.rebirths), 1)
}

// TestHistoryNullsAndQuality shows tck-id-operational-behavior-data-publish-dbirth-values,
// tck-id-operational-behavior-data-publish-nbirth-values, tck-id-payloads-metric-timestamp-in-UTC, tck-id-payloads-name-birth-data-requirement
// and tck-id-payloads-propertyset-quality-value-value.
func TestHistoryNullsAndQuality(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	metric := func(name string, change func(*payload.Metric)) payload.Metric {
		m := payload.Metric{Name: []byte(name), Type: payload.Double, Timestamp: 1000, Value: number(1), Properties: properties("")}
		change(&m)
		return m
	}
	m := e.sequenced("DDATA", "press",
		metric("temperature", func(m *payload.Metric) { m.Historical = true }),
		metric("pressure", func(m *payload.Metric) { m.Null, m.Value = true, payload.Value{} }),
		metric("bad", func(m *payload.Metric) { m.Properties.HasQuality = true }),
		metric("stale", func(m *payload.Metric) { m.Properties.Quality, m.Properties.HasQuality = 500, true }),
		metric("transient", func(m *payload.Metric) { m.Transient = true }),
		metric("untimed", func(m *payload.Metric) { m.Timestamp = 0 }),
		metric("Device Control/Reboot", func(*payload.Metric) {}),
	)
	effects := h.nodes.Receive(m)
	if len(effects) != 2 {
		t.Fatalf("got %d effects, want values and a report", len(effects))
	}
	type value struct {
		field      string
		quality    iot.Quality
		historical bool
		time       int64
	}
	var got []value
	for _, p := range effects[0].Send.Points {
		got = append(got, value{p.Field, p.Quality, p.Historical, p.Time.UnixMilli()})
	}
	want := []value{
		{"temperature", "", true, 1000}, {"bad", iot.Bad, false, 1000}, {"stale", iot.Bad, false, 1000}, {"untimed", "", false, start.UnixMilli()},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	report := effects[1].Send
	if report.Report.Status != iot.ReportedBad || len(report.Points) != 1 || report.Points[0].Field != "pressure" || report.Points[0].Time.UnixMilli() != 1000 {
		t.Errorf("a null: got %+v of %+v", report.Report, report.Points)
	}
}

func TestStructuresAreFlattened(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	text := func(s string) payload.Value {
		return payload.Value{Kind: payload.StringValue, Bytes: []byte(s)}
	}
	member := payload.Metric{Name: []byte("speed"), Type: payload.Double, Value: number(3), Properties: properties("m/s")}
	motor := func(m payload.Metric) payload.Metric {
		return payload.Metric{Name: []byte("motor"), Type: payload.TemplateType, Template: &payload.Template{Metrics: []payload.Metric{m}}, Properties: properties("")}
	}
	definition := motor(member)
	definition.Name, definition.Template = []byte("Motor"), &payload.Template{Definition: true, Metrics: []payload.Metric{member}}
	e.seq = 0
	h.receive(e.sequenced("NBIRTH", "", e.bd(), definition, motor(member),
		payload.Metric{Name: []byte("table"), Type: payload.DataSetType, Properties: properties(""), DataSet: &payload.DataSet{
			Columns: [][]byte{[]byte("x"), []byte("y")}, Types: []payload.Type{payload.Double, payload.String},
			Rows: [][]payload.Value{{number(1), text("a")}, {number(2), {}}},
		}},
		payload.Metric{Name: []byte("array"), Type: payload.Int8Array, Value: payload.Value{Kind: payload.BytesValue, Bytes: []byte{1, 0xff}}, Properties: properties("")},
		payload.Metric{Name: []byte("state"), Type: payload.String, Value: text("ON"), Properties: properties("")},
		payload.Metric{Name: []byte("run"), Type: payload.Boolean, Value: payload.Value{Kind: payload.BooleanValue, Bits: 1}, Properties: properties("")},
	))
	member.Properties, member.Value = properties(""), number(4)
	h.receive(e.sequenced("NDATA", "", motor(member)))
	want := []string{
		"G/N/motor/speed=3", "G/N/table/x[0]=1", "G/N/table/y[0]=0a", "G/N/table/x[1]=2", "G/N/array[0]=1", "G/N/array[1]=-1", "G/N/state=0ON", "G/N/run=1",
		"G/N/motor/speed=4",
	}
	if !slices.Equal(h.points, want) {
		t.Errorf("got %q, want %q", h.points, want)
	}
	if h.units["G/N/motor/speed"] != "m/s" || h.units["G/N/run"] != "bool" {
		t.Errorf("got units %v", h.units)
	}
}

func TestValuesOutsideOfTheirRange(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	m := payload.Metric{Name: []byte("t"), Type: payload.Double, Value: number(101), Properties: payload.Properties{Low: 0, High: 100}}
	effects := h.nodes.Receive(e.sequenced("NBIRTH", "", e.bd(), m))
	if got := effects[0].Send.Points[0].Quality; got != iot.Uncertain {
		t.Errorf("got quality %q, want uncertain", got)
	}
}

// TestMessagesAreFinishedOnce: every message is acknowledged exactly once, and not before what it has led to is in the log.
func TestMessagesAreFinishedOnce(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	messages := append(e.born(), e.data("press", "temperature", 1))
	e.data("press", "temperature", 2) // It is lost.
	messages = append(messages, messages[1], e.data("press", "temperature", 3), e.nodeDeath(), e.data("", "supply", 3))
	messages = append(messages, &source.Message{Topic: "spBv1.0/G/NCMD/N"}, &source.Message{Topic: "other"}, &source.Message{Topic: "spBv1.0/G/NDATA/N", Payload: []byte{1}})
	e.bdSeq++
	messages = append(messages, e.born()...)
	done := make([]int, len(messages))
	for i, m := range messages {
		m.Done = func(error) { done[i]++ }
		h.receive(m)
	}
	h.wait(time.Minute)
	for i, count := range done {
		if count != 1 {
			t.Errorf("message %d (%s): finished %d times, want once", i, messages[i].Topic, count)
		}
	}
}

func TestEndlessNames(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{MaxNodes: 10, MaxDevices: 10, MaxMetrics: 100, MaxHeld: 10_000})
	for i := range 200 {
		e.node = fmt.Sprint("never born ", i)
		h.receive(e.data("", "supply", 1))
	}
	h.wait(3 * time.Second)
	for i := range 20 {
		e.node = fmt.Sprint("N", i)
		h.receive(e.nodeBirth())
	}
	e.node = "N0"
	e.nodeBirth()
	for i := range 20 {
		device := fmt.Sprint("D", i)
		e.devices[device] = map[string]float64{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 10}
		h.receive(e.deviceBirth(device))
	}
	s := h.nodes
	devices, metrics := 0, 0
	for _, n := range s.nodes {
		devices = max(devices, len(n.devices))
		metrics += n.metrics
	}
	if len(s.nodes) > 10 || devices > 10 || metrics > 100 || metrics != s.metrics || s.held > 10_000 {
		t.Errorf("got %d nodes, %d devices, %d metrics (counted %d), %d bytes", len(s.nodes), devices, metrics, s.metrics, s.held)
	}
	for _, want := range []string{"more than 10 edge nodes", "more than 10 devices", "not all its metrics"} {
		if !slices.ContainsFunc(h.problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("problems: got %q, want one with %q", h.problems, want)
		}
	}
}

// TestTopics shows tck-id-topic-structure-namespace-device-id-associated-message-types and
// tck-id-topic-structure-namespace-device-id-non-associated-message-types.
func TestTopics(t *testing.T) {
	for _, text := range []string{"", "a", "spBv1.0/G", "spBv1.0/G/NDATA", "spBv1.0/G/NDATA/", "spBv1.0//NDATA/N", "spBv1.0/G/NDATA/N/D", "spBv1.0/G/DDATA/N", "spBv1.0/G/DDATA/N/D/E", "spBv1.0/G/XDATA/N", "spBv1.0/" + strings.Repeat("a", 2000) + "/NDATA/N"} {
		if got, err := parseTopic(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// BenchmarkReceive processes messages of 20 metrics with aliases, from the payload to the values.
func BenchmarkReceive(b *testing.B) {
	e, s := newEdge(), New(Options{})
	e.devices["press"] = make(map[string]float64)
	for i := range 20 {
		e.devices["press"][fmt.Sprint("m", i)] = 1
	}
	for _, m := range e.born() {
		s.Receive(m)
	}
	var messages []*source.Message
	for range 256 {
		metrics := e.births("press", e.devices["press"])
		for i := range metrics {
			metrics[i].Name, metrics[i].Type, metrics[i].Properties = nil, payload.Unknown, properties("")
		}
		messages = append(messages, e.sequenced("DDATA", "press", metrics...))
		e.now = e.now.Add(time.Millisecond)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if effects := s.Receive(messages[i%256]); len(effects) != 1 || len(effects[0].Send.Points) != 20 {
			b.Fatalf("got %+v", effects)
		}
		i++
	}
}

// Sparkplug sends a value only when it changes. As long as its edge node lives, its device is not silent.
// It shows tck-id-operational-behavior-data-publish-dbirth-change, tck-id-operational-behavior-data-publish-nbirth-change and
// tck-id-principles-rbe-recommended.
func TestWhatDoesNotChangeIsStillOnline(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{Heartbeat: 10 * time.Second})
	h.receive(e.born()...)
	null := payload.Metric{Name: []byte("pressure"), Type: payload.Double, Null: true, Properties: properties("")}
	h.receive(e.sequenced("DDATA", "press", null))
	since := func(key string) time.Duration { return h.now.Sub(h.status[key].Time) }
	for range 5 {
		h.wait(10 * time.Second)
		h.wantStill(map[string]iot.Reported{"G/N/supply": iot.ReportedOnline, "G/N/press/temperature": iot.ReportedOnline, "G/N/press/pressure": iot.ReportedBad})
		for key := range h.status {
			if since(key) > 10*time.Second {
				t.Errorf("%s: reported %v ago", key, since(key))
			}
		}
	}
	h.receive(e.data("press", "pressure", 6))
	h.wait(11 * time.Second)
	h.wantState(e, iot.ReportedOnline)
	h.receive(e.sequenced("DDEATH", "press"))
	h.wait(time.Minute)
	h.wantStill(map[string]iot.Reported{"G/N/press/temperature": iot.ReportedOffline})
	if since("G/N/press/temperature") < 59*time.Second || since("G/N/supply") > 10*time.Second {
		t.Error("a device that is offline is said to be something, or its edge node is not")
	}
	h.apply(h.nodes.Lost(h.now))
	h.wait(time.Minute)
	h.wantStill(map[string]iot.Reported{"G/N/supply": iot.ReportedBad})
	if since("G/N/supply") < 59*time.Second {
		t.Error("without a connection to the broker nobody knows whether the edge node is online")
	}
}

func (h *host) wantStill(want map[string]iot.Reported) {
	h.t.Helper()
	for key, status := range want {
		if got := h.status[key].Status; got != status {
			h.t.Errorf("%s: got status %q, want %q", key, got, status)
		}
	}
}
