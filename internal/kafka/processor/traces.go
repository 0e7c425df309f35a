package processor

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
)

// maxTraced limits the devices of a partition that are traced between two publications of their states. Traces are samples, so some
// may be left out.
const maxTraced = 100

// traces has the spans of a partition's readings that belong to sampled traces. A trace is continued from the poll that returned the
// reading until the state of its device is published. The readings of one trace in one poll share a span.
type traces struct {
	tracer trace.Tracer
	open   map[cause]*processing
	// devices has the contexts by the keys of the devices.
	devices map[string]context.Context
}

// cause identifies the span in which a producer has sent readings.
type cause struct {
	trace trace.TraceID
	span  trace.SpanID
}

// processing is the span of the readings of one trace in one poll.
type processing struct {
	ctx      context.Context
	span     trace.Span
	messages int
}

func newTraces(tracer trace.Tracer) *traces {
	return &traces{tracer: tracer, open: make(map[cause]*processing), devices: make(map[string]context.Context)}
}

// add begins to trace the reading of a record if its headers name a sampled trace.
func (t *traces) add(r *kgo.Record) {
	parent, sampled := kafka.SampledTrace(r.Headers)
	if !sampled || len(t.devices) >= maxTraced {
		return
	}
	from := cause{parent.TraceID(), parent.SpanID()}
	p := t.open[from]
	if p == nil {
		p = new(processing)
		p.ctx, p.span = kafka.StartProcess(t.tracer, parent, r)
		t.open[from] = p
	}
	p.messages++
	t.devices[string(r.Key)] = p.ctx
}

// endSpans ends the spans of a poll, when its readings have been processed.
func (t *traces) endSpans() {
	for _, p := range t.open {
		p.span.SetAttributes(kafka.MessageCount(p.messages))
		p.span.End()
	}
	clear(t.open)
}

// context returns a context with the span of the device's newest reading, or the background context if that is not traced.
func (t *traces) context(device iot.Identity) context.Context {
	if len(t.devices) > 0 {
		if ctx := t.devices[device.String()]; ctx != nil {
			return ctx
		}
	}
	return context.Background()
}

// reset forgets all devices, when their states have been published.
func (t *traces) reset() { clear(t.devices) }
