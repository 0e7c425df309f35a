package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// tracerName is the instrumentation scope of every span.
const tracerName = "iotmon"

// TracingOptions configure the export of spans.
type TracingOptions struct {
	// Endpoint is the URL of an OTLP/HTTP receiver; the default path is /v1/traces. Empty means no export.
	Endpoint string
	// Ratio is the share of traces that are sampled, from 0 to 1. It does not apply to traces that began in another
	// process.
	Ratio float64
	// Service and Version are the resource attributes of the spans.
	Service, Version string
	// Logger logs when spans cannot be exported.
	Logger *slog.Logger
}

// Tracing creates spans and exports them in the background. Spans that cannot be exported are dropped; nothing waits for
// the export.
type Tracing struct {
	trace.TracerProvider
	shutdown func(context.Context) error
}

// NoTracing returns a Tracing that creates no spans. It still propagates the traces of other processes.
func NoTracing() *Tracing {
	return &Tracing{noop.NewTracerProvider(), func(context.Context) error { return nil }}
}

// NewTracing returns a Tracing; it does not connect yet. Headers and certificates for the receiver come from
// OpenTelemetry's environment variables, such as OTEL_EXPORTER_OTLP_HEADERS; see
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
func NewTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if o.Endpoint == "" {
		return NoTracing(), nil
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint of traces: %w", err)
	}
	if strings.Trim(endpoint.Path, "/") == "" {
		endpoint.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()))
	if err != nil {
		return nil, fmt.Errorf("exporter of traces: %w", err)
	}
	source, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", o.Service),
		attribute.String("service.version", o.Version),
		attribute.Int("process.pid", os.Getpid()),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("source of traces: %w", err)
	}
	// The library reports failures to one handler for the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("spans are lost", "reason", err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(source),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Ratio))),
	)
	return &Tracing{provider, provider.Shutdown}, nil
}

// Tracer returns the tracer for the program's own spans.
func (t *Tracing) Tracer() trace.Tracer { return t.TracerProvider.Tracer(tracerName) }

// Close exports the remaining spans; no more are created.
func (t *Tracing) Close(ctx context.Context) error { return t.shutdown(ctx) }

// Traced creates a span for every request, in the trace of its W3C header traceparent. The context carries the trace on,
// also into records in Kafka.
func (t *Tracing) Traced(name string, next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, name,
		otelhttp.WithTracerProvider(t.TracerProvider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), // Prometheus has the requests' metrics.
		otelhttp.WithSpanNameFormatter(func(name string, _ *http.Request) string { return name }),
	)
}
