package observe

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"
)

// RequestIDHeader names a request: whoever asks may choose the name, everybody else gets one, and the answer repeats it.
const RequestIDHeader = "X-Request-Id"

// longestRequestID bounds what a client may choose.
const longestRequestID = 64

type requestIDKey struct{}

// Identified gives every request an id, which is in every line that is logged with its context, and at level debug in a line
// of its own.
func Identified(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !validRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(RequestIDHeader, id)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		r = r.WithContext(ctx)
		// A connection that is taken over has no status, and its end is no news of this request.
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

// validRequestID reports whether a client's id can be put into a log and a header as it is.
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

// statusNoted remembers the status of the answer.
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

// withRequestID adds the id of the request that a line is logged for.
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
