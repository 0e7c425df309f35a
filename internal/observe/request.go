package observe

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"
)

// RequestIDHeader is the header with the id of a request. The client may set it, otherwise the server does; the answer
// repeats it.
const RequestIDHeader = "X-Request-Id"

// longestRequestID is the maximum length of a client's id.
const longestRequestID = 64

type requestIDKey struct{}

// Identified adds an id to every request, which is in every line logged with its context. At level debug it logs a line for
// each request.
func Identified(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !validRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(RequestIDHeader, id)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		r = r.WithContext(ctx)
		// A hijacked connection has no status, and its end is not that of the request.
		if !logger.Enabled(ctx, slog.LevelDebug) || r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		began, noted := time.Now(), &statusNoted{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(noted, r)
		logger.DebugContext(ctx, "request", "method", r.Method, "path", r.URL.Path, "status", noted.status,
			"took", time.Since(began).Round(time.Microsecond))
	})
}

// validRequestID reports whether a client's id can be used in a log and a header unchanged.
func validRequestID(id string) bool {
	if id == "" || len(id) > longestRequestID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// statusNoted is an http.ResponseWriter that records the status.
type statusNoted struct {
	http.ResponseWriter
	status int
}

func (w *statusNoted) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusNoted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// withRequestID is a slog.Handler that adds the request id in the context to a line.
type withRequestID struct{ slog.Handler }

func (h withRequestID) Handle(ctx context.Context, record slog.Record) error {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		record.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, record)
}

func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
}
