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

// headers carries a trace's context in the headers of a record, as W3C Trace Context names them.
type headers []kgo.RecordHeader

var _ propagation.TextMapCarrier = (*headers)(nil)

// TraceHeaders returns the headers that say which trace a record belongs to; none outside of any, or of one that is not
// sampled: what nobody follows need not be in every record.
func TraceHeaders(ctx context.Context) []kgo.RecordHeader {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	var h headers
	propagation.TraceContext{}.Inject(ctx, &h)
	return h
}

// SampledTrace returns the trace that a record's headers say it belongs to, if it is one that is followed.
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

// OrNoTracer returns a tracer that does nothing for none.
func OrNoTracer(tracer trace.Tracer) trace.Tracer {
	if tracer == nil {
		return noop.Tracer{}
	}
	return tracer
}

// AboutTopic returns the attributes of messaging in OpenTelemetry's semantic conventions; see
// https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. Operation is send or process.
func AboutTopic(topic, operation string) trace.SpanStartOption {
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

// MessageCount is how many messages a span is about.
func MessageCount(n int) attribute.KeyValue { return attribute.Int("messaging.batch.message_count", n) }

// startSend begins the span of messages on their way into a topic.
func startSend(ctx context.Context, tracer trace.Tracer, topic string) (context.Context, trace.Span) {
	return tracer.Start(ctx, "send "+topic, trace.WithSpanKind(trace.SpanKindProducer), AboutTopic(topic, "send"))
}

// StartProcess begins the span of a message out of a topic.
func StartProcess(tracer trace.Tracer, parent trace.SpanContext, r *kgo.Record) (context.Context, trace.Span) {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	return tracer.Start(ctx, "process "+r.Topic, trace.WithSpanKind(trace.SpanKindConsumer), AboutTopic(r.Topic, "process"),
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
