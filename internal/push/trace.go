package push

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxTraced bounds how many devices are traced at once: tracing is for samples.
	maxTraced = 1000
	// traceTimeout is how long a state is traced that no viewer is sent, because no filter lets the device through.
	traceTimeout = 10 * time.Second
)

// traces holds the span of each sampled device state that has not been put into a message yet, by the number of the device. Each span ends with one
// of these outcomes: viewed, when a message with the state was written to a viewer; conflated, when a newer state replaced it; forgotten,
// when the device was; no viewer, when no viewer was sent it in time; not followed, when too many were traced already. The lock of shared
// guards it.
type traces map[int32]tracedState

type tracedState struct {
	span  trace.Span
	since time.Time
}

// add begins to trace a device's new state, and ends the span of the state that it replaces.
func (t traces) add(device int32, span trace.Span, now time.Time) {
	if replaced, is := t[device]; is {
		endTrace(replaced.span, "conflated")
	}
	if !span.IsRecording() {
		delete(t, device)
		return
	}
	if len(t) >= maxTraced {
		endTrace(span, "not followed")
		return
	}
	t[device] = tracedState{span, now}
}

// claim removes the spans of the devices in a message and returns them with the first of these devices. The message ends the spans.
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

// expire ends the spans of states that no viewer was sent within traceTimeout. Without viewers it ends all spans.
func (t traces) expire(now time.Time, viewers bool) {
	for device, state := range t {
		if !viewers || now.Sub(state.since) > traceTimeout {
			endTrace(state.span, "no viewer")
			delete(t, device)
		}
	}
}

func endTrace(span trace.Span, outcome string) {
	span.SetAttributes(attribute.String("iotmon.outcome", outcome))
	span.End()
}

// messageTrace holds the spans of the states in one message, until the message has been written to the first viewer.
type messageTrace struct {
	spans []trace.Span
	// composed is when the message was made, viewers how many viewers there were then.
	composed time.Time
	viewers  int
}

// id returns the id of the first of the traces.
func (t *messageTrace) id() string { return t.spans[0].SpanContext().TraceID().String() }

// written ends the spans, each with a child span for the time from making the message to writing it.
func (t *messageTrace) written(kind string, bytes int) {
	for _, span := range t.spans {
		ctx := trace.ContextWithSpan(context.Background(), span)
		_, send := span.TracerProvider().Tracer("iotmon").Start(ctx, "send websocket", trace.WithTimestamp(t.composed),
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
				attribute.String("iotmon.message.type", kind),
				attribute.Int("iotmon.message.bytes", bytes),
				attribute.Int("iotmon.viewers", t.viewers),
			))
		send.End()
		endTrace(span, "viewed")
	}
}
