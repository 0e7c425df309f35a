package observe

import "github.com/prometheus/client_golang/prometheus"

// WatchReadiness publishes which parts of the service are ready at each scrape. Call it at most once; parts may be added
// afterwards.
func (m *Metrics) WatchReadiness(r *Readiness) {
	m.registry.MustRegister(&partsCollector{
		of: r,
		ready: prometheus.NewDesc("iot_part_ready", "Whether a part of the service is ready, 1 or 0; vital says whether the "+
			"service is of no use without it.", []string{"part", "vital"}, nil),
	})
}

// partsCollector collects parts that are added while the service starts.
type partsCollector struct {
	of    *Readiness
	ready *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *partsCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.ready }

// Collect implements prometheus.Collector.
func (c *partsCollector) Collect(metrics chan<- prometheus.Metric) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for _, p := range c.of.parts {
		value, vital := 0.0, "no"
		if p.reason == "" {
			value = 1
		}
		if p.vital {
			vital = "yes"
		}
		metrics <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, value, p.name, vital)
	}
}
