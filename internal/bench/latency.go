package bench

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a histogram of durations up to a minute, with three significant digits. Its methods may be called
// concurrently.
type Latency struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
}

// NewLatency returns an empty Latency.
func NewLatency() *Latency {
	return &Latency{histogram: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
}

// Record counts one duration, limited to between a microsecond and a minute.
func (l *Latency) Record(d time.Duration) {
	us := min(max(d.Microseconds(), 1), int64(time.Minute/time.Microsecond))
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.histogram.RecordValue(us) // It is within the bounds.
}

// Quantiles are milliseconds.
type Quantiles struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Quantiles returns what has been counted so far.
func (l *Latency) Quantiles() Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(q float64) float64 { return float64(l.histogram.ValueAtQuantile(q)) / 1000 }
	return Quantiles{l.histogram.TotalCount(), at(50), at(95), at(99), float64(l.histogram.Max()) / 1000}
}

var _ json.Marshaler = (*Latency)(nil)

// MarshalJSON returns the quantiles.
func (l *Latency) MarshalJSON() ([]byte, error) { return json.Marshal(l.Quantiles()) }
