package nodes

import (
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source/sparkplug/payload"
)

// TestTckPayloadsSequenceNumReqNbirth: the sequence of a session begins with the number of its NBIRTH, whatever it is.
func TestTckPayloadsSequenceNumReqNbirth(t *testing.T) {
	for _, first := range []uint64{0, 17, 255} {
		e, h := newEdge(), newHost(t, Options{})
		delete(e.devices, "press")
		e.nodeBirth() // Another number than 0 follows.
		e.seq = first
		h.receive(e.sequenced("NBIRTH", "", append([]payload.Metric{e.bd()}, e.births("", e.own)...)...))
		h.receive(e.data("", "supply", 21), e.data("", "supply", 22))
		h.wait(time.Minute)
		h.wantState(e, iot.ReportedOnline)
		h.want("rebirth requests", len(h.rebirths), 0)
	}
}

// TestTckPayloadsSequenceNumAlwaysIncluded: a message without a number, which edge nodes may not send, counts when it comes and leaves no gap.
func TestTckPayloadsSequenceNumAlwaysIncluded(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	unnumbered := payload.Metric{Name: []byte("supply"), Timestamp: uint64(e.now.UnixMilli()), Value: number(23), Properties: properties("")}
	h.receive(e.message("NDATA", "", payload.Payload{Metrics: []payload.Metric{unnumbered}}), e.data("press", "temperature", 21))
	e.own["supply"] = 23
	h.wait(time.Minute)
	h.wantState(e, iot.ReportedOnline)
	h.want("rebirth requests", len(h.rebirths), 0)
}

// TestTckPayloadsDdeathSeqNumber: by its number the death certificate of a device waits for what the edge node has sent before it.
// It shows tck-id-topics-ddeath-seq-num.
func TestTckPayloadsDdeathSeqNumber(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	h.receive(e.born()...)
	before, death := e.data("press", "temperature", 21), e.deviceDeath("press")
	h.receive(death)
	h.wantStill(map[string]iot.Reported{"G/N/press/temperature": iot.ReportedOnline})
	h.receive(before)
	h.wantStill(map[string]iot.Reported{"G/N/press/temperature": iot.ReportedOffline, "G/N/supply": iot.ReportedOnline})
	if got := h.latest["G/N/press/temperature"]; got != 21 {
		t.Errorf("got %v, want the value that was sent before the death certificate", got)
	}
	h.wait(time.Minute)
	h.want("rebirth requests", len(h.rebirths), 0)
}

// TestTckPayloadsAliasUniqueness: an alias is one of the whole edge node. One that a device has taken from another is no name of a metric of that other
// any more, so no value goes to the wrong metric.
func TestTckPayloadsAliasUniqueness(t *testing.T) {
	e, h := newEdge(), newHost(t, Options{})
	metric := func(name string, value float64) payload.Metric {
		return payload.Metric{Name: []byte(name), Alias: 7, HasAlias: true, Type: payload.Double, Value: number(value), Properties: properties("")}
	}
	e.seq = 0
	h.receive(e.sequenced("NBIRTH", "", e.bd()), e.sequenced("DBIRTH", "oven", metric("heat", 1)), e.sequenced("DBIRTH", "press", metric("force", 2)))
	byAlias := metric("", 3)
	byAlias.Name = nil
	h.receive(e.sequenced("DDATA", "oven", byAlias), e.sequenced("DDATA", "press", byAlias))
	if want := []string{"G/N/oven/heat=1", "G/N/press/force=2", "G/N/press/force=3"}; !slices.Equal(h.points, want) {
		t.Errorf("got %q, want %q", h.points, want)
	}
	h.want("refused", len(h.refused), 1)
	h.want("rebirth requests", len(h.rebirths), 1)
}

// TestTckCaseSensitivityMetricNames: names and identifiers that differ in their letters' case alone are different ones, although edge nodes should
// have none (tck-id-case-sensitivity-sparkplug-ids).
func TestTckCaseSensitivityMetricNames(t *testing.T) {
	upper, lower, h := newEdge(), newEdge(), newHost(t, Options{})
	lower.node = "n"
	upper.own["Supply"], lower.own["supply"] = 48, 12
	upper.devices["Press"] = map[string]float64{"temperature": 30}
	h.receive(upper.born()...)
	h.receive(lower.born()...)
	h.wantState(upper, iot.ReportedOnline)
	h.wantState(lower, iot.ReportedOnline)
	h.receive(lower.nodeDeath())
	h.wantState(lower, iot.ReportedOffline)
	h.wantState(upper, iot.ReportedOnline)
}
