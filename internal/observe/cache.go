package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Cache holds the metrics of the cache.
type Cache struct {
	states, retries prometheus.Counter
	lag             *prometheus.GaugeVec
	answers         *prometheus.CounterVec
}

func newCache(auto promauto.Factory) Cache {
	return Cache{
		states:  counter(auto, "iot_cache_states_written_total", "Device states written to the cache."),
		retries: counter(auto, "iot_cache_retries_total", "Failed writes to the cache that were retried."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_cache_lag_messages",
			Help: "Device states in Kafka that are not yet in the cache, by partition.",
		}, []string{"partition"}),
		answers: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_cache_answers_total",
			Help: "Queries of the history by outcome: hit (answered by the cache), miss or error.",
		}, []string{"outcome"}),
	}
}

// Written counts device states written to the cache.
func (c *Cache) Written(states int) { c.states.Add(float64(states)) }

// Retried counts a failed write that will be retried.
func (c *Cache) Retried() { c.retries.Inc() }

// Lag sets how many device states of a partition are not yet cached.
func (c *Cache) Lag(partition int32, messages int64) {
	c.lag.WithLabelValues(partitionLabel(partition)).Set(float64(messages))
}

// Released removes the lag of a partition that another process now reads.
func (c *Cache) Released(partition int32) { c.lag.DeleteLabelValues(partitionLabel(partition)) }

// Answered counts a query of the history: hit, miss or error.
func (c *Cache) Answered(outcome string) { c.answers.WithLabelValues(outcome).Inc() }
