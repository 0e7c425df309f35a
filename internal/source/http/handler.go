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

// The defaults of the bounds in Options.
const (
	DefaultMaxBody       = 8 << 20
	DefaultMaxReadings   = 50_000
	DefaultMaxRequests   = 64
	DefaultMaxBytes      = 32 << 20
	DefaultBodyTimeout   = 30 * time.Second
	DefaultAppendTimeout = 10 * time.Second
)

const (
	// maxReadingBytes is the greatest length of one reading as sent; a usual one has 400 bytes.
	maxReadingBytes = 8 << 10
	// maxParts is how often reports about devices and readings of the same devices may alternate in one request.
	maxParts = 100
	// retryBusy and retryLogDown are the seconds of Retry-After if too much is in flight, and if the log does not answer.
	retryBusy, retryLogDown = "1", "5"
)

// Options configures a Handler. Log, Admission, Now and Logger are required; a bound of 0 means its default.
type Options struct {
	Log source.Log
	// Reports is what takes reports about devices, such as a gateway forwards them; nil if they are not accepted.
	Reports interface {
		Report(ctx context.Context, reports []source.Report) error
	}
	// Admission is the same test as the processor's, so that clients learn at once what the processor would reject.
	Admission *iot.Admission
	// Mapping makes readings of the values that other programs send; nil means that none are accepted.
	Mapping *mapping.Rules
	// Now is the clock for the admission, and for received_at of readings that have none.
	Now    func() time.Time
	Logger *slog.Logger
	// Answered, if not nil, is called with the answer of every request whose readings were admitted or rejected one by one, and
	// not for requests that were refused as a whole.
	Answered func(*http.Request, *wire.Ingested)

	// MaxBody bounds the bytes of one body, both as sent and decompressed. MaxReadings bounds the readings in it.
	MaxBody     int64
	MaxReadings int
	// MaxRequests bounds the requests in flight, MaxBytes the bytes of their bodies together. What exceeds them is refused at
	// once, never queued. MaxBytes is raised to MaxBody+1 if it is less, so that one body always fits.
	MaxRequests int
	MaxBytes    int64
	// BodyTimeout is how long a client may take to send its body, AppendTimeout how long the log may take to acknowledge.
	BodyTimeout, AppendTimeout time.Duration
}

// Handler accepts readings over HTTP: one JSON object, an array of them, or one in each line, optionally compressed with gzip. It
// answers only after the log has acknowledged the readings, so an accepted reading cannot be lost. A client that gets 429, 503 or
// no answer should send the same request again. That does no harm: a reading is identified by device and timestamp, and counts
// once.
type Handler struct {
	o        Options
	requests *semaphore.Weighted
	bytes    *semaphore.Weighted
	recent   *recent
	// down is true if the last Append failed. So an outage is logged once, not for each request.
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
		o.Answered = func(*http.Request, *wire.Ingested) {}
	}
	return &Handler{
		o:        o,
		requests: semaphore.NewWeighted(int64(o.MaxRequests)),
		bytes:    semaphore.NewWeighted(o.MaxBytes),
		recent:   newRecent(),
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	result, status, err := h.ingest(w, r)
	if err != nil {
		writeProblem(w, err)
		return
	}
	h.o.Answered(r, result)
	writeJSON(w, status, "application/json", result)
}

// ingest reads the body, admits its readings and appends them to the log. It returns the answer and its status, or the problem for
// which the whole request is refused.
func (h *Handler) ingest(w http.ResponseWriter, r *http.Request) (*wire.Ingested, int, error) {
	// If the request is refused, the deadline remains: before it answers, the server reads the rest of a short body, and must not
	// wait for it for ever. SetReadDeadline fails only in tests without a real connection.
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
	_ = control.SetReadDeadline(time.Time{}) // From here on, AppendTimeout is the bound.
	// A request counts only from here on, so slow clients do not use up MaxRequests. Until here it uses only the bytes that its
	// meter counts.
	if !h.requests.TryAcquire(1) {
		return nil, 0, refuse(http.StatusTooManyRequests, "%d requests are in flight already", h.o.MaxRequests).with("Retry-After", retryBusy)
	}
	defer h.requests.Release(1)
	sent, err := split(data, format, h.o.MaxReadings)
	if err != nil {
		return nil, 0, err
	}
	admitted := h.admit(sent, r)
	if len(admitted.parts) > maxParts {
		return nil, 0, refuse(http.StatusRequestEntityTooLarge, "reports about devices and readings of the same devices alternate more than %d times in one request", maxParts)
	}
	readings := admitted.readings
	result := &wire.Ingested{Accepted: len(readings), Rejected: admitted.rejected}
	for _, part := range admitted.parts {
		result.Accepted += len(part.reports)
	}
	h.recent.count(readings, result)
	if err := h.append(r.Context(), admitted.parts); err != nil {
		return nil, 0, err
	}
	h.recent.remember(readings)
	return result, statusOf(result, sent.single && !admitted.mapped), nil
}

// append appends the parts to the log, one after the other, and waits for its acknowledgement.
func (h *Handler) append(ctx context.Context, parts []part) error {
	bounded, cancel := context.WithTimeout(ctx, h.o.AppendTimeout)
	defer cancel()
	var err error
	for i := 0; i < len(parts) && err == nil; i++ {
		if len(parts[i].readings) > 0 {
			err = h.o.Log.Append(bounded, parts[i].readings)
		}
		if len(parts[i].reports) > 0 && err == nil {
			err = h.o.Reports.Report(bounded, parts[i].reports)
		}
	}
	switch {
	case err == nil:
		if h.down.Swap(false) {
			h.o.Logger.InfoContext(ctx, "the log acknowledges readings again")
		}
		return nil
	case ctx.Err() == nil && !h.down.Swap(true):
		h.o.Logger.ErrorContext(ctx, "the log does not acknowledge readings; clients are asked to send them again", "err", err)
	}
	return refuse(http.StatusServiceUnavailable,
		"the log has not acknowledged the readings; send the whole request again, no reading is counted twice",
	).with("Retry-After", retryLogDown)
}

// statusOf returns the status of an answer. Only a single reading, as a device sends it, is answered with 422. A batch, and any
// body in the shape of another program, is answered with 207 even if nothing in it was accepted: many programs that forward
// readings would repeat a batch that is answered with 4xx for ever and send nothing after it.
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
	encoder.SetEscapeHTML(false) // Reasons quote the input and are read by people.
	_ = encoder.Encode(body)     // It fails only if the client has gone.
}
