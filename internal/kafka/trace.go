package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/propagation"
)

// headers carries a trace's context in the headers of a record, as W3C Trace Context names them.
type headers []kgo.RecordHeader

var _ propagation.TextMapCarrier = (*headers)(nil)

// traceHeaders returns the headers that say which trace a record belongs to; none outside of any.
func traceHeaders(ctx context.Context) []kgo.RecordHeader {
	var h headers
	propagation.TraceContext{}.Inject(ctx, &h)
	return h
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
