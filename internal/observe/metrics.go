package observe

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds all metrics of the services, by component. Its methods may be called concurrently and never block for long.
type Metrics struct {
	Producer  Producer
	Consumer  Consumer
	Archive   Archive
	Cache     Cache
	WebSocket WebSocket
	Ingest    Ingest
	LogHealth LogHealth
	Control   Control
	// Notifications are at zero where nothing is notified.
	Notifications Notifications

	registry *prometheus.Registry
}

// NewMetrics returns metrics in a new registry, all at zero, including those of the Go runtime and the process.
func NewMetrics(version string) *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	auto := promauto.With(registry)
	auto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "iot_build_info",
		Help: "The version that is running; always 1.",
	}, []string{"version"}).WithLabelValues(version).Set(1)
	return &Metrics{
		Producer:      newProducer(auto),
		Consumer:      newConsumer(auto),
		Archive:       newArchive(auto),
		Cache:         newCache(auto),
		WebSocket:     newWebSocket(auto),
		Ingest:        newIngest(auto),
		LogHealth:     newLogHealth(auto),
		Control:       newControl(auto),
		Notifications: newNotifications(auto),
		registry:      registry,
	}
}

// Handler answers GET /metrics. Exemplars are included if the client accepts OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// latencyBuckets cover 1 ms to 10 s.
func latencyBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

func counter(auto promauto.Factory, name, help string) prometheus.Counter {
	return auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(auto promauto.Factory, name, help string) prometheus.Gauge {
	return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func latency(auto promauto.Factory, name, help string) prometheus.Histogram {
	return auto.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets()})
}
