package observe

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// WatchDisk publishes how much room there is where dir lies, at the moment of a scrape: NaN where the system does not tell.
// It is called once at most.
func (m *Metrics) WatchDisk(dir string) {
	auto := promauto.With(m.registry)
	watch := func(name, help string, field func(free, size float64) float64) {
		auto.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			free, size, err := diskSpace(dir)
			if err != nil {
				return math.NaN()
			}
			return field(free, size)
		})
	}
	watch("iot_data_dir_free_bytes", "Room left on the file system of the data directory.",
		func(free, _ float64) float64 { return free })
	watch("iot_data_dir_size_bytes", "Size of the file system of the data directory.",
		func(_, size float64) float64 { return size })
}
