package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"iotmon/internal/iot"
)

// headers carries a trace's context in the headers of a record, as W3C Trace Context names them.
type headers []kgo.RecordHeader

var _ propagation.TextMapCarrier = (*headers)(nil)

// traceHeaders returns the headers that say which trace a record belongs to; none outside of any, or of one that is not
// sampled: what nobody follows need not be in every record.
func traceHeaders(ctx context.Context) []kgo.RecordHeader {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	var h headers
	propagation.TraceContext{}.Inject(ctx, &h)
	return h
}

// sampledTrace returns the trace that a record says it belongs to, if it is one that is followed.
func sampledTrace(h headers) (trace.SpanContext, bool) {
	if len(h) == 0 {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), &h)
	parent := trace.SpanContextFromContext(ctx)
	return parent, parent.IsSampled()
}

// Get implements propagation.TextMapCarrier.
func (h *headers) Get(key string) string {
	for _, header := range *h {
		if header.Key == key {
			return string(header.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (h *headers) Set(key, value string) {
	*h = append(*h, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

// Keys implements propagation.TextMapCarrier.
func (h *headers) Keys() []string {
	var keys []string
	for _, header := range *h {
		keys = append(keys, header.Key)
	}
	return keys
}

// orNoTracer returns a tracer that does nothing for none.
func orNoTracer(tracer trace.Tracer) trace.Tracer {
	if tracer == nil {
		return noop.Tracer{}
	}
	return tracer
}

// The attributes of messaging in OpenTelemetry's semantic conventions; see
// https://opentelemetry.io/docs/specs/semconv/messaging/kafka/.
func aboutTopic(topic, operation string) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation),
	)
}

func aboutPartition(partition int32, offset int64) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.Int("messaging.destination.partition.id", int(partition)),
		attribute.Int64("messaging.kafka.offset", offset),
	)
}

// messageCount is how many messages a span is about.
func messageCount(n int) attribute.KeyValue { return attribute.Int("messaging.batch.message_count", n) }

// startSend begins the span of messages on their way into a topic.
func startSend(ctx context.Context, tracer trace.Tracer, topic string) (context.Context, trace.Span) {
	return tracer.Start(ctx, "send "+topic, trace.WithSpanKind(trace.SpanKindProducer), aboutTopic(topic, "send"))
}

// startProcess begins the span of a message out of a topic.
func startProcess(tracer trace.Tracer, parent trace.SpanContext, r *kgo.Record) (context.Context, trace.Span) {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	return tracer.Start(ctx, "process "+r.Topic, trace.WithSpanKind(trace.SpanKindConsumer), aboutTopic(r.Topic, "process"),
		aboutPartition(r.Partition, r.Offset))
}

// endSpan ends a span with what became of it.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

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
	parent, sampled := sampledTrace(r.Headers)
	if !sampled || len(f.devices) >= mostFollowed {
		return
	}
	from := cause{parent.TraceID(), parent.SpanID()}
	p := f.open[from]
	if p == nil {
		p = new(processing)
		p.ctx, p.span = startProcess(f.tracer, parent, r)
		f.open[from] = p
	}
	p.messages++
	f.devices[iot.DeviceID(r.Key)] = p.ctx
}

// processed ends the spans of a poll.
func (f *followed) processed() {
	for _, p := range f.open {
		p.span.SetAttributes(messageCount(p.messages))
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
