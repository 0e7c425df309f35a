package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Forward is how the forwarding to a centre is doing.
type Forward struct {
	Connected bool
	// Early are those that wait because the clock of this machine is ahead of the centre's.
	Early                                               int
	Lag, Forwarded, Repeated, Rejected, Skipped, Errors int64
	Lost                                                int64
	Waiting, ClockAhead                                 time.Duration
}

// WatchForward publishes how forwarding is doing, as get says at each scrape. Without a centre it is not called, and nothing is published.
func (m *Metrics) WatchForward(get func() Forward) { m.registry.MustRegister(newForwardCollector(get)) }

// forwardMetric is one metric of a Forward.
type forwardMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(*Forward) float64
}

type forwardCollector struct {
	get     func() Forward
	metrics []forwardMetric
}

func newForwardCollector(get func() Forward) *forwardCollector {
	c := &forwardCollector{get: get}
	add := func(kind prometheus.ValueType, name, help string, value func(*Forward) float64) {
		c.metrics = append(c.metrics, forwardMetric{prometheus.NewDesc(name, help, nil, nil), kind, value})
	}
	add(prometheus.GaugeValue, "iot_forward_connected", "Whether the centre has acknowledged the last call, 1 or 0.", func(f *Forward) float64 {
		if f.Connected {
			return 1
		}
		return 0
	})
	add(prometheus.GaugeValue, "iot_forward_lag_messages", "Messages of the local log that are still to be forwarded.",
		func(f *Forward) float64 { return float64(f.Lag) })
	add(prometheus.GaugeValue, "iot_forward_lag_seconds", "How long the oldest message that is being forwarded has been in the local log; 0 if there is none.",
		func(f *Forward) float64 { return f.Waiting.Seconds() })
	add(prometheus.GaugeValue, "iot_forward_clock_ahead_seconds", "How far the clock of this machine is at least ahead of the centre's; negative if it is behind.",
		func(f *Forward) float64 { return f.ClockAhead.Seconds() })
	add(prometheus.GaugeValue, "iot_forward_early_messages", "Messages of the last call that wait because the clock of this machine is ahead of the centre's.",
		func(f *Forward) float64 { return float64(f.Early) })
	add(prometheus.CounterValue, "iot_forward_messages_total", "Readings and reports that the centre has accepted, in the order of the log.",
		func(f *Forward) float64 { return float64(f.Forwarded) })
	add(prometheus.CounterValue, "iot_forward_repeated_messages_total", "Readings that were sent ahead of a backlog, and that are sent again in their order.",
		func(f *Forward) float64 { return float64(f.Repeated) })
	add(prometheus.CounterValue, "iot_forward_rejected_messages_total", "Readings that the centre has rejected; they are among the local dead letters.",
		func(f *Forward) float64 { return float64(f.Rejected) })
	add(prometheus.CounterValue, "iot_forward_skipped_messages_total", "Messages of the local log that are no valid readings, and were not forwarded.",
		func(f *Forward) float64 { return float64(f.Skipped) })
	add(prometheus.CounterValue, "iot_forward_lost_messages_total", "Messages that the local log has deleted before they were forwarded, since the log was created.",
		func(f *Forward) float64 { return float64(f.Lost) })
	add(prometheus.CounterValue, "iot_forward_errors_total", "Calls to the centre that have failed and were repeated.",
		func(f *Forward) float64 { return float64(f.Errors) })
	return c
}

// Describe implements prometheus.Collector.
func (c *forwardCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		descriptions <- m.description
	}
}

// Collect implements prometheus.Collector.
func (c *forwardCollector) Collect(metrics chan<- prometheus.Metric) {
	now := c.get()
	for _, m := range c.metrics {
		metrics <- prometheus.MustNewConstMetric(m.description, m.kind, m.value(&now))
	}
}
