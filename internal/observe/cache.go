package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Cache counts what goes into the cache and comes out of it.
type Cache struct {
	states, retries prometheus.Counter
	lag             *prometheus.GaugeVec
	answers         *prometheus.CounterVec
}

func newCache(auto promauto.Factory) Cache {
	return Cache{
		states:  counter(auto, "iot_cache_states_written_total", "Device states given to the cache."),
		retries: counter(auto, "iot_cache_retries_total", "Writes to the cache that failed and were tried again."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_cache_lag_messages",
			Help: "Device states that are in the log and not yet handed to the cache, by partition.",
		}, []string{"partition"}),
		answers: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_cache_answers_total",
			Help: "Questions about the past: hit, those that the cache could answer, miss, or error.",
		}, []string{"outcome"}),
	}
}

// Written counts device states that the cache has taken.
func (c *Cache) Written(states int) { c.states.Add(float64(states)) }

// Retried tells of a write that failed and will be tried again.
func (c *Cache) Retried() { c.retries.Inc() }

// Lag tells how many device states of a partition are still to be cached.
func (c *Cache) Lag(partition int32, messages int64) {
	c.lag.WithLabelValues(partitionLabel(partition)).Set(float64(messages))
}

// Released forgets the lag of a partition that another process fills from now.
func (c *Cache) Released(partition int32) { c.lag.DeleteLabelValues(partitionLabel(partition)) }

// Answered counts a question about the past: hit, miss or error.
func (c *Cache) Answered(outcome string) { c.answers.WithLabelValues(outcome).Inc() }
