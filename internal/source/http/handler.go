package httpsource

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/wire"
)

// The bounds of a Handler whose options leave them at 0.
const (
	DefaultMaxBody       = 8 << 20
	DefaultMaxReadings   = 50_000
	DefaultMaxRequests   = 64
	DefaultMaxBytes      = 32 << 20
	DefaultBodyTimeout   = 30 * time.Second
	DefaultAppendTimeout = 10 * time.Second
)

const (
	// maxReadingBytes bounds one reading as sent; a real one takes 400 bytes.
	maxReadingBytes = 8 << 10
	// How many seconds a client is told to wait when too much is in flight, and when the log does not answer.
	retryBusy, retryLogDown = "1", "5"
)

// Options configures a Handler. Log, Admission, Now and Logger are required; a bound left at 0 takes its default.
type Options struct {
	Log source.Log
	// Admission refuses at the door what the processor would refuse later.
	Admission *iot.Admission
	// Mapping says which values in the shapes of other programs are which readings; nil for none.
	Mapping *mapping.Rules
	// Now is the clock that readings are admitted against and stamped with.
	Now    func() time.Time
	Logger *slog.Logger
	// Answered is called after every request that got as far as its readings, with the answer; nil is allowed.
	Answered func(*wire.Ingested)

	// MaxBody bounds one body in bytes, as sent and as decompressed; MaxReadings the readings in it.
	MaxBody     int64
	MaxReadings int
	// MaxRequests and MaxBytes bound what is in flight at once. The excess is refused at once, never queued. MaxBytes is
	// raised to what a single body may take.
	MaxRequests int
	MaxBytes    int64
	// BodyTimeout is how long a client may take to send its body, AppendTimeout how long the log may take to acknowledge.
	BodyTimeout, AppendTimeout time.Duration
}

// Handler takes readings in over HTTP: one JSON object, an array of them, or one per line, optionally compressed with
// gzip. It answers only after the log has acknowledged, so what it calls accepted cannot be lost; a client that gets 429,
// 503 or no answer sends the same request again, which does no harm because a reading counts once by its identity.
type Handler struct {
	o        Options
	requests *semaphore.Weighted
	bytes    *semaphore.Weighted
	recent   *recent
	// down remembers that the last Append failed, so that an outage is logged once and not per request.
	down atomic.Bool
}

// NewHandler returns a Handler; it may be called concurrently.
func NewHandler(o Options) *Handler {
	o.MaxBody = cmp.Or(o.MaxBody, DefaultMaxBody)
	o.MaxReadings = cmp.Or(o.MaxReadings, DefaultMaxReadings)
	o.MaxRequests = cmp.Or(o.MaxRequests, DefaultMaxRequests)
	o.MaxBytes = max(cmp.Or(o.MaxBytes, DefaultMaxBytes), o.MaxBody+1)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, DefaultBodyTimeout)
	o.AppendTimeout = cmp.Or(o.AppendTimeout, DefaultAppendTimeout)
	if o.Mapping == nil {
		o.Mapping = new(mapping.Rules)
	}
	if o.Answered == nil {
		o.Answered = func(*wire.Ingested) {}
	}
	return &Handler{
		o:        o,
		requests: semaphore.NewWeighted(int64(o.MaxRequests)),
		bytes:    semaphore.NewWeighted(o.MaxBytes),
		recent:   newRecent(),
	}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	result, status, err := h.take(w, r)
	if err != nil {
		writeProblem(w, err)
		return
	}
	h.o.Answered(result)
	writeJSON(w, status, "application/json", result)
}

// take does everything but answer.
func (h *Handler) take(w http.ResponseWriter, r *http.Request) (*wire.Ingested, int, error) {
	// The deadline stays when a request is refused: the server reads what is left of a short body before it answers, and
	// must not wait for it. A connection that cannot set one is one that a test's memory stands behind.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.o.BodyTimeout))
	if r.Method != http.MethodPost {
		return nil, 0, refuse(http.StatusMethodNotAllowed, "readings are sent with POST").with("Allow", http.MethodPost)
	}
	format, err := formatOf(r.Header)
	if err != nil {
		return nil, 0, err
	}
	body := meter{budget: h.bytes}
	defer body.release()
	data, err := h.readBody(w, r, &body)
	if err != nil {
		return nil, 0, err
	}
	_ = control.SetReadDeadline(time.Time{}) // What the log takes is not the client's time.
	// Clients that are slow to send take no place: until here a request costs no more than its metered bytes.
	if !h.requests.TryAcquire(1) {
		return nil, 0, refuse(http.StatusTooManyRequests, "%d requests are in flight already", h.o.MaxRequests).with("Retry-After", retryBusy)
	}
	defer h.requests.Release(1)
	sent, err := split(data, format, h.o.MaxReadings)
	if err != nil {
		return nil, 0, err
	}
	admitted := h.admit(sent, r)
	readings := admitted.readings
	result := &wire.Ingested{Accepted: len(readings), Rejected: admitted.rejected}
	h.recent.count(readings, result)
	if err := h.append(r.Context(), readings); err != nil {
		return nil, 0, err
	}
	h.recent.remember(readings)
	return result, statusOf(result, sent.single && !admitted.mapped), nil
}

// append hands the readings to the log and waits for its word.
func (h *Handler) append(ctx context.Context, readings []iot.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, h.o.AppendTimeout)
	defer cancel()
	err := h.o.Log.Append(bounded, readings)
	switch {
	case err == nil:
		if h.down.Swap(false) {
			h.o.Logger.InfoContext(ctx, "log acknowledges readings again")
		}
		return nil
	case ctx.Err() == nil && !h.down.Swap(true):
		h.o.Logger.ErrorContext(ctx, "log does not acknowledge readings; clients are told to send them again", "err", err)
	}
	return refuse(http.StatusServiceUnavailable,
		"the log has not acknowledged the readings; send the whole request again, no reading is counted twice",
	).with("Retry-After", retryLogDown)
}

// statusOf is 422 only for a single reading, as a device sends it. A batch, and whatever comes in the shape of another program, is
// answered with 207 even if nothing in it was accepted: many programs that collect and forward send whatever is answered with
// 4xx again and again, and nothing after it.
func statusOf(result *wire.Ingested, single bool) int {
	switch {
	case len(result.Rejected) == 0:
		return http.StatusOK
	case single && result.Accepted == 0:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusMultiStatus
	}
}

func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // Reasons quote what was sent, and people read them.
	_ = encoder.Encode(body)     // A client that has gone away no longer needs the rest of the answer.
}
