package observe

import (
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// Traced takes the trace that a request belongs to, as W3C Trace Context says it in the header traceparent, into the
// request's context. What follows from the request, records in Kafka too, carries it on.
func Traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
