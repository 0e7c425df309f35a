package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// headers carries a trace's context in the headers of a record, under the names of W3C Trace Context.
type headers []kgo.RecordHeader

var _ propagation.TextMapCarrier = (*headers)(nil)

// TraceHeaders returns the headers that name the trace a record belongs to. It returns none if ctx has no trace or one that is not
// sampled, to keep records short.
func TraceHeaders(ctx context.Context) []kgo.RecordHeader {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	var h headers
	propagation.TraceContext{}.Inject(ctx, &h)
	return h
}

// SampledTrace returns the trace that a record's headers name; false if there is none or it is not sampled.
func SampledTrace(of []kgo.RecordHeader) (trace.SpanContext, bool) {
	if len(of) == 0 {
		return trace.SpanContext{}, false
	}
	h := headers(of)
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

// OrNoTracer returns the tracer, or one that records nothing if it is nil.
func OrNoTracer(tracer trace.Tracer) trace.Tracer {
	if tracer == nil {
		return noop.Tracer{}
	}
	return tracer
}

// TopicAttributes returns the attributes of a span for messages of a topic, as OpenTelemetry's semantic conventions name them; see
// https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. Operation is send or process.
func TopicAttributes(topic, operation string) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation),
	)
}

// recordAttributes returns the attributes that say which record a span is about.
func recordAttributes(partition int32, offset int64) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.Int("messaging.destination.partition.id", int(partition)),
		attribute.Int64("messaging.kafka.offset", offset),
	)
}

// MessageCount returns the attribute for the number of messages of a span.
func MessageCount(n int) attribute.KeyValue { return attribute.Int("messaging.batch.message_count", n) }

// startSend begins the span of sending messages to a topic.
func startSend(ctx context.Context, tracer trace.Tracer, topic string) (context.Context, trace.Span) {
	return tracer.Start(ctx, "send "+topic, trace.WithSpanKind(trace.SpanKindProducer), TopicAttributes(topic, "send"))
}

// StartProcess begins the span of processing a record, as a child of the record's trace.
func StartProcess(tracer trace.Tracer, parent trace.SpanContext, r *kgo.Record) (context.Context, trace.Span) {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	return tracer.Start(ctx, "process "+r.Topic, trace.WithSpanKind(trace.SpanKindConsumer), TopicAttributes(r.Topic, "process"),
		recordAttributes(r.Partition, r.Offset))
}

// endSpan ends a span; err is nil if the operation succeeded.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
