package observe

import (
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

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
	gateways *prometheus.CounterVec
	// named are the gateways that have series of their own.
	named *gatewayNames
}

// maxGateways is how many gateways have series of their own; further ones share that of other. maxGatewayName is how long a name may be in bytes.
const maxGateways, maxGatewayName = 500, 128

// gatewayNames are names of gateways, which anybody may send.
type gatewayNames struct {
	mu    sync.Mutex
	names map[string]bool
}

// label returns the label of a gateway.
func (g *gatewayNames) label(name string) string {
	if len(name) > maxGatewayName || !utf8.ValidString(name) {
		return "other"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.names[name] {
		if len(g.names) >= maxGateways {
			return "other"
		}
		g.names[strings.Clone(name)] = true
	}
	return name
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
		gateways: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_ingest_gateway_readings_total",
			Help: "Readings and reports that gateways have forwarded, by gateway and result. What waits because a gateway's clock is ahead is rejected each time.",
		}, []string{"gateway", "result"}),
		named: &gatewayNames{names: make(map[string]bool)},
	}
}

// Instrument wraps the handler of such requests with the metrics.
func (i *Ingest) Instrument(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(i.requests, promhttp.InstrumentHandlerDuration(i.duration, next))
}

// Forwarded counts what a gateway has forwarded in one request.
func (i *Ingest) Forwarded(gateway string, accepted, rejected int) {
	label := i.named.label(gateway)
	i.gateways.WithLabelValues(label, "accepted").Add(float64(accepted))
	i.gateways.WithLabelValues(label, "rejected").Add(float64(rejected))
}

// Answered counts the readings of one request.
func (i *Ingest) Answered(accepted, rejected, duplicates, conflicts int) {
	i.readings.add("accepted", int64(accepted))
	i.readings.add("rejected", int64(rejected))
	i.repeated.add("duplicate", int64(duplicates))
	i.repeated.add("conflict", int64(conflicts))
}
