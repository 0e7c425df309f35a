package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Control holds the metrics of what people decide.
type Control struct {
	waiting, oldest    prometheus.Gauge
	appended, failures prometheus.Counter
}

func newControl(auto promauto.Factory) Control {
	return Control{
		waiting:  gauge(auto, "iot_control_not_in_force", "Registry entries and rules that are decided and not yet in force."),
		oldest:   gauge(auto, "iot_control_not_in_force_seconds", "For how long the oldest of them has been known to be so."),
		appended: counter(auto, "iot_control_appended_total", "Registry entries and rules appended to the log."),
		failures: counter(auto, "iot_control_failures_total", "Failed attempts to bring decisions into force, which are retried."),
	}
}

// Waiting sets how many objects are not in force, and for how long the oldest.
func (c *Control) Waiting(objects int, oldest time.Duration) {
	c.waiting.Set(float64(objects))
	c.oldest.Set(oldest.Seconds())
}

// Appended counts objects that were appended to the log.
func (c *Control) Appended(objects int) { c.appended.Add(float64(objects)) }

// Failed counts a failed attempt.
func (c *Control) Failed() { c.failures.Inc() }
