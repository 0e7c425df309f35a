package observe

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// maxLabelValues is the maximum number of label values of a family; further ones are counted as "other".
const maxLabelValues = 32

const otherValue = "other"

// family is a counter for each value of one label.
type family struct {
	vec *prometheus.CounterVec

	mu       sync.Mutex
	counters map[string]prometheus.Counter
}

// newFamily returns a family whose expected values are published from the start; others appear when first counted.
func newFamily(auto promauto.Factory, name, help, label string, expected ...string) *family {
	f := &family{
		vec:      auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label}),
		counters: map[string]prometheus.Counter{},
	}
	for _, value := range expected {
		f.add(value, 0)
	}
	return f
}

func (f *family) add(value string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.counters[value]
	if !ok {
		if len(f.counters) >= maxLabelValues {
			value = otherValue
		}
		c = f.vec.WithLabelValues(value)
		if value != otherValue {
			f.counters[value] = c
		}
	}
	c.Add(float64(n))
}
