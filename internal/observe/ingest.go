package observe

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ingest holds the metrics of readings over HTTP.
type Ingest struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	readings *family
	repeated *family
}

func newIngest(auto promauto.Factory) Ingest {
	return Ingest{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_ingest_requests_total",
			Help: "Requests with readings, by HTTP status.",
		}, []string{"code"}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "iot_ingest_request_duration_seconds",
			Help:    "Duration of requests with readings.",
			Buckets: latencyBuckets(),
		}, nil),
		readings: newFamily(auto, "iot_ingest_readings_total", "Readings in requests, by result.", "result", "accepted", "rejected"),
		repeated: newFamily(auto, "iot_ingest_readings_repeated_total",
			"Accepted readings whose device and time were sent before: duplicate with the same value, conflict with another.",
			"kind", "duplicate", "conflict"),
	}
}

// Instrument wraps the handler of such requests with the metrics.
func (i *Ingest) Instrument(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(i.requests, promhttp.InstrumentHandlerDuration(i.duration, next))
}

// Answered counts the readings of one request.
func (i *Ingest) Answered(accepted, rejected, duplicates, conflicts int) {
	i.readings.add("accepted", int64(accepted))
	i.readings.add("rejected", int64(rejected))
	i.repeated.add("duplicate", int64(duplicates))
	i.repeated.add("conflict", int64(conflicts))
}
