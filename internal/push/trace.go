package push

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

const (
	// mostTraced bounds the devices that are followed at once: tracing is for samples.
	mostTraced = 1000
	// tracePatience is how long a state is followed that no client gets to see, as none wants the device.
	tracePatience = 10 * time.Second
)

// traces are the spans of states that have not been written to any client yet, by device.
type traces map[int32]unwritten

type unwritten struct {
	span  trace.Span
	since time.Time
}

// add follows a device's new state. What was followed of it before has been replaced.
func (t traces) add(device int32, span trace.Span, now time.Time) {
	if replaced, is := t[device]; is {
		endTrace(replaced.span, "conflated")
	}
	if !span.IsRecording() {
		delete(t, device)
		return
	}
	if len(t) >= mostTraced {
		endTrace(span, "not followed")
		return
	}
	t[device] = unwritten{span, now}
}

// claim returns the spans of the devices in a message, which are the message's to end.
func (t traces) claim(entries []entry) (spans []trace.Span, first entry) {
	if len(t) == 0 {
		return nil, entry{}
	}
	for _, e := range entries {
		claimed, is := t[e.device]
		if !is {
			continue
		}
		if spans == nil {
			first = e
		}
		spans = append(spans, claimed.span)
		delete(t, e.device)
	}
	return spans, first
}

// forget ends the span of a device that was forgotten.
func (t traces) forget(device int32) {
	if forgotten, is := t[device]; is {
		endTrace(forgotten.span, "forgotten")
		delete(t, device)
	}
}

// expire ends the spans of states that no client has been sent in time, all of them unless there are clients.
func (t traces) expire(now time.Time, watched bool) {
	for device, u := range t {
		if !watched || now.Sub(u.since) > tracePatience {
			endTrace(u.span, "no viewer")
			delete(t, device)
		}
	}
}

func endTrace(span trace.Span, outcome string) {
	span.SetAttributes(attribute.String("iotmon.outcome", outcome))
	span.End()
}

// delivery is what is traced of a message until the first client has it.
type delivery struct {
	spans    []trace.Span
	composed time.Time
	viewers  int
}

// traceID names the first of the traces.
func (d *delivery) traceID() string { return d.spans[0].SpanContext().TraceID().String() }

// written ends the spans: a client has the message.
func (d *delivery) written(kind string, bytes int) {
	for _, span := range d.spans {
		ctx := trace.ContextWithSpan(context.Background(), span)
		_, send := span.TracerProvider().Tracer("iotmon").Start(ctx, "send websocket", trace.WithTimestamp(d.composed),
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
				attribute.String("iotmon.message.type", kind),
				attribute.Int("iotmon.message.bytes", bytes),
				attribute.Int("iotmon.viewers", d.viewers),
			))
		send.End()
		endTrace(span, "viewed")
	}
}
