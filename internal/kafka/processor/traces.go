package processor

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
)

// mostFollowed bounds the devices of a partition that are followed from one publication of their states to the next: tracing
// is for samples.
const mostFollowed = 100

// followed are the devices of a partition with readings that belong to a sampled trace, from the poll that brought them to
// the publication of their states. Batches come with many readings of one trace: those of one poll share a span.
type followed struct {
	tracer  trace.Tracer
	open    map[cause]*processing
	devices map[iot.DeviceID]context.Context
}

// cause names the span that readings come from.
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

func newFollowed(tracer trace.Tracer) *followed {
	return &followed{tracer: tracer, open: make(map[cause]*processing), devices: make(map[iot.DeviceID]context.Context)}
}

// take looks whether a record is to be followed.
func (f *followed) take(r *kgo.Record) {
	parent, sampled := kafka.SampledTrace(r.Headers)
	if !sampled || len(f.devices) >= mostFollowed {
		return
	}
	from := cause{parent.TraceID(), parent.SpanID()}
	p := f.open[from]
	if p == nil {
		p = new(processing)
		p.ctx, p.span = kafka.StartProcess(f.tracer, parent, r)
		f.open[from] = p
	}
	p.messages++
	f.devices[iot.DeviceID(r.Key)] = p.ctx
}

// processed ends the spans of a poll.
func (f *followed) processed() {
	for _, p := range f.open {
		p.span.SetAttributes(kafka.MessageCount(p.messages))
		p.span.End()
	}
	clear(f.open)
}

// context returns the trace that the device's newest reading belongs to, the background for none.
func (f *followed) context(device iot.DeviceID) context.Context {
	if len(f.devices) > 0 {
		if ctx := f.devices[device]; ctx != nil {
			return ctx
		}
	}
	return context.Background()
}

// forget ends the following: the states have been published.
func (f *followed) forget() { clear(f.devices) }
