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

// TracingOptions say who is told of spans.
type TracingOptions struct {
	// Endpoint is the URL of a receiver of OTLP over HTTP; without a path that is /v1/traces. Empty is nobody.
	Endpoint string
	// Ratio is how many traces are sampled of those that begin here, from 0 to 1. For others their beginner has decided.
	Ratio float64
	// Service and Version are what the spans say they come from.
	Service, Version string
	// Logger is told when the receiver does not take spans.
	Logger *slog.Logger
}

// Tracing makes spans and sends them, in the background and as well as it can: what a receiver that is away would have been
// told is lost, and nothing waits for it.
type Tracing struct {
	trace.TracerProvider
	shutdown func(context.Context) error
}

// NoTracing returns a Tracing that makes no spans. Traces that others have begun are carried on.
func NoTracing() *Tracing {
	return &Tracing{noop.NewTracerProvider(), func(context.Context) error { return nil }}
}

// NewTracing connects to nobody yet. Headers, certificates and the like for the receiver are taken from OpenTelemetry's own
// environment variables, such as OTEL_EXPORTER_OTLP_HEADERS; see
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
	// The library tells of failures by one function for the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("spans are lost", "reason", err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(source),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Ratio))),
	)
	return &Tracing{provider, provider.Shutdown}, nil
}

// Tracer returns what makes the spans of the program's own code.
func (t *Tracing) Tracer() trace.Tracer { return t.TracerProvider.Tracer(tracerName) }

// Close sends what has not been sent, and makes no more spans.
func (t *Tracing) Close(ctx context.Context) error { return t.shutdown(ctx) }

// Traced makes a span of every request, in the trace that it belongs to, as W3C Trace Context says it in the header
// traceparent. What follows from the request, records in Kafka too, carries it on.
func (t *Tracing) Traced(name string, next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, name,
		otelhttp.WithTracerProvider(t.TracerProvider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), // Prometheus has the requests' metrics.
		otelhttp.WithSpanNameFormatter(func(name string, _ *http.Request) string { return name }),
	)
}
